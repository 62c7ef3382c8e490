//! JSON bodies of API v2: read whole, in bounds, and wrong in no way that the client is not told.

use std::borrow::Cow;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::Method;
use bytes::Bytes;
use kernel::json::{Object, Objects};
use kernel::{Error, Violation};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_path_to_error::Segment;

use super::{Refusal, numbers, pointer, shape};
use crate::body::{self, Arrived, BodyError};

const JSON: &str = "application/json";
/// RFC 7396.
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";

/// A body of type `T`, which denies unknown fields.
pub struct JsonBody<T> {
    pub value: T,
    /// The bytes as sent, for fingerprints.
    pub raw: Bytes,
}

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let patch = request.method() == Method::PATCH;
        let (mut parts, body) = request.into_parts();
        let raw = body::of(&mut parts, body).await.map_err(|error| match error {
            BodyError::TooLarge(limit) => Refusal::PayloadTooLarge(limit),
            BodyError::Broken => Refusal::MalformedBody("it ended early".into()),
        })?;
        let is = |media_type| body::is_media_type(&parts.headers, media_type) == Some(true);
        match patch {
            _ if is(JSON) => {}
            true if is(MERGE_PATCH) => {}
            true => return Err(Refusal::UnsupportedMediaType(MERGE_PATCH)),
            false => return Err(Refusal::UnsupportedMediaType(JSON)),
        }
        Ok(JsonBody { value: parse(&raw)?, raw })
    }
}

/// A JSON body that may be left out, with its Content-Type.
pub struct OptionalJsonBody<T> {
    pub value: Option<T>,
    pub raw: Bytes,
}

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for OptionalJsonBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        let raw = body::of(&mut parts, body).await;
        if matches!(&raw, Ok(raw) if raw.is_empty()) {
            return Ok(Self { value: None, raw: Bytes::new() });
        }
        parts.extensions.insert(Arrived(raw));
        let JsonBody { value, raw } = JsonBody::from_request(Request::from_parts(parts, Body::empty()), state).await?;
        Ok(Self { value: Some(value), raw })
    }
}

/// For fields of a merge-patch: what is sent, `null` among it, is `Some`. Use with `default`.
///
/// # Errors
/// As `T`.
pub fn sent<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn parse<T: DeserializeOwned>(raw: &[u8]) -> Result<T, Refusal> {
    let text = std::str::from_utf8(raw).map_err(|_| Refusal::MalformedBody("it is not UTF-8".into()))?;
    // First whether it is JSON at all: only then it is about fields.
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| Refusal::MalformedBody(error.to_string()))?;
    read(text)
        .or_else(|refused| match numbers::with_plain_integers(text) {
            Some(plain) => read(&plain).map_err(|refused| (Cow::Owned(plain), refused)),
            None => Err((Cow::Borrowed(text), refused)),
        })
        .map_err(|(text, error)| {
            let first = violation(error.path(), error.inner());
            Error::Invalid(shape::all_of::<T>(&text, first)).into()
        })
}

/// An object, whatever `T` is; so is each struct in it.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, serde_path_to_error::Error<serde_json::Error>> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(Objects(&mut deserializer)).map(|Object(value)| value)
}

/// serde's words about the first field that does not fit.
pub(super) fn violation(path: &serde_path_to_error::Path, error: &serde_json::Error) -> Violation {
    let told = error.to_string();
    let told = told.rsplit_once(" at line ").map_or(told.as_str(), |(told, _)| told);
    let quoted = || told.split('`').nth(1).unwrap_or_default();
    let (code, missing) = match told {
        _ if told.starts_with("missing field") => ("required", Some(quoted())),
        _ if told.starts_with("unknown field") => ("unknown-field", None),
        _ if told.starts_with("duplicate field") => ("duplicate-field", Some(quoted())),
        _ if told.starts_with("invalid type") => ("type", None),
        _ => ("value", None),
    };
    let mut pointer: Vec<String> = path
        .iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(index.to_string()),
            Segment::Map { key } => Some(pointer::token(key)),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect();
    pointer.extend(missing.map(str::to_owned));
    let detail = if told.starts_with("UUID parsing failed") { "expected a UUID".into() } else { in_json_words(told) };
    Violation::new(pointer.join("/"), code, detail)
}

/// serde speaks of Rust's types; clients know JSON's.
fn in_json_words(told: &str) -> String {
    let words = [
        ("expected i64", "expected an integer"),
        ("expected u64", "expected an integer"),
        ("expected a sequence", "expected an array"),
        ("invalid type: sequence", "invalid type: array"),
        ("invalid type: map", "invalid type: object"),
        ("a map", "an object"),
        ("unknown variant", "unknown value"),
    ];
    words.iter().fold(told.to_owned(), |told, (rust, json)| told.replace(rust, json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        name: String,
        #[serde(default)]
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        number: i64,
    }

    fn refused(text: &str) -> (String, String) {
        match parse::<Outer>(text.as_bytes()) {
            Err(Refusal::Because(Error::Invalid(violations))) => {
                (violations[0].field.clone().into_owned(), violations[0].code.clone().into_owned())
            }
            Err(Refusal::MalformedBody(_)) => (String::new(), "malformed".to_owned()),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn the_field_that_is_wrong_is_named() {
        for (text, field, code) in [
            ("{}", "name", "required"),
            (r#"{"name": 1}"#, "name", "type"),
            (r#"{"name": null}"#, "name", "type"),
            (r#"{"name": "a", "role": "admin"}"#, "role", "unknown-field"),
            (r#"{"name": "a", "name": "b"}"#, "name", "duplicate-field"),
            (r#"{"name": "a", "inner": [{"number": 1}, {"number": 1.5}]}"#, "inner/1/number", "type"),
            (r#"{"name": "a", "inner": [{"number": 99999999999999999999}]}"#, "inner/0/number", "type"),
            (r#"{"name": "a", "inner": [{"~/": 1}]}"#, "inner/0/~0~1", "unknown-field"),
            (r#"{"name": "a", "inner": [[1]]}"#, "inner/0", "type"),
            // Told of the text in which integers are plain, whose first error is another one.
            (r#"{"name": "a", "inner": [{"number": 1.0}, {"number": 1.5}]}"#, "inner/1/number", "type"),
            (r#"{"name": "a", "inner": [{"number": 1e19}]}"#, "inner/0/number", "type"),
            (r#"{"name": 1.0}"#, "name", "type"),
            (r#"["a"]"#, "", "type"),
            ("1", "", "type"),
        ] {
            let (told, told_code) = refused(text);
            assert_eq!((told.as_str(), told_code.as_str()), (field, code), "{text}");
        }
    }

    #[test]
    fn an_integer_is_one_however_it_is_written() {
        for (number, whole) in [("5", 5), ("5.0", 5), ("1e3", 1_000), ("5.0e0", 5), ("-0", 0), ("-250E-1", -25)] {
            let text = format!(r#"{{"inner": [{{"number": {number}}}], "name": "1.0 \\\" 2.0"}}"#);
            let outer = parse::<Outer>(text.as_bytes()).unwrap();
            assert_eq!((outer.inner[0].number, outer.name.as_str()), (whole, "1.0 \\\" 2.0"), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_malformed() {
        for text in ["", " ", "{", "{]", "{'a': 1}", "{\"name\": \"a\"} x", "nul"] {
            assert_eq!(refused(text).1, "malformed", "{text}");
        }
        assert!(matches!(parse::<Outer>(b"{\"name\": \"\xff\"}"), Err(Refusal::MalformedBody(_))));
    }
}
