//! HTTP, as every service speaks it: bodies, callers, conditions, the answers and refusals of both API versions, and their documents.

pub mod answers;
pub mod body;
pub mod caller;
pub mod conditional;
pub mod header;
pub mod host;
pub mod idempotency;
pub mod openapi;
pub mod path;
pub mod query;
pub mod v1;
pub mod v2;

use std::time::Duration;

use axum::http::HeaderMap;
use platform::RequestId;
use platform::telemetry::Recurring;

/// Whole seconds for `Retry-After`, rounded up, so that who waits them does not come too early; and up to a tenth and three
/// seconds more, by the request's id, so that those who are told together do not come back together.
pub(crate) fn seconds(retry_after: Duration, request_id: Option<&RequestId>) -> u64 {
    let seconds = u64::try_from(retry_after.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX).max(1);
    let spread = request_id.map_or(0, |id| id.as_str().bytes().fold(0, |sum, byte| sum * 31 % 8_191 + u64::from(byte)));
    seconds.saturating_add(spread % (seconds / 10 + 4))
}

/// Of the writes that a full disk refuses, one a minute.
pub(crate) fn log_full_disk(cause: &str) {
    static REFUSED: Recurring = Recurring::new();
    if let Some(failures) = REFUSED.failed() {
        let message = "a disk is full: nothing is written until there is room";
        tracing::error!(event = "disk.full", error = cause, failures, "{message}");
    }
}

/// The token of `Authorization: Bearer …`, when the header is there and of that form.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(axum::http::header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.contains(' ')).then_some(token)
}
