//! Databases, chosen by URL at run time. Each service opens its own; stores are written twice, in thin modules that share their
//! SQL text where both dialects speak it, and pass one suite.

pub mod checkup;
mod effects;
mod error;
pub mod events;
pub mod group;
pub mod idempotency;
pub mod jobs;
pub mod migrate;
pub mod postgres;
pub mod row;
pub mod sequencer;
pub mod sqlite;
pub mod store;

#[cfg(test)]
pub(crate) mod tests;
mod url;

use std::sync::Arc;

pub use effects::{EffectColumns, Effects, EffectsOf};
pub use error::StoreError;
pub use url::DatabaseUrl;

use migrate::Migrations;
use tokio::sync::watch;

/// Bounds of one service's use of its database.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections for transactions and slow reads.
    pub pool_size: usize,
    /// PostgreSQL connections that point reads share, pipelined.
    pub shared_connections: usize,
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
                let sqlite = opened.map_err(|error| StoreError::Unavailable(error.to_string()))??;
                Ok(Database::Sqlite(Arc::new(sqlite)))
            }
            DatabaseUrl::Postgres(url) => {
                Ok(Database::Postgres(Arc::new(postgres::Postgres::open(url, service, limits).await?)))
            }
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
    /// `Unavailable`, `Statement`.
    pub async fn ping(&self) -> Result<(), StoreError> {
        match self {
            Database::Sqlite(sqlite) => {
                sqlite.read(|c| Ok(c.prepare_cached("select 1 from events limit 1")?.exists([]).map(drop)?)).await
            }
            Database::Postgres(postgres) => postgres.ping().await,
        }
    }

    /// Tells the metrics what only a look shows, and returns how many events wait for their position (at most 10,000 are counted)
    /// and when the oldest of them happened.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn measure(&self) -> Result<(i64, Option<kernel::Timestamp>), StoreError> {
        match self {
            Database::Sqlite(sqlite) => {
                sqlite.measure();
                // They have it from their own transaction.
                Ok((0, None))
            }
            Database::Postgres(postgres) => {
                postgres.measure();
                sequencer::waiting(postgres).await
            }
        }
    }

    /// Events after `position`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub async fn events_after(&self, position: i64, limit: i64) -> Result<Vec<events::Logged>, StoreError> {
        match self {
            Database::Sqlite(sqlite) => sqlite.read(move |c| events::after_sqlite(c, position, limit)).await,
            Database::Postgres(postgres) => events::after_postgres(postgres, position, limit).await,
        }
    }

    /// What changed after `position`, at most `limit` events of each kind.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn tail(&self, position: i64, limit: i64) -> Result<events::Tail, StoreError> {
        match self {
            Database::Sqlite(sqlite) => sqlite.read_point(|c| events::tail_sqlite(c, position, limit)),
            Database::Postgres(postgres) => events::tail_postgres(postgres, position, limit).await,
        }
    }

    /// Changes whenever this process has committed what may have appended events.
    pub fn commits(&self) -> watch::Receiver<()> {
        match self {
            Database::Sqlite(sqlite) => sqlite.commits(),
            Database::Postgres(postgres) => postgres.committed.subscribe(),
        }
    }

    /// Deletes up to `limit` idempotency records that expired before `now`; returns how many.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn sweep_idempotency(&self, now: kernel::Timestamp, limit: i64) -> Result<u64, StoreError> {
        match self {
            Database::Sqlite(sqlite) => sqlite.write(move |c| idempotency::sweep_sqlite(c, now, limit)).await,
            Database::Postgres(postgres) => idempotency::sweep_postgres(postgres, now, limit).await,
        }
    }

    /// Writes what belongs to no other change: the answer of a refusal that is final, the end of a job.
    ///
    /// # Errors
    /// As [`Effects::write_sqlite`]; `Unavailable`.
    pub async fn write_effects(&self, effects: Effects) -> Result<(), StoreError> {
        match self {
            Database::Sqlite(sqlite) => sqlite.write(move |c| effects.write_sqlite(c)).await,
            Database::Postgres(postgres) => {
                let mut transaction = postgres.begin().await?;
                let written = effects.write_postgres(&mut transaction).await;
                transaction.end(written).await
            }
        }
    }

    /// The stored answer of an idempotency key, if the key was used and has not expired.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub async fn answered(
        &self,
        claim: &crate::idempotency::Claim,
    ) -> Result<Option<crate::idempotency::Stored>, StoreError> {
        match self {
            Database::Sqlite(sqlite) => sqlite.read_point(|c| idempotency::find_sqlite(c, claim)),
            Database::Postgres(postgres) => idempotency::find_postgres(postgres, claim).await,
        }
    }
}
