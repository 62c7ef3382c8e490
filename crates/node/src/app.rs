//! The parts, joined: the one place that knows them all.

use std::sync::Arc;

use ::auth::Auth;
use ::products::{Lists, Products};
use axum::Router;
use effects::jobs::JobAdmins;
use futures_util::future::join_all;
use mesh::StatementKeys;
use platform::telemetry::{Recurring, metrics};
use storage::{Database, StoreError};

use crate::about::{About, ready};
use crate::config::Config;
use crate::data::ServiceData;
use crate::deps::{Deps, Purpose};
use crate::gateway::Gateway;
use crate::role::Service;
use crate::roles::{GATEWAY, ROLES, Roles};
use crate::{Failure, stores};

/// One process's roles, on open databases.
pub struct App {
    deps: Deps,
    roles: Roles,
    /// In the order of [`ROLES`].
    services: Vec<(&'static str, Box<dyn Service>)>,
    gateway: Option<Gateway>,
    unmeasured: Recurring,
    /// Whether its databases are known to be of one store.
    is_marked: bool,
}

impl App {
    pub async fn create(config: &Config, roles: Roles, purpose: Purpose) -> Result<Self, Failure> {
        let deps = Deps::new(config, roles.asked(), roles.are_alone(config), purpose)?;
        let databases = stores::check(config, roles).await?;
        let mut services = Vec::new();
        for role in roles.services() {
            services.push((role.name, (role.create)(&deps).await?));
        }
        let is_marked = stores::enrol(&databases, &deps.context).await?;
        let gateway = if roles.has(GATEWAY) { Some(Gateway::create(&deps)?) } else { None };
        Ok(Self { deps, roles, services, gateway, unmeasured: Recurring::new(), is_marked })
    }

    /// Starts what runs beside requests.
    pub fn start(&self) {
        self.services().for_each(|service| service.start());
        if !self.is_marked {
            let Deps { config, context, .. } = &self.deps;
            tokio::spawn(stores::enrol_later(config.clone(), self.roles, context.clone()));
        }
    }

    fn services(&self) -> impl Iterator<Item = &dyn Service> {
        self.services.iter().map(|(_, service)| &**service)
    }

    /// What the public reaches, if this process is a gateway.
    ///
    /// # Errors
    /// When a service is neither here nor elsewhere.
    pub fn public(&self) -> Result<Option<Router>, Failure> {
        let Some(gateway) = &self.gateway else { return Ok(None) };
        let mut all = Router::new();
        for (role, described) in ROLES.into_iter().filter_map(|role| Some((role, role.described?))) {
            let here = self.services.iter().find(|(name, _)| *name == role.name);
            all = all.merge(match here {
                Some((_, service)) => service.api(),
                None => gateway.pass(&self.deps, role, &described())?,
            });
        }
        Ok(Some(gateway.router(all)))
    }

    /// What other processes of the deployment reach, if there are any.
    pub fn internal(&self) -> Option<Router> {
        let statement_keys = self.deps.statement_keys.as_ref()?;
        let of = |service: &dyn Service| {
            let own = service.api().merge(service.internal());
            service.data().into_iter().fold(own, |router, data| router.merge(data.internal()))
        };
        let services = self.services().map(of).reduce(Router::merge)?.merge(self.about());
        Some(::gateway::internal(services, Arc::clone(statement_keys), self.deps.context.clone(), &self.deps.edge()))
    }

    /// Who signs and verifies between processes, if there are others.
    pub fn statement_keys(&self) -> Option<&StatementKeys> {
        self.deps.statement_keys.as_deref()
    }

    fn about(&self) -> Router {
        About::routes(self.roles, self.databases().cloned().collect())
    }

    /// Auth, if this process has it.
    pub fn auth(&self) -> Option<Arc<Auth>> {
        self.deps.here()
    }

    /// Auth and the catalogue, for commands that work on both.
    ///
    /// # Errors
    /// When this process lacks one of them.
    pub fn stores(&self) -> Result<(Arc<Auth>, Arc<Products>), Failure> {
        let missing = "this needs a process with the roles auth and products";
        let lists: Option<Lists> = self.deps.here();
        let (auth, lists) = self.auth().zip(lists).ok_or(missing)?;
        Ok((auth, lists.products))
    }

    /// The databases of this process.
    fn data(&self) -> impl Iterator<Item = &ServiceData> {
        self.services().flat_map(|service| service.data())
    }

    /// The jobs of each service of this process.
    pub fn job_admins(&self) -> JobAdmins {
        self.data().map(|data| (data.service(), data.job_admin())).collect()
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
        for service in self.services() {
            service.measure().await?;
        }
        Ok(())
    }

    /// # Errors
    /// `Clock` when this process's clock is too far from a database's for requests to be answered.
    pub fn check_clocks(&self) -> Result<(), StoreError> {
        self.gateway.iter().try_for_each(Gateway::check_clock)?;
        self.databases().try_for_each(Database::check_clock)
    }

    /// Whether every database answers, and has about the time of this process.
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.gateway.iter().try_for_each(Gateway::check_clock)?;
        ready(self.databases()).await
    }
}
