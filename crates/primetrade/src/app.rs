//! The parts, joined: the one place that knows them all.

use std::sync::Arc;

use api::openapi::Api;
use auth::{Accounts, Auth};
use axum::Router;
use effects::jobs::Desk;
use futures_util::future::join_all;
use mesh::Envoy;
use mesh::jobs::RemoteDesk;
use platform::telemetry::{Recurring, metrics};
use products::{Catalogue, Products};
use storage::{Database, StoreError};

use crate::config::Config;
use crate::roles::{
    About, AuthRole, Deps, GatewayRole, NotificationsRole, ProductsRole, Purpose, Role, Roles, ServiceData, UsersRole,
    ready,
};
use crate::{Failure, stores};

/// What describes every endpoint. Nothing is opened for it.
pub fn described() -> Api {
    gateway::described(auth::described().merge(products::described()).merge(users::described()))
}

/// One process's roles, on open databases.
pub struct App {
    deps: Deps,
    auth: Option<AuthRole>,
    products: Option<ProductsRole>,
    users: Option<UsersRole>,
    notifications: Option<NotificationsRole>,
    gateway: Option<GatewayRole>,
    unmeasured: Recurring,
    /// Whether its databases are known to be of one store.
    is_marked: bool,
}

impl App {
    pub async fn create(config: &Config, roles: Roles, purpose: Purpose) -> Result<Self, Failure> {
        let deps = Deps::new(config, roles, purpose)?;
        let databases = stores::check(config, roles).await?;
        let auth = if roles.has(Role::Auth) { Some(AuthRole::create(&deps).await?) } else { None };
        let accounts = |from| -> Result<Arc<dyn Accounts>, Failure> {
            match &auth {
                Some(auth) => Ok(Arc::clone(&auth.service) as _),
                None => Ok(Arc::new(auth::Remote(deps.peer(Role::Auth, from)?))),
            }
        };
        let products = match roles.has(Role::Products) {
            true => Some(ProductsRole::create(&deps, accounts(Role::Products)?).await?),
            false => None,
        };
        let catalogue = || -> Result<Arc<dyn Catalogue>, Failure> {
            match &products {
                Some(products) => Ok(Arc::new(products.service.clone())),
                None => Ok(Arc::new(products::Remote(deps.peer(Role::Products, Role::Users)?))),
            }
        };
        let users = match roles.has(Role::Users) {
            true => {
                let desk = |role, data: Option<&ServiceData>| -> Result<Arc<dyn Desk>, Failure> {
                    match data {
                        Some(data) => Ok(data.desk()),
                        None => Ok(Arc::new(RemoteDesk(deps.peer(role, Role::Users)?))),
                    }
                };
                let desks = vec![
                    ("auth", desk(Role::Auth, auth.as_ref().map(|auth| &auth.data))?),
                    ("products", desk(Role::Products, products.as_ref().map(|products| &products.data))?),
                ];
                Some(UsersRole::create(&deps, accounts(Role::Users)?, catalogue()?, desks))
            }
            false => None,
        };
        let is_marked = stores::enrol(&databases, &deps.context).await?;
        let notifications = roles.has(Role::Notifications).then(NotificationsRole::create);
        let gateway = match roles.has(Role::Gateway) {
            true => Some(GatewayRole::create(&deps, auth.as_ref().map(|auth| &auth.service))?),
            false => None,
        };
        Ok(Self { deps, auth, products, users, notifications, gateway, unmeasured: Recurring::new(), is_marked })
    }

    /// Starts what runs beside requests.
    pub fn start(&self) {
        self.auth.iter().for_each(AuthRole::start);
        self.products.iter().for_each(ProductsRole::start);
        self.users.iter().for_each(UsersRole::start);
        self.notifications.iter().for_each(NotificationsRole::start);
        if !self.is_marked {
            let Deps { config, roles, context, .. } = &self.deps;
            tokio::spawn(stores::enrol_later(config.clone(), *roles, context.clone()));
        }
    }

    /// What the public reaches, if this process is a gateway.
    pub fn public(&self) -> Result<Option<Router>, Failure> {
        let Some(gateway) = &self.gateway else { return Ok(None) };
        let here_or_passed = |here: Option<Router>, role, described: fn() -> Api| match here {
            Some(here) => Ok(here),
            None => gateway.pass(&self.deps, role, &described()),
        };
        let services = Router::new()
            .merge(here_or_passed(self.auth.as_ref().map(AuthRole::api), Role::Auth, auth::described)?)
            .merge(here_or_passed(self.products.as_ref().map(ProductsRole::api), Role::Products, products::described)?)
            .merge(here_or_passed(self.users.as_ref().map(UsersRole::api), Role::Users, users::described)?);
        Ok(Some(gateway.router(services)))
    }

