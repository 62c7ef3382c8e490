//! The front door: what every request passes before a service sees it, and every answer on its way out.

mod api_docs;
mod client;
mod cors;
mod edge;
mod fallback;
mod unread;

use std::sync::Arc;
use std::time::Duration;

use auth::Auth;
use axum::Router;
use axum::http::HeaderValue;
use axum::response::Redirect;
use axum::routing::get;
use edge::Edge;
use ipnet::IpNet;
use platform::Context;

/// What the edge needs to know.
#[derive(Clone)]
pub struct EdgeSettings {
    /// Bytes of a request body at most.
    pub body_limit: usize,
    /// Time for a request, from its headers to its answer.
    pub request_timeout: Duration,
    /// Requests in progress at most; beyond, they are shed.
    pub max_requests: usize,
    /// Peers whose word on a client's address counts.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins whose pages may call with credentials.
    pub cors_origins: Vec<HeaderValue>,
}

/// The public router: the services' endpoints behind the edge.
pub fn router(services: Router, auth: Arc<Auth>, context: Context, settings: EdgeSettings) -> Router {
    services
        .route("/health", get(fallback::health))
        .route("/api-docs", get(api_docs::page))
        // Until the web app is here.
        .route("/", get(async || Redirect::temporary("/api-docs")))
        .fallback(fallback::not_found)
        // The monolith knew no 405: a method without a handler was a route that does not exist.
        .method_not_allowed_fallback(fallback::not_found)
        .layer(Edge::new(context, auth, &settings))
}
