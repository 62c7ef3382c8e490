//! User administration.

use std::sync::Arc;

use ::gateway::proxy::Sticky;
use ::users::off_sale::Missed;
use ::users::{self as users, DeclaredProjection, Endpoints, PROJECTIONS};
use axum::Router;
use effects::log::reader::Reader;

use crate::Failure;
use crate::data::ServiceData;
use crate::deps::Deps;
use crate::place::{Keeps, Place};
use crate::role::{Role, Service};
use crate::roles::{auth, products};

pub const KEEPS: Keeps = Keeps {
    migrations: &users::MIGRATIONS,
    holds: "what is made of the events of other services, such as statistics",
    derived: true,
};

pub const ROLE: Role = Role {
    name: "users",
    needs: &["auth", "products"],
    keeps: Some(&KEEPS),
    described: Some(users::described),
    sticky: Sticky::Clients,
    repeatable_posts: &[],
    create: |deps| Box::pin(async { Ok(Box::new(create(deps).await?) as _) }),
};

struct UsersRole {
    endpoints: Arc<Endpoints>,
    data: ServiceData,
    readers: Vec<Arc<Reader>>,
}

async fn create(deps: &Deps) -> Result<UsersRole, Failure> {
    let data = ServiceData::open(deps, Place::of(&deps.config, ROLE.name, &KEEPS), "/users").await?;
    let mut readers = Vec::new();
    for DeclaredProjection { of, projection, .. } in PROJECTIONS {
        let log = deps.log(of, ROLE.name)?;
        let (database, context) = (data.database.clone(), data.context.clone());
        readers.push(Arc::new(Reader::new(log, database, context, projection)));
    }
    let endpoints = Arc::new(Endpoints {
        accounts: auth::accounts(deps, ROLE.name)?,
        products: products::catalogue(deps, ROLE.name)?,
        missed: Missed::default(),
        // Of the services that have any.
        job_admins: deps.all_jobs(&[auth::ROLE.name, products::ROLE.name], ROLE.name)?,
        context: deps.context.clone(),
        tasks: deps.tasks.clone(),
    });
    Ok(UsersRole { endpoints, data, readers })
}

impl Service for UsersRole {
    /// It has no jobs and no events of its own yet, so nobody works on those.
    fn start(&self) {
        let Endpoints { accounts, products, missed, context, .. } = &*self.endpoints;
        let (accounts, products) = (Arc::clone(accounts), Arc::clone(products));
        tokio::spawn(users::erasure::run(accounts, products, missed.clone(), context.clone()));
        for reader in &self.readers {
            tokio::spawn(Arc::clone(reader).run());
        }
    }

    fn api(&self) -> Router {
        users::api(Arc::clone(&self.endpoints)).into()
    }

    fn data(&self) -> Vec<&ServiceData> {
        vec![&self.data]
    }
}
