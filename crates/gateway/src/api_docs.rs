//! The interactive API page: a viewer of OpenAPI documents that others keep, shipped inside the binary.

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// Nothing from elsewhere, and no code but our own files: the page can call this server, no other. Styles alone may be
/// inline, because the viewer writes its own into the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Compressed already, so that the binary needs no library for it, and is smaller.
const VIEWER: &[u8] = include_bytes!("api_docs/viewer-1.70.0.js.gz");

/// The page's files. The viewer's name holds its version, and so is for one content only; the page names it too.
pub fn routes() -> Router {
    Router::new()
        .route("/api-docs", get(async || file("text/html", include_str!("api_docs/index.html"))))
        .route("/api-docs/page.js", get(async || file("text/javascript", include_str!("api_docs/page.js"))))
        .route("/api-docs/viewer-1.70.0.js", get(viewer))
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

async fn viewer(request: HeaderMap) -> Response {
    if !accepts_gzip(&request) {
        let headers = [(header::VARY, "accept-encoding"), (header::CACHE_CONTROL, "no-store")];
        let told = "This file is sent in gzip only: please name gzip in Accept-Encoding.\n";
        return (StatusCode::NOT_ACCEPTABLE, headers, told).into_response();
    }
    let headers = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CONTENT_ENCODING, "gzip"),
        (header::VARY, "accept-encoding"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, VIEWER).into_response()
}

/// Whether the client takes gzip: without the header it takes anything (RFC 9110 §12.5.3), and a weight of zero is a no.
fn accepts_gzip(request: &HeaderMap) -> bool {
    if !request.contains_key(header::ACCEPT_ENCODING) {
        return true;
    }
    let lines = request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    let mut others = false;
    for coding in lines.flat_map(|line| line.split(',')) {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = weight.split_once('=').is_some_and(|(_, weight)| weight.trim().parse() == Ok(0.0_f32));
        match name.trim().to_ascii_lowercase().as_str() {
            // What is said of gzip itself counts, wherever it stands.
            "gzip" | "x-gzip" => return !refused,
            "*" => others = !refused,
            _ => {}
        }
    }
    others
}
