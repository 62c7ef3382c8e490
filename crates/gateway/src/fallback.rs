//! Answers that belong to no service.

use axum::extract::Request;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use kernel::Error;
use platform::http::RequestId;
use platform::http::v1::{self, Failure};
use platform::http::v2::Problem;

/// What a refusal repeats of its request: cheap to keep while the request runs.
pub struct Seen {
    uri: Uri,
    request_id: Option<RequestId>,
}

impl Seen {
    pub fn of(request: &Request) -> Self {
        Self { uri: request.uri().clone(), request_id: request.extensions().get().cloned() }
    }

    /// A refusal by the edge, in the words of the API version that was asked.
    pub fn failure(self, error: Error) -> Response {
        match is_v2(self.uri.path()) {
            true => Problem::new(error, self.uri.path(), self.request_id.as_ref()).into_response(),
            false => Failure::from(error).into_response(),
        }
    }
}

pub async fn not_found(request: Request) -> Response {
    let path = request.uri().path();
    match is_v2(path) {
        true => Seen::of(&request).failure(Error::NotFound),
        false => Failure::route_not_found(path).into_response(),
    }
}

/// v1's health: whether the server answers at all.
pub async fn health() -> Response {
    v1::json(StatusCode::OK, Bytes::from_static(br#"{"status":"OK","message":"Server is running"}"#))
}

fn is_v2(path: &str) -> bool {
    path.starts_with("/api/v2/") || path == "/api/v2"
}
