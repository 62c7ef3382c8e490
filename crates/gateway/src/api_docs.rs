//! An interactive page of API v1, shipped inside the binary.

use axum::http::header;
use axum::response::{IntoResponse, Response};

pub async fn page() -> Response {
    // Scripts and styles are inline and nothing else may load, so the page can call this server and no other.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'";
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, policy)];
    (headers, include_str!("api_docs.html")).into_response()
}
