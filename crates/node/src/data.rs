//! The database of a service, and what is done with it beside requests.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use effects::jobs::{JobAdmin, LocalJobAdmin, Queue, Runner, Workers};
use effects::log::Source;
use effects::log::reader::LocalLog;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kernel::{Error, Timestamp};
use platform::Context;
use storage::checkup::{Effort, Schema};
use storage::{Database, StoreError};
use users::jobs::SWEEP_ANSWERS;

use crate::Failure;
use crate::deps::{Deps, Purpose};
use crate::place::Place;

/// How often what has expired is deleted.
pub const SWEEP: Duration = Duration::from_secs(60);
/// How long a command waits for its database: whoever started it sees that it does.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct ServiceData {
    pub database: Database,
    /// `/auth`, as its events name the service.
    source: &'static str,
    /// With the time of the database.
    pub context: Context,
    tries: usize,
    pause: Duration,
    patience: Duration,
    workers: OnceLock<Workers>,
    /// What changes in it.
    changes: Arc<Source>,
}

impl ServiceData {
    /// Opens a service's database, with its schema as the purpose demands. `source`: the service, as its events name it.
    ///
    /// # Errors
    /// When it cannot be reached, or its schema does not fit.
    pub async fn open(deps: &Deps, place: Place, source: &'static str) -> Result<Self, Failure> {
        let Place { service, url, migrations, privileged, .. } = &place;
        let mut limits = place.limits(&deps.config.database);
        if deps.purpose == Purpose::Command {
            limits.read_timeout = limits.read_timeout.max(PATIENCE);
            limits.write_timeout = limits.write_timeout.max(PATIENCE);
        }
        let database = Database::open(url, service, limits).await?;
        deps.clock.follow(database.clock());
        match (deps.purpose, privileged) {
            (Purpose::Serve { migrate: false }, _) => database.require_current(migrations).await?,
            (_, Some(privileged)) => {
                Database::open(privileged, service, limits).await?.migrate(migrations).await?;
                // What the other account has made, this one may not be allowed to use.
                let found = place.look(Effort::Quick).await?;
                place.rights(&found).map_or(Ok(()), Err)?;
            }
            (_, None) => {
                let found = place.look(Effort::Quick).await?;
                place.may_not_migrate(&found).map_or(Ok(()), Err)?;
                // An account of rows may not even ask for what is there.
                if !matches!(found.schema, Schema::Current(_)) {
                    database.migrate(migrations).await?;
                }
            }
        }
        let context = deps.context.with_clock(Arc::clone(database.clock()) as _);
        deps.offer_jobs(service, Arc::new(LocalJobAdmin::new(database.clone(), context.clone(), source)));
        let changes = Source::start(database.clone());
        deps.offer_feed(service, database.clone(), Arc::clone(&changes));
        Ok(Self {
            changes,
            database,
            source,
            context,
            tries: deps.config.jobs.tries,
            pause: deps.config.jobs.pause,
            patience: deps.config.http.request_timeout,
            workers: OnceLock::new(),
        })
    }

    /// Those who work on its jobs: on what every service has to do, until more is added.
    pub fn runner(&self) -> Runner {
        let database = self.database.clone();
        let answers = self.sweep(move |time, rows| {
            let database = database.clone();
            async move { Ok(effects::idempotency::records::sweep(&database, time, rows).await?) }
        });
        Runner::new(self.database.clone(), self.context.clone(), self.source).every(SWEEP_ANSWERS, SWEEP, answers)
    }

    /// Work that deletes what has expired by a time of the database, so many rows at once. Nothing is deleted while the clock of this process
    /// is in doubt.
    pub fn sweep<B, R>(&self, batch: B) -> impl Fn() -> BoxFuture<'static, Result<(), Error>> + use<B, R>
    where
        B: Fn(Timestamp, i64) -> R + Send + Sync + 'static,
        R: Future<Output = Result<u64, Error>> + Send + 'static,
    {
        /// Rows of one transaction: few enough never to hold up writers.
        const ROWS: i64 = 500;
        let (database, batch) = (self.database.clone(), Arc::new(batch));
        move || {
            let (database, batch) = (database.clone(), Arc::clone(&batch));
            async move {
                while let Some(time) = database.sweep_time().await?
                    && batch(time, ROWS).await? == ROWS.unsigned_abs()
                {}
                Ok(())
            }
            .boxed()
        }
    }

    /// A queue as the settings have it.
    pub fn queue(&self, name: &'static str) -> Queue {
        Queue { tries: i64::try_from(self.tries).unwrap_or(i64::MAX), pause: self.pause, ..Queue::new(name) }
    }

    /// Begins what is done beside requests: events get their positions, and jobs are done.
    pub fn start(&self, runner: Runner) {
        if let Database::Postgres(postgres) = &self.database {
            tokio::spawn(effects::log::sequencer::run(Arc::clone(postgres)));
        }
        self.workers.get_or_init(|| runner.start());
    }

    /// Waits until no job is worked on here any more.
    pub async fn stop(&self) {
        if let Some(workers) = self.workers.get() {
            workers.stop(self.patience).await;
        }
    }

    /// Tells the metrics of its jobs.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn measure(&self) -> Result<(), StoreError> {
        match self.workers.get() {
            Some(workers) => workers.measure().await,
            None => Ok(()),
        }
    }

    /// The service's name.
    pub fn service(&self) -> &'static str {
        self.source.trim_start_matches('/')
    }

    /// Its jobs, for administrators.
    pub fn job_admin(&self) -> Arc<dyn JobAdmin> {
        Arc::new(LocalJobAdmin::new(self.database.clone(), self.context.clone(), self.source))
    }

    /// What other processes ask of it.
    pub fn internal(&self) -> Router {
        let feed = mesh::feed::routes(self.service(), Arc::clone(&self.changes));
        let log = mesh::log::routes(self.service(), Arc::new(LocalLog::of(self.database.clone())));
        mesh::jobs::routes(self.service(), self.job_admin()).merge(feed).merge(log)
    }
}
