//! Conditional requests (RFC 9110 §13).

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use kernel::Expected;

use super::header::MalformedHeader;

/// A strong validator, `"<version>-<representation>"`: the version is the resource's own, the representation tells apart what is
/// shown of one version.
pub fn etag(version: i64, representation: &str) -> HeaderValue {
    // Digits, and the words and digits of our representations, are what a header may have.
    HeaderValue::try_from(format!("\"{version}-{representation}\""))
        .unwrap_or(HeaderValue::from_static("\"0-unknown\""))
}

/// Whether the client already has what this validator stands for: `If-None-Match`, by the weak comparison that it asks for.
pub fn has_current(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    match Condition::of(headers, &header::IF_NONE_MATCH) {
        Some(Condition::Any) => true,
        Some(Condition::Tags(tags)) => entity_tag(etag.as_bytes()).is_some_and(|(current, _)| tags.contains(&current)),
        None => false,
    }
}

/// What `If-Match` and `If-None-Match` hold (RFC 9110 §13.1).
enum Condition<'a> {
    Any,
    /// What is between the quotes of each tag; one at least.
    Tags(Vec<&'a [u8]>),
}

impl<'a> Condition<'a> {
    /// `None`: the header is not of its form, or not there.
    fn of(headers: &'a HeaderMap, name: &HeaderName) -> Option<Self> {
        let mut tags = Vec::new();
        for (line, value) in headers.get_all(name).iter().enumerate() {
            let mut rest = value.as_bytes().trim_ascii();
            if line == 0 && rest == b"*" && headers.get_all(name).iter().nth(1).is_none() {
                return Some(Condition::Any);
            }
            while !rest.is_empty() {
                // Members may be empty (RFC 9110 §5.6.1.2).
                if let Some(next) = rest.strip_prefix(b",") {
                    rest = next.trim_ascii_start();
                    continue;
                }
                let (tag, behind) = entity_tag(rest)?;
                tags.push(tag);
                rest = behind.trim_ascii_start();
                if !rest.is_empty() && !rest.starts_with(b",") {
                    return None;
                }
            }
        }
        (!tags.is_empty()).then_some(Condition::Tags(tags))
    }
}

/// The entity tag that the text begins with, without its quotes, and what is behind it. Whether it is weak is no matter here.
fn entity_tag(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let quoted = text.strip_prefix(b"W/").unwrap_or(text).strip_prefix(b"\"")?;
    let (tag, behind) = quoted.split_at(quoted.iter().position(|byte| *byte == b'"')?);
    let clean = tag.iter().all(|byte| matches!(byte, 0x21..=0x7e | 0x80..));
    clean.then_some((tag, &behind[1..]))
}

/// Why there is no [`IfMatch`].
#[derive(Debug)]
pub enum NoIfMatch {
    Missing,
    Malformed(MalformedHeader),
}

/// `If-Match`: the versions of a resource on which the client's change is based.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfMatch(pub Expected);

impl IfMatch {
    /// What a change is based on is a version, whatever was shown of it, so only that counts of a tag. Weak ones are taken, against
    /// RFC 9110 §13.1.1: proxies that compress make ours weak. Tags of others match no version.
    pub fn parse(headers: &HeaderMap) -> Result<Self, NoIfMatch> {
        match Condition::of(headers, &header::IF_MATCH) {
            Some(Condition::Any) => Ok(IfMatch(Expected::Any)),
            Some(Condition::Tags(tags)) => Ok(IfMatch(Expected::OneOf(tags.into_iter().filter_map(version).collect()))),
            None if headers.contains_key(header::IF_MATCH) => Err(NoIfMatch::Malformed(Self::malformed())),
            None => Err(NoIfMatch::Missing),
        }
    }

    /// What `If-Match` would hold, of a part of a body; `None` when it is not of that form.
    pub fn in_body(tags: &str) -> Option<Expected> {
        let headers = HeaderMap::from_iter([(header::IF_MATCH, HeaderValue::from_str(tags).ok()?)]);
        Self::parse(&headers).ok().map(|IfMatch(expected)| expected)
    }

    pub(super) fn malformed() -> MalformedHeader {
        let detail =
            "If-Match has to be * alone, or entity tags in double quotes, such as \"3-managed\", separated by commas";
        MalformedHeader::new("If-Match", "format", detail)
    }
}

/// The version that a tag of ours names.
fn version(tag: &[u8]) -> Option<i64> {
    let version = tag.split(|byte| *byte == b'-').next()?;
    let plain = version.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(version).ok().filter(|_| plain)?.parse().ok()
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

    fn parse(values: &[&[u8]]) -> Result<Expected, NoIfMatch> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::IF_MATCH, HeaderValue::from_bytes(value).unwrap());
        }
        IfMatch::parse(&headers).map(|IfMatch(expected)| expected)
    }

    #[test]
    fn a_change_names_its_version() {
        assert!(matches!(parse(&[]), Err(NoIfMatch::Missing)));
        for any in ["*", " * "] {
            assert_eq!(parse(&[any.as_bytes()]).unwrap(), Expected::Any);
        }
        for present in [
            r#""3-managed""#,
            r#""3""#,
            r#""3-""#,
            r#""3-any,thing""#,
            r#"W/"3-managed""#,
            r#"W/"3""#,
            r#""2-x", "3-y""#,
            r#""2-x",W/"3-y""#,
            r#", "3-x" , ,"#,
        ] {
            assert!(parse(&[present.as_bytes()]).unwrap().check(3).is_ok(), "{present}");
        }
        assert!(parse(&[b"\"2-x\"", b"\"3-x\""]).unwrap().check(3).is_ok(), "two lines are one list");
        for stale in
            [r#""2-x""#, r#""abc""#, r#""x-3""#, r#""-3""#, r#""+3""#, r#""""#, r#""*""#, r#""13-x""#, r#"W/"2""#]
        {
            assert!(parse(&[stale.as_bytes()]).unwrap().check(3).is_err(), "{stale}");
        }
        assert!(parse(&[b"\"99999999999999999999-x\", \"\xe9\""]).unwrap().check(3).is_err());
        assert!(parse(&[b"\"2-,\", \"a,3-x\""]).unwrap().check(3).is_err(), "a comma in quotes is part of the tag");
    }

    #[test]
    fn what_is_no_entity_tag_is_malformed() {
        for value in [
            "",
            " ",
            ",",
            "3",
            "foo",
            "3-managed",
            r#""3-managed"#,
            r#"3-managed""#,
            r#"w/"3-managed""#,
            r#"W/ "3-managed""#,
            "W/",
            r#"W/3"#,
            r#""3 managed""#,
            r#""3-x" "3-y""#,
            r#""3-x", foo"#,
            r#"foo, "3-x""#,
            r#""3-x"; q=1"#,
            r#"*, "3-x""#,
            r#""3-x", *"#,
            "*, *",
            "**",
            r#""*"x"#,
            "'3-x'",
        ] {
            let refused = parse(&[value.as_bytes()]);
            assert!(matches!(refused, Err(NoIfMatch::Malformed(_))), "{value}: {refused:?}");
        }
        for lines in [["*", "*"], ["*", "\"3-x\""], ["\"3-x\"", "*"], ["\"3-x\"", "3"]] {
            let refused = parse(&lines.map(str::as_bytes));
            assert!(matches!(refused, Err(NoIfMatch::Malformed(_))), "{lines:?}: {refused:?}");
        }
    }
}
