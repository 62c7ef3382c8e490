//! PostgreSQL: point reads pipelined over a few shared connections that reconnect by themselves; transactions from a pool.

mod belonging;
pub(super) mod checkup;
mod liveness;
mod pooled;
mod schema;
mod server;
mod shared;
mod transaction;

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime};
use futures_util::future::BoxFuture;
use kernel::{SystemClock, Timestamp};
use tokio::time::Instant as Deadline;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

pub(super) use self::belonging::enrol;
use self::liveness::Liveness;
pub use self::pooled::Pooled;
pub(super) use self::server::Named;
use self::server::Server;
use self::shared::{Shared, connection_lost};
pub use self::transaction::{Statement, Transaction};
use platform::telemetry;
use platform::telemetry::metrics::{self, Operation, metrics};

use super::error::describe;
use super::{Limits, StoreError};
use crate::clock::StoreClock;
use crate::commits::Commits;

/// How long a connection attempt may take.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How long a connection may be silent before the system asks whether the server is still there.
const SILENCE: Duration = Duration::from_secs(5);
/// The server gives up on a transaction that idles: its process was stopped, or vanished, and others wait for what it locked. Plans are
/// made once and follow indexes: one that was made while a table was small, or unknown to the statistics, must still be right when it
/// is large; sorting within an index that has half of the order looks as cheap then. Compiling a plan takes longer than any of ours runs.
const OPTIONS: &str = "-c idle_in_transaction_session_timeout=3s -c plan_cache_mode=force_generic_plan \
    -c enable_seqscan=off -c enable_incremental_sort=off -c jit=off";

/// So many keys of one query do not hold up the queries behind it on a shared connection.
pub const POINT_KEYS: usize = 100;

pub type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// What asks the server. Boxed: the body of an async function is compiled anew in every crate that awaits it, and the whole driver with it.
pub type Boxed<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// One service's schema.
pub struct Postgres {
    service: &'static str,
    server: Server,
    shared: Vec<Shared>,
    turn: AtomicUsize,
    pool: Pool,
    limits: Limits,
    liveness: Arc<Liveness>,
    pub(super) clock: Arc<StoreClock>,
    /// Those of its schema when it was first asked whether it may use them.
    tables: OnceLock<HashSet<String>>,
    measured: Arc<metrics::Pool>,
    operations: Operations,
    pub(crate) commits: Commits,
}

/// How long they take. Those of a transaction are `write`, whatever they do.
struct Operations {
    read: Operation,
    scan: Operation,
    write: Operation,
    commit: Operation,
}

impl Postgres {
    /// Connects once, so that a wrong URL shows at start.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn open(url: &str, service: &'static str, limits: Limits) -> Result<Self, StoreError> {
        let mut server = Server::of(url)?;
        let config = &mut server.config;
        let given = config.get_options().unwrap_or_default();
        // What we do not wait for any more, the server need not go on with.
        let statement_time = limits.read_timeout.max(limits.write_timeout).as_millis();
        let options = format!("{OPTIONS} -c statement_timeout={statement_time} {given} -c search_path={service}");
        config.options(options).connect_timeout(CONNECT_TIME).application_name(format!("primetrade-{service}"));
        // A host that vanished says no word of it.
        config.keepalives_idle(SILENCE).keepalives_interval(SILENCE).tcp_user_timeout(2 * SILENCE);
        let manager = Manager::from_config(
            server.config.clone(),
            server.encryption.clone(),
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let liveness = Liveness::new(service, server.clone());
        let watched = Arc::clone(&liveness);
        let pool = Pool::builder(manager)
            .max_size(limits.pool_size)
            .runtime(Runtime::Tokio1)
            .create_timeout(Some(CONNECT_TIME))
            .pre_recycle(Hook::sync_fn(move |_, connection| {
                if watched.outlived(connection.age()) {
                    Err(HookError::message("it is from before the server fell silent"))
                } else {
                    Ok(())
                }
            }))
            .build()
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let shared = (0..limits.shared_connections.max(1)).map(|_| Shared::default()).collect();
        let databases = &metrics().databases;
        let operation = |name| databases.operation("postgresql", service, name);
        let postgres = Self {
            service,
            server,
            shared,
            turn: AtomicUsize::new(0),
            pool,
            limits,
            liveness,
            clock: Arc::new(StoreClock::start(service, Arc::new(SystemClock))),
            tables: OnceLock::new(),
            measured: databases.pool(service),
            operations: Operations {
                read: operation("read"),
                scan: operation("scan"),
                write: operation("write"),
                commit: operation("commit"),
            },
            commits: Commits::new(),
        };
        match postgres.read_clock().await {
            Ok(()) => Ok(postgres),
            Err(StoreError::Unavailable(why)) => {
                Err(StoreError::Unavailable(format!("{}: {why}", place(&postgres.server.config))))
            }
            Err(error) => Err(error),
        }
    }

    /// What this process commits.
    pub fn commits(&self) -> &Commits {
        &self.commits
    }

