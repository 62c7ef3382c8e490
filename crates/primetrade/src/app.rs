//! The parts, joined: the one place that knows them all.

use std::sync::Arc;
use std::time::Duration;

use auth::{Auth, AuthSettings};
use axum::Router;
use gateway::EdgeSettings;
use kernel::SystemClock;
use platform::Context;
use platform::db::{Database, DatabaseUrl, Limits, StoreError, sequencer};
use platform::http::openapi::Documents;
use platform::tasks::WriteTasks;
use platform::telemetry::metrics;
use products::Products;

use crate::Failure;
use crate::config::Config;
use crate::mail_sink;

/// Writes in progress at most, per process.
const WRITES: usize = 8_192;

/// One process's services, on open databases.
pub struct App {
    pub auth: Arc<Auth>,
    pub products: Products,
    pub databases: Vec<Database>,
    context: Context,
}

/// The documents of every endpoint. Nothing is opened for them.
pub fn documents() -> Documents {
    let services = auth::described().merge(products::described()).merge(users::described());
    Documents::of(gateway::api(services))
}

/// Whether to bring the schema up to date, or to refuse one that is not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    Migrate,
    Require,
}

/// What the parts are opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Serve(Schema),
    /// One piece of work; tokens are neither issued nor checked.
    Command,
}

impl App {
    pub async fn open(config: &Config, purpose: Purpose) -> Result<Self, Failure> {
        let (schema, key_file) = match purpose {
            Purpose::Serve(schema) => (schema, Some(config.key_file())),
            Purpose::Command => (Schema::Migrate, None),
        };
        let context = Context::new(Arc::new(SystemClock));
        let tasks = WriteTasks::new(WRITES, config.http.request_timeout);
        let accounts = open(config, config.auth_database(), "auth", &auth::MIGRATIONS, schema).await?;
        let catalogue = open(config, config.products_database(), "products", &products::MIGRATIONS, schema).await?;
        let settings = AuthSettings {
            v1_token_lifetime: config.auth.v1_token_lifetime,
            access_token_lifetime: config.auth.access_token_lifetime,
            refresh_token_lifetime: config.auth.refresh_token_lifetime,
            key_file,
            hash_threads: config.auth.hash_threads,
            hash_queue: config.auth.hash_queue,
            throttle: config.limits.enabled,
        };
        let databases = vec![accounts.clone(), catalogue.clone()];
        let auth = Auth::start(settings, accounts, context.clone(), tasks.clone())?;
        let products = Products::new(catalogue, context.clone(), tasks, config.products.currency);
        Ok(Self { auth, products, databases, context })
    }

    /// The public endpoints behind the edge.
    pub fn router(&self, config: &Config) -> Router {
        let services = auth::api(Arc::clone(&self.auth))
            .merge(products::api(self.products.clone(), self.auth.clone()))
            .merge(users::api(self.auth.clone(), self.products.clone(), self.context.clone()));
        let settings = EdgeSettings {
            body_limit: config.http.body_limit,
            request_timeout: config.http.request_timeout,
            max_requests: config.http.max_requests,
            trusted_proxies: config.http.trusted_proxies.clone(),
            // Validated as origins, so they are header values.
            cors_origins: config.http.cors_origins.iter().filter_map(|origin| origin.parse().ok()).collect(),
        };
        gateway::router(services, Arc::clone(&self.auth), self.context.clone(), settings)
    }

    /// Starts what runs beside requests: numbering of events, sweeping of expired idempotency keys.
    pub fn start_background(&self, config: &Config) {
        for database in &self.databases {
            if let Database::Postgres(postgres) = database {
                tokio::spawn(sequencer::run(Arc::clone(postgres)));
            }
            tokio::spawn(sweep(database.clone(), self.context.clone()));
        }
        tokio::spawn(sweep_sessions(Arc::clone(&self.auth)));
        tokio::spawn(users::erasure::run(self.auth.clone(), self.products.clone(), self.context.clone()));
        if let Some(folder) = &config.mail.sink {
            tokio::spawn(mail_sink::run(Arc::clone(&self.auth), folder.clone()));
        }
    }

    /// Brings the databases into the form in which their files can be copied. Call it when nothing writes any more.
    pub async fn close(&self) {
        for database in &self.databases {
            if let Err(error) = database.close().await {
                tracing::warn!(event = "db.close.failed", error = %error, "the write-ahead log was not emptied");
            }
        }
    }

    /// Tells the metrics what only a look shows.
    pub async fn measure(&self) {
        let (mut waiting, mut oldest) = (0, None);
        for database in &self.databases {
            match database.measure().await {
                Ok((events, since)) => {
                    waiting += events;
                    oldest = oldest.into_iter().chain(since).min();
                }
                // The figures of before stay.
                Err(error) => {
                    tracing::warn!(event = "metrics.failed", error = %error, "a database could not be measured");
                    return;
                }
            }
        }
        let age = oldest.map_or(0, |oldest| self.context.now().0.saturating_sub(oldest.0).max(0));
        let outbox = &metrics().databases.outbox;
        outbox.pending_events.set(waiting);
        outbox.oldest_age_seconds.set(age as f64 / 1e6);
    }

    /// Whether every database answers.
    pub async fn ready(&self) -> Result<(), StoreError> {
        for database in &self.databases {
            database.ping().await?;
        }
        Ok(())
    }
}

async fn open(
    config: &Config,
    url: &DatabaseUrl,
    service: &'static str,
    migrations: &platform::db::migrate::Migrations,
    schema: Schema,
) -> Result<Database, Failure> {
    let limits =
        Limits { pool_size: config.database.pool_size, shared_connections: config.database.shared_connections };
    let database = Database::open(url, service, limits).await?;
    match schema {
        Schema::Require => database.require_current(migrations).await?,
        Schema::Migrate => {
            if let Some(privileged) = &config.database.migrate_url {
                Database::open(privileged, service, limits).await?.migrate(migrations).await?;
            } else {
                database.migrate(migrations).await?;
            }
        }
    }
    Ok(database)
}

/// Rows that a sweep deletes in one transaction: few enough never to hold up writers.
const SWEEP: i64 = 500;
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Deletes expired idempotency records, a small batch at a time.
async fn sweep(database: Database, context: Context) {
    let mut pause = tokio::time::interval(SWEEP_EVERY);
    loop {
        pause.tick().await;
        while database.sweep_idempotency(context.now(), SWEEP).await.is_ok_and(|swept| swept == SWEEP as u64) {}
    }
}

/// Deletes expired sessions, a small batch at a time.
async fn sweep_sessions(auth: Arc<Auth>) {
    let mut pause = tokio::time::interval(SWEEP_EVERY);
    loop {
        pause.tick().await;
        while auth.sweep_sessions(SWEEP).await.is_ok_and(|swept| swept == SWEEP as u64) {}
    }
}
