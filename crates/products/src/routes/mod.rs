//! The endpoints of the catalogue, one file each.

pub mod v1;
pub mod v2;

use std::sync::Arc;

use auth::{Account, Accounts};
use axum::Router;
use axum::routing::get;
use kernel::{Error, Uuid};
use platform::http::v1::V1Routes;

use crate::service::Products;

/// What every endpoint is given.
pub struct Endpoints {
    pub products: Products,
    /// Owners of products, from their own service.
    pub accounts: Arc<dyn Accounts>,
}

/// Mounts every endpoint of the catalogue.
pub fn router(products: Products, accounts: Arc<dyn Accounts>) -> Router {
    Router::new()
        .v1_route("/api/v1/products", get(v1::list::handle).post(v1::create::handle))
        .v1_route("/api/v1/products/{id}", get(v1::get::handle).put(v1::update::handle).delete(v1::delete::handle))
        .route("/api/v2/products", get(v2::list::handle))
        .route("/api/v2/products/{id}", get(v2::get::handle))
        .with_state(Arc::new(Endpoints { products, accounts }))
}

impl Endpoints {
    /// The accounts of these owners, each once.
    async fn owners(&self, ids: impl Iterator<Item = Uuid>) -> Result<Vec<Account>, Error> {
        let mut ids: Vec<Uuid> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        match ids.is_empty() {
            true => Ok(Vec::new()),
            false => self.accounts.by_ids(&ids).await,
        }
    }
}