    /// What other processes of the deployment reach, if there are any.
    pub fn internal(&self) -> Option<Router> {
        let envoy = self.deps.envoy.as_ref()?;
        let services = [
            self.auth.as_ref().map(|role| role.api().merge(role.internal())),
            self.products.as_ref().map(|role| role.api().merge(role.internal())),
            self.users.as_ref().map(UsersRole::api),
            self.notifications.as_ref().map(|_| Router::new()),
        ];
        let services = services.into_iter().flatten().reduce(Router::merge)?.merge(self.about());
        Some(gateway::internal(services, Arc::clone(envoy), self.deps.context.clone(), &self.deps.edge()))
    }

    /// Who signs and verifies between processes, if there are others.
    pub fn envoy(&self) -> Option<&Envoy> {
        self.deps.envoy.as_deref()
    }

    fn about(&self) -> Router {
        About::routes(self.deps.roles, self.databases().cloned().collect())
    }

    /// Auth, if this process has it.
    pub fn auth(&self) -> Option<&Auth> {
        self.auth.as_ref().map(|role| &*role.service)
    }

    /// Auth and the catalogue, for commands that work on both.
    pub fn stores(&self) -> Result<(&Arc<Auth>, &Products), Failure> {
        let missing = "this needs a process with the roles auth and products";
        let (auth, products) = self.auth.as_ref().zip(self.products.as_ref()).ok_or(missing)?;
        Ok((&auth.service, &products.service.products))
    }

    /// The databases of this process.
    fn data(&self) -> impl Iterator<Item = &ServiceData> {
        let (auth, products) = (&self.auth, &self.products);
        auth.iter().map(|role| &role.data).chain(products.iter().map(|role| &role.data))
    }

    /// The jobs of each service of this process.
    pub fn desks(&self) -> users::jobs::Desks {
        self.data().map(|data| (data.service(), data.desk())).collect()
    }

    fn databases(&self) -> impl Iterator<Item = &Database> {
        self.data().map(|data| &data.database)
    }

    /// Takes no more jobs, and waits until none is worked on here. Requests may go on meanwhile.
    pub async fn stop_jobs(&self) {
        join_all(self.data().map(ServiceData::stop)).await;
    }

    /// Waits for the last writes, and brings the databases into the form in which their files can be copied. Call it when nobody
    /// asks any more.
    pub async fn close(&self) {
        self.deps.tasks.finished().await;
        for database in self.databases() {
            if let Err(error) = database.close().await {
                tracing::warn!(event = "db.close.failed", error = %error, "the write-ahead log was not emptied");
            }
        }
    }

    /// Tells the metrics what only a look shows. The figures of what cannot be looked at stay those of before.
    pub async fn measure(&self) {
        match self.measure_all().await {
            Ok(()) => drop(self.unmeasured.recovered()),
            Err(error) => {
                if let Some(failures) = self.unmeasured.failed() {
                    tracing::warn!(event = "metrics.failed", %error, failures, "a database could not be measured");
                }
            }
        }
    }

    async fn measure_all(&self) -> Result<(), Failure> {
        let (mut waiting, mut oldest) = (0, None);
        for data in self.data() {
            data.database.measure();
            data.measure().await?;
            let (events, since) = effects::log::sequencer::waiting(&data.database).await?;
            waiting += events;
            oldest = oldest.into_iter().chain(since).min();
        }
        let age = oldest.map_or(0, |oldest| self.deps.context.now().0.saturating_sub(oldest.0).max(0));
        let outbox = &metrics().databases.outbox;
        outbox.pending_events.set(waiting);
        outbox.oldest_age_seconds.set(age as f64 / 1e6);
        match &self.products {
            Some(products) => Ok(products.service.products.stock.measure_stock().await?),
            None => Ok(()),
        }
    }

    /// # Errors
    /// `Clock` when this process's clock is too far from a database's for requests to be answered.
    pub fn check_clocks(&self) -> Result<(), StoreError> {
        self.gateway.iter().try_for_each(GatewayRole::check_clock)?;
        self.databases().try_for_each(Database::check_clock)
    }

    /// Whether every database answers, and has about the time of this process.
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.gateway.iter().try_for_each(GatewayRole::check_clock)?;
        ready(self.databases()).await
    }
}
