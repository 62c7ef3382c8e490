//! API v2: what its endpoints are asked with, and how they answer.

pub mod batch;
pub mod body;
mod numbers;
pub mod page;
mod pointer;
pub mod problem;
pub mod query;
pub mod refusal;
pub mod repeat;
mod shape;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;

use super::conditional::{self, IfMatch};
pub use body::{JsonBody, OptionalJsonBody, sent};
pub use kernel::json::Object;
pub use page::{Page, Position};
pub use query::Query;
pub use refusal::Refusal;
pub use repeat::Repeatable;

const NOBODY_KEEPS: HeaderValue = HeaderValue::from_static("private, no-store");

/// A 200 answer for everyone, which caches may keep as long as they ask again.
pub fn public<T: Serialize>(body: &T) -> Response {
    let mut response = json(StatusCode::OK, bytes(body));
    for_everyone(response.headers_mut());
    response
}

/// As [`public`], for what has a validator: 304 when the client has it.
pub fn public_with_etag<T: Serialize>(parts: &Parts, etag: HeaderValue, body: impl FnOnce() -> T) -> Response {
    let mut response = if conditional::has_current(&parts.headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        json(StatusCode::OK, bytes(&body()))
    };
    let headers = response.headers_mut();
    for_everyone(headers);
    headers.insert(header::ETAG, etag);
    response
}

/// A 200 answer for this caller alone, which nobody keeps.
pub fn private<T: Serialize>(body: &T) -> Response {
    private_json(StatusCode::OK, bytes(body))
}

/// As [`private`]. Its validator is for `If-Match`.
pub fn private_with_etag<T: Serialize>(etag: HeaderValue, body: &T) -> Response {
    let mut response = private(body);
    response.headers_mut().insert(header::ETAG, etag);
    response
}

/// A finished JSON body for this caller alone.
pub fn private_json(status: StatusCode, body: Bytes) -> Response {
    let mut response = json(status, body);
    response.headers_mut().insert(header::CACHE_CONTROL, NOBODY_KEEPS);
    response
}

/// 201, and where the new thing is.
pub fn created(location: &str, body: Bytes) -> Response {
    let mut response = private_json(StatusCode::CREATED, body);
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// 202: it will be done.
pub fn accepted() -> Response {
    empty(StatusCode::ACCEPTED)
}

/// 204: done, and nothing to say about it.
pub fn done() -> Response {
    empty(StatusCode::NO_CONTENT)
}

fn empty(status: StatusCode) -> Response {
    let mut response = status.into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, NOBODY_KEEPS);
    response
}

/// A body as it is sent.
pub fn bytes<T: Serialize>(body: &T) -> Bytes {
    // Our answers are structs of strings and numbers, which always serialize.
    serde_json::to_vec(body).unwrap_or_default().into()
}

fn for_everyone(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=0, must-revalidate"));
    headers.insert(header::VARY, HeaderValue::from_static("Authorization, Origin"));
}

fn json(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Ok(Self::parse(&parts.headers)?)
    }
}
