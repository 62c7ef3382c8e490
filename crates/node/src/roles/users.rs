//! User administration. It owns no data yet.

use std::sync::Arc;

use ::gateway::proxy::Sticky;
use ::users::off_sale::Missed;
use ::users::{self as users, Endpoints};
use axum::Router;

use crate::Failure;
use crate::deps::Deps;
use crate::role::{Role, Service};
use crate::roles::{auth, products};

pub const ROLE: Role = Role {
    name: "users",
    needs: &["auth", "products"],
    migrations: None,
    holds: "",
    described: Some(users::described),
    sticky: Sticky::Clients,
    repeatable_posts: &[],
    create: |deps| Box::pin(async { Ok(Box::new(create(deps)?) as _) }),
};

struct UsersRole(Arc<Endpoints>);

fn create(deps: &Deps) -> Result<UsersRole, Failure> {
    Ok(UsersRole(Arc::new(Endpoints {
        accounts: auth::accounts(deps, ROLE.name)?,
        products: products::catalogue(deps, ROLE.name)?,
        missed: Missed::default(),
        // Of the services that have any.
        job_admins: deps.all_jobs(&[auth::ROLE.name, products::ROLE.name], ROLE.name)?,
        context: deps.context.clone(),
        tasks: deps.tasks.clone(),
    })))
}

impl Service for UsersRole {
    fn start(&self) {
        let Endpoints { accounts, products, missed, context, .. } = &*self.0;
        let (accounts, products) = (Arc::clone(accounts), Arc::clone(products));
        tokio::spawn(users::erasure::run(accounts, products, missed.clone(), context.clone()));
    }

    fn api(&self) -> Router {
        users::api(Arc::clone(&self.0)).into()
    }
}
