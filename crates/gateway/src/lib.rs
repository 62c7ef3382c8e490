//! The front door: what every request passes before a service sees it, and every answer on its way out.

mod api_docs;
mod callers;
mod edge;
mod fallback;
mod pages;
pub mod proxy;
mod sticky;
#[cfg(test)]
mod tests;
mod tunnel;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use api::openapi::{self, Api, Documents};
use api::v2::Refusal;
use axum::Router;
use axum::http::HeaderValue;
use axum::response::Redirect;
use axum::routing::get;
use bytes::Bytes;
use edge::{Door, Edge};
use ipnet::IpNet;
use kernel::Error;
use mesh::StatementKeys;
use platform::Context;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use callers::{Callers, Remembered};

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

/// What describes every endpoint that has a document: the services' and our own.
pub fn described(services: Api) -> Api {
    services.merge(own().described())
}

fn own() -> Api {
    Api { v1: OpenApiRouter::new().routes(routes!(fallback::health)), v2: OpenApiRouter::new() }
}

/// The public router: the services' endpoints, which are here or passed on, behind the edge. `described` describes all that it has.
pub fn router(
    services: Router,
    described: fn() -> Api,
    callers: Callers,
    context: Context,
    settings: &EdgeSettings,
) -> Router {
    // Derived when somebody asks, aside, for it takes long: in the binary they would be a fifth of all that is no code.
    let documents = Arc::new(LazyLock::new(move || Documents::of(described())));
    let document = |take: fn(&Documents) -> Bytes| {
        let documents = Arc::clone(&documents);
        get(async move || {
            let derived = tokio::task::spawn_blocking(move || take(&documents)).await;
            derived.map(openapi::answer).map_err(|error| Refusal::from(Error::Internal(error.to_string())))
        })
    };
    services
        .merge(Router::from(own()))
        .route("/openapi/v1.json", document(|documents| documents.v1.clone()))
        .route("/openapi/v2.json", document(|documents| documents.v2.clone()))
        .merge(api_docs::routes())
        .merge(pages::routes())
        // Until the web app is here.
        .route("/", get(async || Redirect::temporary("/api-docs")))
        .fallback(fallback::not_found)
        .method_not_allowed_fallback(fallback::method_not_allowed)
        .layer(Edge::new(context, Door::Public(callers), settings))
}

/// The router between our own processes: the same endpoints, and those that only they ask, behind the same edge.
pub fn internal(
    services: Router,
    statement_keys: Arc<StatementKeys>,
    context: Context,
    settings: &EdgeSettings,
) -> Router {
    services.fallback(fallback::not_found).method_not_allowed_fallback(fallback::method_not_allowed).layer(Edge::new(
        context,
        Door::Internal(statement_keys),
        settings,
    ))
}
