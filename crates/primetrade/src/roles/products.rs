//! The catalogue and its stock.

use std::sync::Arc;

use auth::Accounts;
use axum::Router;
use platform::Context;
use platform::db::Database;
use products::Products;

use super::{Deps, tend};
use crate::Failure;

pub struct ProductsRole {
    pub service: Products,
    pub database: Database,
    accounts: Arc<dyn Accounts>,
    context: Context,
}

impl ProductsRole {
    pub async fn create(deps: &Deps, accounts: Arc<dyn Accounts>) -> Result<Self, Failure> {
        let config = &deps.config;
        let database = deps.open(config.products_database(), "products", &products::MIGRATIONS).await?;
        let context = deps.context.clone();
        let service = Products::new(database.clone(), context.clone(), deps.tasks.clone(), config.products.currency);
        Ok(Self { service, database, accounts, context })
    }

    pub fn start(&self) {
        tend(&self.database, &self.context);
        tokio::spawn(self.service.clone().expire_reservations());
    }

    /// The public's endpoints.
    pub fn api(&self) -> Router {
        products::api(self.service.clone(), Arc::clone(&self.accounts)).into()
    }

    /// Those of other processes.
    pub fn internal(&self) -> Router {
        products::internal_routes(self.service.clone())
    }
}
