//! User administration. It owns no data yet.

use std::sync::Arc;

use auth::Accounts;
use axum::Router;
use platform::Context;
use products::Catalogue;

use super::Deps;

pub struct UsersRole {
    accounts: Arc<dyn Accounts>,
    products: Arc<dyn Catalogue>,
    context: Context,
}

impl UsersRole {
    pub fn create(deps: &Deps, accounts: Arc<dyn Accounts>, products: Arc<dyn Catalogue>) -> Self {
        Self { accounts, products, context: deps.context.clone() }
    }

    pub fn start(&self) {
        let (accounts, products) = (Arc::clone(&self.accounts), Arc::clone(&self.products));
        tokio::spawn(users::erasure::run(accounts, products, self.context.clone()));
    }

    /// The public's endpoints.
    pub fn api(&self) -> Router {
        users::api(Arc::clone(&self.accounts), Arc::clone(&self.products), self.context.clone()).into()
    }
}
