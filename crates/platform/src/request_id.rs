//! The id of a request, from the edge to the last log line.

use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use kernel::Uuid;

/// The header of [`RequestId`].
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The request's id, given by the edge: in the reply, the log line, and the events of the request. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RequestId(HeaderValue);

impl RequestId {
    pub fn new(id: Uuid) -> Self {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        let text: &str = id.hyphenated().encode_lower(&mut text);
        // A UUID has no character that a header may not have.
        Self(HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("unknown")))
    }

    /// The client's own, if it is harmless in logs and headers.
    pub fn sent(id: &HeaderValue) -> Option<Self> {
        let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        let bytes = id.as_bytes();
        ((1..=64).contains(&bytes.len()) && bytes.iter().all(harmless)).then(|| Self(id.clone()))
    }

    pub fn of(parts: &Parts) -> Option<&str> {
        parts.extensions.get::<RequestId>().map(RequestId::as_str)
    }

    pub fn as_str(&self) -> &str {
        // Visible ASCII by construction.
        self.0.to_str().unwrap_or("unknown")
    }

    pub fn into_header(self) -> HeaderValue {
        self.0
    }
}