    /// A read, pipelined with others. Reads that may be slow belong on [`Postgres::connection`]: they would hold up the rest.
    /// Statements stay prepared: values belong into `params`, so that there are few texts.
    ///
    /// # Errors
    /// `Unavailable` when the server cannot be reached; `Statement`.
    pub fn query<'a>(&'a self, sql: &'a str, params: Params<'a>) -> Boxed<'a, Vec<Row>> {
        Box::pin(async move {
            let started = Instant::now();
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.shared.len();
            let shared = &self.shared[turn];
            let query = async {
                let result = shared.query(self, sql, params).await;
                match result {
                    // The connection was lost under the query. A read can safely be asked again, once, on a new one.
                    Err(error) if connection_lost(&error) => shared.query(self, sql, params).await,
                    result => result,
                }
            };
            let result = self.liveness.answered(self.read_deadline(), query).await;
            telemetry::record(started, &self.operations.read);
            if let Err(StoreError::Unavailable(_)) = result {
                shared.forget();
            }
            result
        })
    }

    /// As [`Postgres::query`], for at most one row.
    ///
    /// # Errors
    /// As [`Postgres::query`].
    pub async fn query_opt(&self, sql: &str, params: Params<'_>) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    /// A connection of its own, for what takes long.
    ///
    /// # Errors
    /// `Unavailable`; `Overloaded` when none came free in time.
    pub fn connection(&self) -> Boxed<'_, Pooled> {
        Box::pin(async move { self.connection_before(self.write_deadline()).await })
    }

    async fn connection_before(&self, deadline: Deadline) -> Result<Pooled, StoreError> {
        self.liveness.check()?;
        let waiting = self.measured.waiting();
        let got = tokio::time::timeout_at(deadline, self.pool.get()).await;
        drop(waiting);
        let object = got.map_err(|_| StoreError::Overloaded("database connections"))?.map_err(|error| match error {
            PoolError::Backend(error) => StoreError::from(error),
            other => StoreError::Unavailable(other.to_string()),
        })?;
        Ok(Pooled::new(object, self.measured.used()))
    }

    fn read_deadline(&self) -> Deadline {
        Deadline::now() + self.limits.read_timeout
    }

    fn write_deadline(&self) -> Deadline {
        Deadline::now() + self.limits.write_timeout
    }

    pub fn write_timeout(&self) -> Duration {
        self.limits.write_timeout
    }

    /// Reads the server's clock.
    ///
    /// # Errors
    /// As [`Postgres::query`].
    pub async fn read_clock(&self) -> Result<(), StoreError> {
        let asked = Instant::now();
        if let Some(row) = self.query_opt(concat!("select ", crate::postgres_now!()), &[]).await? {
            self.clock.read(asked, Timestamp(row.get(0)));
        }
        Ok(())
    }

    /// Tells the metrics what only a look shows.
    pub fn measure(&self) {
        self.measured.idle.set(i64::try_from(self.pool.status().available).unwrap_or(i64::MAX));
    }

    /// A slow read on a connection of its own.
    ///
    /// # Errors
    /// As [`Postgres::connection`]; `Statement`.
    pub fn query_slow<'a>(&'a self, sql: &'a str, params: Params<'a>) -> Boxed<'a, Vec<Row>> {
        Box::pin(async move {
            let query = async |connection: &Pooled| {
                let statement = connection.prepare_cached(sql).await?;
                connection.query(&statement, params).await
            };
            self.alone(self.read_deadline(), &self.operations.scan, query).await
        })
    }

    /// As [`Postgres::query_slow`], planned anew by the statistics of the moment: for reads that take longer than a plan.
    ///
    /// # Errors
    /// As [`Postgres::query_slow`].
    pub fn query_once<'a>(&'a self, sql: &'a str, params: Params<'a>) -> Boxed<'a, Vec<Row>> {
        Box::pin(async move {
            let query = async |connection: &Pooled| connection.query(sql, params).await;
            self.alone(self.read_deadline(), &self.operations.scan, query).await
        })
    }

    /// A write that is one statement, and so a transaction by itself, of which nobody is told; returns its rows.
    ///
    /// # Errors
    /// As [`Postgres::connection`]; `Statement`.
    pub fn write<'a>(&'a self, sql: &'a str, params: Params<'a>) -> Boxed<'a, Vec<Row>> {
        Box::pin(async move {
            let write = async |connection: &Pooled| {
                let statement = connection.prepare_cached(sql).await?;
                connection.query(&statement, params).await
            };
            self.alone(self.write_deadline(), &self.operations.write, write).await
        })
    }

    /// As [`Postgres::write`], for how many rows it affected.
    ///
    /// # Errors
    /// As [`Postgres::write`].
    pub fn execute<'a>(&'a self, sql: &'a str, params: Params<'a>) -> Boxed<'a, u64> {
        Box::pin(async move {
            let execute = async |connection: &Pooled| {
                let statement = connection.prepare_cached(sql).await?;
                connection.execute(&statement, params).await
            };
            self.alone(self.write_deadline(), &self.operations.write, execute).await
        })
    }

    /// Runs what needs a connection of its own, and no transaction.
    async fn alone<T>(
        &self,
        deadline: Deadline,
        operation: &Operation,
        run: impl AsyncFnOnce(&Pooled) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, StoreError> {
        let connection = self.connection_before(deadline).await?;
        let started = Instant::now();
        let result = self.liveness.answered(deadline, run(&connection)).await;
        telemetry::record(started, operation);
        connection.give_back(result)
    }

    /// Starts a transaction. Its BEGIN travels with the first statement.
    ///
    /// # Errors
    /// As [`Postgres::connection`].
    pub fn begin(&self) -> Boxed<'_, Transaction<'_>> {
        Box::pin(async move {
            let deadline = self.write_deadline();
            let connection = self.connection_before(deadline).await?;
            Ok(Transaction::new(connection, self, deadline))
        })
    }
}

/// Where a connection goes, without its password.
fn place(config: &tokio_postgres::Config) -> String {
    let host = match config.get_hosts().first() {
        Some(tokio_postgres::config::Host::Tcp(host)) => host.clone(),
        Some(tokio_postgres::config::Host::Unix(folder)) => folder.display().to_string(),
        None => "localhost".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let (user, database) = (config.get_user().unwrap_or("?"), config.get_dbname().or(config.get_user()).unwrap_or("?"));
    format!("PostgreSQL at {host}:{port}, database {database}, user {user}")
}
