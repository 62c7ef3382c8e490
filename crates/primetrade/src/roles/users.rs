//! User administration. It owns no data yet.

use std::sync::Arc;

use auth::Accounts;
use axum::Router;
use platform::Context;
use platform::tasks::WriteTasks;
use products::Catalogue;
use users::Endpoints;
use users::jobs::Desks;
use users::off_sale::Missed;

use super::Deps;

pub struct UsersRole {
    accounts: Arc<dyn Accounts>,
    products: Arc<dyn Catalogue>,
    missed: Missed,
    desks: Desks,
    context: Context,
    tasks: WriteTasks,
}

impl UsersRole {
    /// `desks`: the jobs of each service.
    pub fn create(deps: &Deps, accounts: Arc<dyn Accounts>, products: Arc<dyn Catalogue>, desks: Desks) -> Self {
        Self {
            accounts,
            products,
            missed: Missed::default(),
            desks,
            context: deps.context.clone(),
            tasks: deps.tasks.clone(),
        }
    }

    pub fn start(&self) {
        let (accounts, products) = (Arc::clone(&self.accounts), Arc::clone(&self.products));
        tokio::spawn(users::erasure::run(accounts, products, self.missed.clone(), self.context.clone()));
    }

    /// The public's endpoints.
    pub fn api(&self) -> Router {
        users::api(Endpoints {
            accounts: Arc::clone(&self.accounts),
            products: Arc::clone(&self.products),
            missed: self.missed.clone(),
            desks: self.desks.clone(),
            context: self.context.clone(),
            tasks: self.tasks.clone(),
        })
        .into()
    }
}
