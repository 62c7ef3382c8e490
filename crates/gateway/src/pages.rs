//! Pages to which links in mails lead, for shops whose own front end has none yet.

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// Nothing inline and nothing from elsewhere. The token in the address is no referrer of anything.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

pub fn routes() -> Router {
    Router::new()
        .route("/confirm-email", get(async || file("text/html", include_str!("pages/confirm-email.html"))))
        .route("/reset-password", get(async || file("text/html", include_str!("pages/reset-password.html"))))
        .route("/pages/mailed.js", get(async || file("text/javascript", include_str!("pages/mailed.js"))))
        .route("/pages/style.css", get(async || file("text/css", include_str!("pages/style.css"))))
}

fn file(media_type: &str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, format!("{media_type}; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, POLICY.to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
        // They change with the binary, and together.
        (header::CACHE_CONTROL, "no-cache".to_owned()),
    ];
    (headers, text).into_response()
}
