//! Conditional requests (RFC 9110 §13).

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use kernel::Expected;

use super::v2::Refusal;

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

/// `If-Match`: the versions of a resource on which the client's change is based.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfMatch(pub Expected);

impl IfMatch {
    /// Weak validators and those of others match no version (RFC 9110 §13.1.1).
    fn parse(headers: &HeaderMap) -> Option<Self> {
        let mut sent = headers.get_all(header::IF_MATCH).iter().peekable();
        sent.peek()?;
        let tags: Vec<&str> =
            sent.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim).collect();
        if tags.contains(&"*") {
            return Some(IfMatch(Expected::Any));
        }
        let version = |tag: &str| {
            let (version, _) = tag.strip_prefix('"')?.strip_suffix('"')?.split_once('-')?;
            version.parse().ok()
        };
        Some(IfMatch(Expected::OneOf(tags.into_iter().filter_map(version).collect())))
    }
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Self::parse(&parts.headers).ok_or(Refusal::PreconditionRequired)
    }
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

    #[test]
    fn a_change_names_its_version() {
        let parse = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.append(header::IF_MATCH, HeaderValue::from_static(value));
            IfMatch::parse(&headers)
        };
        assert_eq!(IfMatch::parse(&HeaderMap::new()), None);
        assert_eq!(parse("*"), Some(IfMatch(Expected::Any)));
        assert!(parse("\"3-managed\"").unwrap().0.check(3).is_ok());
        assert!(parse("\"2-x\", \"3-y\"").unwrap().0.check(3).is_ok());
        for stale in ["\"2-x\"", "W/\"3-x\"", "3", "\"3\"", "\"x-3\"", ""] {
            assert!(parse(stale).unwrap().0.check(3).is_err(), "{stale}");
        }
    }
}
