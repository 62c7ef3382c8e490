//! The catalogue and its stock.

use std::sync::Arc;

use ::auth::Accounts;
use ::gateway::proxy::Sticky;
use ::products::{self as products, ARCHIVE, Archive, Catalogue, Lists, Products};
use async_trait::async_trait;
use axum::Router;
use kernel::Error;

use crate::Failure;
use crate::data::ServiceData;
use crate::deps::Deps;
use crate::place::{Keeps, Place};
use crate::role::{Role, Service};
use crate::roles::auth;

pub const KEEPS: Keeps = Keeps { migrations: &products::MIGRATIONS, holds: "the catalogue and stock", derived: false };

pub const ROLE: Role = Role {
    name: "products",
    needs: &["auth"],
    keeps: Some(&KEEPS),
    described: Some(products::described),
    // What a session of v1 was shown is remembered by the process that showed it.
    sticky: Sticky::V1Sessions,
    repeatable_posts: &[],
    create: |deps| Box::pin(async { Ok(Box::new(create(deps).await?) as _) }),
};

/// The catalogue, as the role `from` asks about it.
///
/// # Errors
/// When products is neither here nor elsewhere.
pub fn catalogue(deps: &Deps, from: &'static str) -> Result<Arc<dyn Catalogue>, Failure> {
    match deps.here::<Lists>() {
        Some(lists) => Ok(Arc::new(lists)),
        None => Ok(Arc::new(products::Remote(deps.peer(ROLE.name, from)?))),
    }
}

struct ProductsRole {
    lists: Lists,
    data: ServiceData,
    accounts: Arc<dyn Accounts>,
}

async fn create(deps: &Deps) -> Result<ProductsRole, Failure> {
    let accounts = auth::accounts(deps, ROLE.name)?;
    let config = &deps.config;
    let data = ServiceData::open(deps, Place::of(config, ROLE.name, &KEEPS), "/products").await?;
    let (database, context) = (data.database.clone(), data.context.clone());
    let changes = deps.follow(auth::ROLE.name, ROLE.name)?;
    let products = Products::new(database, context, deps.tasks.clone(), config.products.currency);
    let lists = Lists::new(Arc::new(products.with_accounts(Arc::clone(&accounts), Some(changes))));
    deps.offer(lists.clone());
    Ok(ProductsRole { lists, data, accounts })
}

#[async_trait]
impl Service for ProductsRole {
    fn start(&self) {
        let archive = Archive(self.lists.clone());
        self.data.start(self.data.runner().queue(self.data.queue(ARCHIVE), archive));
        tokio::spawn(Arc::clone(&self.lists.products.stock).expire_reservations());
    }

    fn api(&self) -> Router {
        products::api(self.lists.clone(), Arc::clone(&self.accounts)).into()
    }

    fn internal(&self) -> Router {
        products::internal_routes(self.lists.clone())
    }

    fn data(&self) -> Vec<&ServiceData> {
        vec![&self.data]
    }

    async fn measure(&self) -> Result<(), Error> {
        self.lists.products.stock.measure_stock().await
    }
}
