//! Cross-origin requests, by the Fetch standard. Requests that no page of another origin makes pass by untouched.

use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::Response;
use tower::{Layer, ServiceExt, service_fn};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

/// What a page may read of an answer, beside its body and what every page may.
const EXPOSED: [HeaderName; 6] = [
    header::ETAG,
    header::LOCATION,
    header::RETRY_AFTER,
    header::WWW_AUTHENTICATE,
    HeaderName::from_static("idempotent-replayed"),
    HeaderName::from_static("x-request-id"),
];

/// The rules: pages of these origins may call, with credentials.
pub fn rules(origins: &[HeaderValue]) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins.to_vec()))
        .allow_credentials(true)
        .allow_methods(AllowMethods::mirror_request())
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(EXPOSED)
        .max_age(Duration::from_secs(3_600))
}

/// Answers preflights; lets the browser show the other answers to pages that may see them.
pub async fn cross_origin(
    rules: Option<&CorsLayer>,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let Some((rules, origin)) = rules.zip(request.headers().get(header::ORIGIN).cloned()) else {
        return next(request).await;
    };
    let asks_first = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let preflight = asks_first && request.method() == Method::OPTIONS;
    let (asked, answer) = if preflight {
        (request, Response::default())
    } else {
        let mut asked = Request::new(Body::empty());
        asked.headers_mut().insert(header::ORIGIN, origin);
        (asked, next(request).await)
    };
    let mut answer = Some(answer);
    let answered = service_fn(move |_| ready(Ok::<_, Infallible>(answer.take().unwrap_or_default())));
    match rules.layer(answered).oneshot(asked).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
