//! Conditional requests (RFC 9110 §13).

use axum::http::{HeaderMap, HeaderValue, header};

/// A strong validator, `"<version>-<representation>"`: the version is the resource's own, the representation tells apart what is
/// shown of one version.
pub fn etag(version: i64, representation: &str) -> HeaderValue {
    // Digits, and the words and digits of our representations, are what a header may have.
    HeaderValue::try_from(format!("\"{version}-{representation}\""))
        .unwrap_or(HeaderValue::from_static("\"0-unknown\""))
}

/// Whether the client already has what this validator stands for: `If-None-Match`, by the weak comparison that it asks for.
pub fn has_current(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let sent = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    // Our validators hold no comma.
    let mut tags = sent.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == etag.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_what_it_names() {
        let current = etag(3, "p");
        assert_eq!(current, "\"3-p\"");
        let has = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::IF_NONE_MATCH, HeaderValue::from_static(value));
            }
            has_current(&headers, &current)
        };
        for yes in [&["\"3-p\""][..], &["W/\"3-p\""], &["\"2-p\" , \"3-p\""], &["\"2-p\"", "\"3-p\""], &["*"]] {
            assert!(has(yes), "{yes:?}");
        }
        for no in [&[][..], &["\"2-p\""], &["3-p"], &["\"3-p"], &["\"13-p\""], &[""]] {
            assert!(!has(no), "{no:?}");
        }
    }
}
