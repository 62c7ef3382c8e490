//! Answers that belong to no service.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use kernel::Error;
use platform::http::v1::{self, Failure};
use platform::http::v2::Problem;

/// A refusal by the edge, in the words of the API version that was asked.
pub fn failure(error: Error, request: &Parts) -> Response {
    match is_v2(request.uri.path()) {
        true => Problem::of(error, request).into_response(),
        false => Failure::from(error).into_response(),
    }
}

pub async fn not_found(request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match is_v2(parts.uri.path()) {
        true => Problem::of(Error::NotFound, &parts).into_response(),
        false => Failure::route_not_found(parts.uri.path()).into_response(),
    }
}

/// v1's health: whether the server answers at all.
pub async fn health() -> Response {
    v1::json(
        StatusCode::OK,
        Bytes::from_static(br#"{"status":"OK","message":"Server is running"}"#),
    )
}

fn is_v2(path: &str) -> bool {
    path.starts_with("/api/v2/") || path == "/api/v2"
}
