//! Databases, chosen by URL at run time. Each service opens its own; stores are written twice, in thin modules that share their
//! SQL text where both dialects speak it, and pass one suite.

pub mod belonging;
pub mod checkup;
pub mod clock;
pub mod commits;
mod error;
pub mod group;
pub mod inspect;
pub mod migrate;
pub mod postgres;
pub mod row;
pub mod sqlite;

mod url;

use std::sync::Arc;
use std::time::Duration;

pub use error::StoreError;
pub use url::DatabaseUrl;

use kernel::{Clock, Timestamp};
use migrate::Migrations;

use crate::clock::StoreClock;
use crate::commits::Commits;

/// The time by PostgreSQL's own clock, in microseconds since the epoch: SQL.
#[macro_export]
macro_rules! postgres_now {
    () => {
        "(extract(epoch from clock_timestamp()) * 1000000)::bigint"
    };
}

/// Bounds of one service's use of its database.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections for transactions and slow reads.
    pub pool_size: usize,
    /// PostgreSQL connections that point reads share, pipelined.
    pub shared_connections: usize,
    /// How long one read is waited for, and one write with all that belongs into its transaction.
    pub read_timeout: Duration,
    pub write_timeout: Duration,
}

impl Limits {
    /// Those of the settings' defaults.
    pub const DEFAULT: Limits = Limits {
        pool_size: 16,
        shared_connections: 2,
        read_timeout: Duration::from_secs(2),
        write_timeout: Duration::from_secs(5),
    };
}

/// The open database of one service.
#[derive(Clone)]
pub enum Database {
    Sqlite(Arc<sqlite::Sqlite>),
    Postgres(Arc<postgres::Postgres>),
}

impl Database {
    /// Opens `<folder>/<service>.db` or the schema `<service>`.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be opened or reached.
    pub async fn open(url: &DatabaseUrl, service: &'static str, limits: Limits) -> Result<Self, StoreError> {
        match url {
            DatabaseUrl::Sqlite(folder) => {
                let folder = folder.clone();
                let open = move || sqlite::Sqlite::open(&folder, service, limits);
                let opened = tokio::task::spawn_blocking(open).await;
                let sqlite = Arc::new(opened.map_err(|error| StoreError::Unavailable(error.to_string()))??);
                let weak = Arc::downgrade(&sqlite);
                tokio::spawn(keep_time(move || weak.upgrade().map(Database::Sqlite)));
                Ok(Database::Sqlite(sqlite))
            }
            DatabaseUrl::Postgres(url) => {
                let postgres = Arc::new(postgres::Postgres::open(url, service, limits).await?);
                let weak = Arc::downgrade(&postgres);
                tokio::spawn(keep_time(move || weak.upgrade().map(Database::Postgres)));
                Ok(Database::Postgres(postgres))
            }
        }
    }

    /// Its clock, as this process reads it.
    pub fn clock(&self) -> &Arc<StoreClock> {
        match self {
            Database::Sqlite(sqlite) => &sqlite.clock,
            Database::Postgres(postgres) => &postgres.clock,
        }
    }

    /// The time by its clock, read now.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn time(&self) -> Result<Timestamp, StoreError> {
        match self {
            Database::Sqlite(sqlite) => sqlite.read_clock(),
            Database::Postgres(postgres) => postgres.read_clock().await?,
        }
        Ok(self.clock().now())
    }

    /// The time, read now, before which what has expired may be deleted; none while the clock of this process is in doubt.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn sweep_time(&self) -> Result<Option<Timestamp>, StoreError> {
        let time = self.time().await?;
        let in_doubt = match self {
            Database::Sqlite(sqlite) => sqlite.doubts_time(),
            Database::Postgres(postgres) => postgres.clock.differs(),
        };
        Ok((!in_doubt).then_some(time))
    }

    /// The time, read now, by which what has expired may be ended. Beside SQLite, none if a clock leapt before this process started: while
    /// it runs, its time goes on as before.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn expiry_time(&self) -> Result<Option<Timestamp>, StoreError> {
        let time = self.time().await?;
        let in_doubt = matches!(self, Database::Sqlite(sqlite) if sqlite.doubts_time() && !sqlite.clock.differs());
        Ok((!in_doubt).then_some(time))
    }

    /// Whether jobs may be taken. Beside SQLite nobody's clock counts but that of this process, which goes on without leaps.
    pub fn may_lease(&self) -> bool {
        matches!(self, Database::Sqlite(_)) || !self.clock().differs()
    }

    /// # Errors
    /// `Clock` when the clocks of this process and of the database are too far apart for requests to be answered.
    pub fn check_clock(&self) -> Result<(), StoreError> {
        match self {
            // There is no other clock.
            Database::Sqlite(_) => Ok(()),
            Database::Postgres(postgres) => postgres.clock.check(),
        }
    }

    /// Applies what is missing of the service's migrations.
    ///
    /// # Errors
    /// `Unavailable`; `Migration` when the stored schema is newer than this binary, or a statement fails.
    pub async fn migrate(&self, migrations: &Migrations) -> Result<(), StoreError> {
        match self {
            Database::Sqlite(sqlite) => sqlite.migrate(migrations.sqlite, migrations.additions).await,
            Database::Postgres(postgres) => postgres.migrate(migrations.postgres, migrations.additions).await,
        }
    }

    /// Refuses a schema that lacks migrations, for `--no-migrate`.
    ///
    /// # Errors
    /// `Migration` when some are missing.
    pub async fn require_current(&self, migrations: &Migrations) -> Result<(), StoreError> {
        match self {
            Database::Sqlite(sqlite) => sqlite.require_current(migrations.sqlite, migrations.additions).await,
            Database::Postgres(postgres) => postgres.require_current(migrations.postgres, migrations.additions).await,
        }
    }

    /// Empties SQLite's write-ahead log into the database file, so that copying the file copies everything.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn close(&self) -> Result<(), StoreError> {
        match self {
            Database::Sqlite(sqlite) => sqlite.close().await,
            Database::Postgres(_) => Ok(()),
        }
    }

    /// A cheap question about the event log, which only a database answers that is whole and that we may use.
    ///
    /// # Errors
    /// `Unavailable`, `Moved`, `Statement`.
    pub async fn ping(&self) -> Result<(), StoreError> {
        match self {
            Database::Sqlite(sqlite) => {
                sqlite.check_file()?;
                sqlite.read(|c| Ok(c.prepare_cached("select 1 from events limit 1")?.exists([]).map(drop)?)).await
            }
            Database::Postgres(postgres) => postgres.ping().await,
        }
    }

    /// Tells the metrics what only a look shows.
    pub fn measure(&self) {
        match self {
            Database::Sqlite(sqlite) => sqlite.measure(),
            Database::Postgres(postgres) => postgres.measure(),
        }
    }

    /// What this process commits.
    pub fn commits(&self) -> &Commits {
        match self {
            Database::Sqlite(sqlite) => &sqlite.commits,
            Database::Postgres(postgres) => &postgres.commits,
        }
    }
}

/// Reads a database's clock again and again, for as long as the database is there.
async fn keep_time(database: impl Fn() -> Option<Database>) {
    loop {
        tokio::time::sleep(clock::READING).await;
        let Some(database) = database() else { return };
        // One that does not answer is told of by whoever needs it, and a file that is gone by itself.
        let _ = database.time().await;
        if let Database::Sqlite(sqlite) = &database {
            let _ = sqlite.check_file();
        }
    }
}
