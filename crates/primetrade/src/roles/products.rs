//! The catalogue and its stock.

use std::sync::Arc;

use auth::Accounts;
use axum::Router;
use products::{ARCHIVE, Archive, Lists, Products};

use super::Deps;
use super::data::ServiceData;
use crate::Failure;
use crate::stores::Place;

pub struct ProductsRole {
    pub service: Lists,
    pub data: ServiceData,
    accounts: Arc<dyn Accounts>,
}

impl ProductsRole {
    pub async fn create(deps: &Deps, accounts: Arc<dyn Accounts>) -> Result<Self, Failure> {
        let config = &deps.config;
        let data = ServiceData::open(deps, Place::of_products(config), "/products").await?;
        let (database, context) = (data.database.clone(), data.context.clone());
        let service = Products::new(database, context, deps.tasks.clone(), config.products.currency);
        let service = service.with_accounts(Arc::clone(&accounts));
        Ok(Self { service: Lists::new(Arc::new(service)), data, accounts })
    }

    pub fn start(&self) {
        let archive = Archive(self.service.clone());
        self.data.start(self.data.runner().queue(self.data.queue(ARCHIVE), archive));
        tokio::spawn(Arc::clone(&self.service.products.stock).expire_reservations());
    }

    /// The public's endpoints.
    pub fn api(&self) -> Router {
        products::api(self.service.clone(), Arc::clone(&self.accounts)).into()
    }

    /// Those of other processes.
    pub fn internal(&self) -> Router {
        products::internal_routes(self.service.clone()).merge(self.data.internal())
    }
}
