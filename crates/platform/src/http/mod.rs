//! HTTP, as every service speaks it: bodies, callers, the two API versions' answers, the listener.

pub mod body;
pub mod caller;
pub mod idempotency;
pub mod path;
pub mod query;
pub mod server;
pub mod v1;
pub mod v1_page;
pub mod v2;

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::request::Parts;

/// The request's id, given by the edge: in the reply, the log line, and the events of the request.
#[derive(Debug, Clone)]
pub struct RequestId(pub Arc<str>);

impl RequestId {
    pub fn of(parts: &Parts) -> Option<&str> {
        parts.extensions.get::<RequestId>().map(|id| &*id.0)
    }
}

/// The token of `Authorization: Bearer …`, when the header is there and of that form.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(axum::http::header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.contains(' ')).then_some(token)
}
