//! API v2's errors: `application/problem+json` (RFC 9457), from the one list of error kinds.

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kernel::Error;
use serde::Serialize;

use super::{RequestId, conditional, seconds};

/// A problem document, ready to send.
#[derive(Debug)]
pub struct Problem {
    error: Error,
    instance: String,
    request_id: Option<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<InputError<'a>>,
}

#[derive(Serialize)]
struct InputError<'a> {
    pointer: String,
    detail: &'a str,
    code: &'a str,
}

impl Problem {
    pub fn of(error: Error, parts: &Parts) -> Self {
        Self::new(error, parts.uri.path(), parts.extensions.get())
    }

    pub fn new(error: Error, path: &str, request_id: Option<&RequestId>) -> Self {
        Self { error, instance: path.to_owned(), request_id: request_id.map(|id| id.as_str().to_owned()) }
    }

    /// The one place where error kinds become v2 answers: status, stable slug, title, and what the client may know.
    fn classify(&self) -> (StatusCode, &'static str, &'static str, &str) {
        use StatusCode as S;
        match &self.error {
            Error::Invalid(_) => (
                S::UNPROCESSABLE_ENTITY,
                "validation-failed",
                "Validation failed",
                "The request breaks the rules that `errors` lists.",
            ),
            Error::Unauthenticated(_) => {
                (S::UNAUTHORIZED, "unauthenticated", "Not authenticated", "A valid bearer token is required.")
            }
            Error::Forbidden => (S::FORBIDDEN, "forbidden", "Forbidden", "You may see this, but not do that with it."),
            Error::NotFound => (S::NOT_FOUND, "not-found", "Not found", "There is nothing here that you may see."),
            Error::Conflict(detail) => (S::CONFLICT, "conflict", "Conflict", detail),
            Error::IdempotencyInFlight => (
                S::CONFLICT,
                "idempotency-in-flight",
                "In progress",
                "A request with this Idempotency-Key is in progress; repeat it later.",
            ),
            Error::IdempotencyKeyReused => (
                S::UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                "Key used before",
                "This Idempotency-Key was used with another request.",
            ),
            Error::Overloaded { .. } => {
                (S::SERVICE_UNAVAILABLE, "overloaded", "Overloaded", "The server is busy; repeat the request later.")
            }
            Error::RateLimited { .. } => {
                (S::TOO_MANY_REQUESTS, "rate-limited", "Too many requests", "Try again after the time in Retry-After.")
            }
            Error::Unavailable(_) => (
                S::SERVICE_UNAVAILABLE,
                "unavailable",
                "Unavailable",
                "Something that is needed for this cannot be reached; repeat the request later.",
            ),
            Error::Internal(_) => {
                (S::INTERNAL_SERVER_ERROR, "internal", "Internal error", "The request failed for a reason of our own.")
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code, title, detail) = self.classify();
        let errors = match &self.error {
            Error::Invalid(violations) => violations
                .iter()
                .map(|v| InputError { pointer: format!("/{}", v.field), detail: &v.detail, code: v.code })
                .collect(),
            _ => Vec::new(),
        };
        let document = Document {
            r#type: format!("urn:primetrade:problem:{code}"),
            title,
            status: status.as_u16(),
            detail,
            instance: &self.instance,
            code,
            request_id: self.request_id.as_deref(),
            errors,
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        if let Error::Internal(cause) | Error::Unavailable(cause) = &self.error {
            tracing::error!(event = "request.failed", error = %cause, "a request failed");
        }
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        match &self.error {
            Error::Overloaded { retry_after, .. } | Error::RateLimited { retry_after, .. } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds(*retry_after)));
            }
            Error::Unavailable(_) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Error::Unauthenticated(_) => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }
}

/// A 200 answer for everyone, which caches may keep as long as they ask again.
pub fn public<T: Serialize>(body: &T) -> Response {
    let mut response = json(body);
    for_everyone(response.headers_mut());
    response
}

/// As [`public`], for what has a validator: 304 when the client has it.
pub fn public_with_etag<T: Serialize>(parts: &Parts, etag: HeaderValue, body: impl FnOnce() -> T) -> Response {
    let mut response = match conditional::has_current(&parts.headers, &etag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => json(&body()),
    };
    let headers = response.headers_mut();
    for_everyone(headers);
    headers.insert(header::ETAG, etag);
    response
}

/// A 200 answer for this caller alone, which nobody keeps. Its validator is for `If-Match`.
pub fn private_with_etag<T: Serialize>(etag: HeaderValue, body: &T) -> Response {
    let mut response = json(body);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(header::ETAG, etag);
    response
}

fn for_everyone(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=0, must-revalidate"));
    headers.insert(header::VARY, HeaderValue::from_static("Authorization, Origin"));
}

fn json<T: Serialize>(body: &T) -> Response {
    // Our answers are structs of strings and numbers, which always serialize.
    let mut response = Response::new(Body::from(serde_json::to_vec(body).unwrap_or_default()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
