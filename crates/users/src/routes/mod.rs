//! The endpoints of user administration, one file each.

pub mod v1;

use std::sync::Arc;

use auth::Accounts;
use axum::Router;
use axum::routing::get;
use platform::http::v1::V1Routes;
use products::Products;

/// What every endpoint is given.
pub struct Endpoints {
    pub accounts: Arc<dyn Accounts>,
    pub products: Products,
}

/// Mounts every endpoint of user administration.
pub fn router(accounts: Arc<dyn Accounts>, products: Products) -> Router {
    Router::new()
        .v1_route("/api/v1/users", get(v1::list::handle))
        .v1_route("/api/v1/users/{id}", get(v1::get::handle))
        .with_state(Arc::new(Endpoints { accounts, products }))
}
