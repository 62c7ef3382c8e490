//! Answers that belong to no service.

use api::v1::{self, Failure};
use api::v2::refusal::{self, Refusal};
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use kernel::Error;
use mesh::Answer;
use platform::RequestId;
use utoipa::ToSchema;

/// Puts a refusal into the words of the API version that was asked.
pub fn explain(bare: Response, path: &str, request_id: Option<&RequestId>) -> Response {
    let bare = sort_methods(bare);
    let Some(refusal) = refusal::of(&bare) else { return bare };
    if path.starts_with("/internal/") {
        // Between our own processes, who read the kind of it.
        return match &*refusal {
            Refusal::Because(error) => Answer::<()>(Err(error.clone())).into_response(),
            _ => bare,
        };
    }
    if !is_v1(path) {
        return refusal.explain(bare, path, request_id);
    }
    let failure = match &*refusal {
        Refusal::Because(error) => Failure::from(error.clone()),
        Refusal::MalformedHeader(malformed) => Failure::from(malformed.clone()),
        // The other kinds are v2's alone.
        _ => Failure::route_not_found(path),
    };
    let mut answer = failure.into_response();
    // What it means to the connection stays.
    if let Some(connection) = bare.headers().get(header::CONNECTION) {
        answer.headers_mut().insert(header::CONNECTION, connection.clone());
    }
    answer
}

/// Methods that are allowed are named in the same order whether their endpoints are here or passed on.
fn sort_methods(mut response: Response) -> Response {
    if response.status() == StatusCode::METHOD_NOT_ALLOWED
        && let Some(allowed) = response.headers().get(header::ALLOW).and_then(|methods| methods.to_str().ok())
    {
        let mut methods: Vec<&str> = allowed.split(',').collect();
        methods.sort_unstable();
        if let Ok(sorted) = HeaderValue::from_str(&methods.join(",")) {
            response.headers_mut().insert(header::ALLOW, sorted);
        }
    }
    response
}

pub async fn not_found(request: Request) -> Response {
    let path = request.uri().path();
    if is_v1(path) {
        return Failure::route_not_found(path).into_response();
    }
    // A process that asks reads the kind of it.
    let is_internal = path.starts_with("/internal/");
    if is_internal { Refusal::from(Error::NotFound) } else { Refusal::UnknownPath }.into_response()
}

/// The monolith knew no 405: a method without a handler was a route that does not exist.
pub async fn method_not_allowed(request: Request) -> Response {
    if is_v1(request.uri().path()) {
        return not_found(request).await;
    }
    // The header Allow is added where the methods are known.
    Refusal::MethodNotAllowed.into_response()
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct Health {
    #[schema(example = "OK")]
    status: String,
    #[schema(example = "Server is running")]
    message: String,
}

/// Whether the server answers at all
#[utoipa::path(get, path = "/health", operation_id = "v1_health", tag = "health", responses((status = 200, body = Health)))]
pub async fn health() -> Response {
    v1::json(StatusCode::OK, Bytes::from_static(br#"{"status":"OK","message":"Server is running"}"#))
}

/// Whether a path is answered in the frozen shape of API v1: no other is.
fn is_v1(path: &str) -> bool {
    path.starts_with("/api/v1/") || path == "/api/v1" || path == "/health"
}

/// Words that our paths begin with.
const OURS: [&str; 3] = ["api", "v1", "v2"];
/// Segments that a template shows.
const SHOWN: usize = 8;

/// What the log tells of a path that leads nowhere: `/api/v2/*/*`. What a stranger wrote may be a secret of theirs.
pub fn template(path: &str) -> String {
    let mut segments = path.split('/').skip(1);
    let mut template = String::new();
    for segment in segments.by_ref().take(SHOWN) {
        let is_shown = segment.is_empty() || OURS.contains(&segment);
        template.extend(["/", if is_shown { segment } else { "*" }]);
    }
    if segments.next().is_some() {
        template.push_str("/…");
    }
    template
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_has_words_of_ours_only() {
        for (path, shown) in [
            ("/", "/"),
            ("/reset/t0ken/address", "/*/*/*"),
            ("/api/v2/t0ken/", "/api/v2/*/"),
            ("/api/v3", "/api/*"),
            ("//api", "//api"),
            ("/1/2/3/4/5/6/7/8", "/*/*/*/*/*/*/*/*"),
            ("/1/2/3/4/5/6/7/8/9", "/*/*/*/*/*/*/*/*/…"),
            // Of `OPTIONS *` and of CONNECT.
            ("*", ""),
            ("", ""),
        ] {
            assert_eq!(template(path), shown, "{path}");
        }
    }
}
