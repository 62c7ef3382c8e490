//! The front door: what every request passes before a service sees it, and every answer on its way out.

mod api_docs;
mod client;
mod cors;
mod edge;
mod fallback;
mod intake;

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
use platform::http::openapi::{self, Api, Documents};
use platform::telemetry::metrics;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

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

/// Every endpoint that has a document: the services' and our own.
pub fn api(services: Api) -> Api {
    services.merge(Api { v1: OpenApiRouter::new().routes(routes!(fallback::health)), v2: OpenApiRouter::new() })
}

/// The public router: the services' endpoints behind the edge.
pub fn router(services: Api, auth: Arc<Auth>, context: Context, settings: EdgeSettings) -> Router {
    let Documents { v1, v2 } = Documents::COMMITTED;
    let endpoints = api(services);
    metrics().http.know(endpoints.endpoints());
    Router::from(endpoints)
        .route("/openapi/v1.json", get(async || openapi::answer(v1)))
        .route("/openapi/v2.json", get(async || openapi::answer(v2)))
        .merge(api_docs::routes())
        // Until the web app is here.
        .route("/", get(async || Redirect::temporary("/api-docs")))
        .fallback(fallback::not_found)
        .method_not_allowed_fallback(fallback::method_not_allowed)
        .layer(Edge::new(context, auth, &settings))
}
