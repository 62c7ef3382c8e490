//! The database of a service, and what is done with it beside requests.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kernel::Error;
use platform::Context;
use platform::db::checkup::Effort;
use platform::db::{Database, Limits, StoreError};
use platform::jobs::{self, Desk, LocalDesk, Queue, Runner, Workers};

use super::{Deps, Purpose};
use crate::Failure;
use crate::stores::Place;

/// How often what has expired is deleted.
pub const SWEEP: Duration = Duration::from_secs(60);

pub struct ServiceData {
    pub database: Database,
    /// `/auth`, as its events name the service.
    source: &'static str,
    context: Context,
    tries: usize,
    pause: Duration,
    patience: Duration,
    workers: OnceLock<Workers>,
}

impl ServiceData {
    /// Opens a service's database, with its schema as the purpose demands. `source`: the service, as its events name it.
    ///
    /// # Errors
    /// When it cannot be reached, or its schema does not fit.
    pub async fn open(deps: &Deps, place: Place, source: &'static str) -> Result<Self, Failure> {
        let Place { service, url, migrations, privileged, .. } = &place;
        let settings = &deps.config.database;
        let limits = Limits { pool_size: settings.pool_size, shared_connections: settings.shared_connections };
        let database = Database::open(url, service, limits).await?;
        match (deps.purpose, privileged) {
            (Purpose::Serve { migrate: false }, _) => database.require_current(migrations).await?,
            (_, Some(privileged)) => {
                Database::open(privileged, service, limits).await?.migrate(migrations).await?;
                // What the other account has made, this one may not be allowed to use.
                let found = place.look(Effort::Quick).await?;
                place.rights(&found).map_or(Ok(()), Err)?;
            }
            (_, None) => database.migrate(migrations).await?,
        }
        Ok(Self {
            database,
            source,
            context: deps.context.clone(),
            tries: deps.config.jobs.tries,
            pause: deps.config.jobs.pause,
            patience: deps.config.http.request_timeout,
            workers: OnceLock::new(),
        })
    }

    /// Those who work on its jobs: on what every service has to do, until more is added.
    pub fn runner(&self) -> Runner {
        let (database, context) = (self.database.clone(), self.context.clone());
        let answers = sweep(move |rows| {
            let (database, now) = (database.clone(), context.now());
            async move { Ok(database.sweep_idempotency(now, rows).await?) }
        });
        Runner::new(self.database.clone(), self.context.clone(), self.source).every("sweep-answers", SWEEP, answers)
    }

    /// A queue as the settings have it.
    pub fn queue(&self, name: &'static str) -> Queue {
        Queue { tries: i64::try_from(self.tries).unwrap_or(i64::MAX), pause: self.pause, ..Queue::new(name) }
    }

    /// Begins what is done beside requests: events get their positions, and jobs are done.
    pub fn start(&self, runner: Runner) {
        if let Database::Postgres(postgres) = &self.database {
            tokio::spawn(platform::db::sequencer::run(Arc::clone(postgres)));
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
    pub fn desk(&self) -> Arc<dyn Desk> {
        Arc::new(LocalDesk::new(self.database.clone(), self.context.clone(), self.source))
    }

    /// What other processes ask of it.
    pub fn internal(&self) -> Router {
        jobs::routes(self.service(), self.desk())
    }
}

/// Deletes what has expired, a small batch at a time.
pub fn sweep<R>(batch: impl Fn(i64) -> R + Send + Sync + 'static) -> impl Fn() -> BoxFuture<'static, Result<(), Error>>
where
    R: Future<Output = Result<u64, Error>> + Send + 'static,
{
    /// Rows of one transaction: few enough never to hold up writers.
    const ROWS: i64 = 500;
    let batch = Arc::new(batch);
    move || {
        let batch = Arc::clone(&batch);
        async move {
            while batch(ROWS).await? == ROWS.unsigned_abs() {}
            Ok(())
        }
        .boxed()
    }
}
