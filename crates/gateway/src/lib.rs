//! The front door: what every request passes before a service sees it, and every answer on its way out.

mod api_docs;
mod edge;
mod fallback;
mod unread;

use std::sync::Arc;
use std::time::Duration;

use auth::Auth;
use axum::Router;
use axum::http::HeaderValue;
use axum::routing::get;
use edge::Edge;
use platform::Context;
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

/// What the edge needs to know.
#[derive(Clone)]
pub struct EdgeSettings {
    /// Bytes of a request body at most.
    pub body_limit: usize,
    /// Time for a request, from its headers to its answer.
    pub request_timeout: Duration,
    /// Requests in progress at most; beyond, they are shed.
    pub max_requests: usize,
    /// Origins whose pages may call with credentials.
    pub cors_origins: Vec<HeaderValue>,
}

/// The public router: the services' endpoints behind the edge.
pub fn router(services: Router, auth: Arc<Auth>, context: Context, settings: EdgeSettings) -> Router {
    let allowed = settings.cors_origins.clone();
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| allowed.contains(origin)))
        .allow_credentials(true)
        .allow_methods(AllowMethods::mirror_request())
        .allow_headers(AllowHeaders::mirror_request())
        .max_age(Duration::from_secs(3_600));
    services
        .route("/health", get(fallback::health))
        .route("/api-docs", get(api_docs::page))
        .fallback(fallback::not_found)
        // The monolith knew no 405: a method without a handler was a route that does not exist.
        .method_not_allowed_fallback(fallback::not_found)
        // Inside the edge: a preflight carries no token, so the token check lets it through to here.
        .layer(cors)
        .layer(Edge::new(context, auth, &settings))
}
