//! The interactive API page, built in the browser from the published documents, and shipped inside the binary.

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// Nothing inline and nothing from elsewhere: the page can run our own files and call this server, no other.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page's files.
pub fn routes() -> Router {
    Router::new()
        .route("/api-docs", get(async || file("text/html", include_str!("api_docs/index.html"))))
        .route("/api-docs/app.js", get(async || file("text/javascript", include_str!("api_docs/app.js"))))
        .route("/api-docs/style.css", get(async || file("text/css", include_str!("api_docs/style.css"))))
}

fn file(media_type: &str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, format!("{media_type}; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, POLICY.to_owned()),
        // They change with the binary, and together.
        (header::CACHE_CONTROL, "no-cache".to_owned()),
    ];
    (headers, text).into_response()
}
