//! HTTP, by API version.

mod jwks;
pub mod v1;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::Auth;

pub(crate) fn router(auth: Arc<Auth>) -> Router {
    Router::new().nest("/api/v1/auth", v1::router()).route("/.well-known/jwks.json", get(jwks::handle)).with_state(auth)
}
