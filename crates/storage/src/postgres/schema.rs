//! The schema of a service: brought up to date, or found not to be.

use std::collections::HashSet;
use std::time::Duration;

use platform::telemetry::Recurring;
use tokio_postgres::error::SqlState;

use super::Postgres;
use crate::StoreError;
use crate::migrate::{self, Addition, Migration};

/// The advisory lock that PrimeTrade takes for migrations ("PTMG", then zeros).
const MIGRATION_LOCK: i64 = 0x5054_4d47_0000_0000;
/// How long a migration waits for a table at a time, and how long the others then go on.
const SET_LOCK_TIMEOUT: &str = "set local lock_timeout = '1s'";
const LOCK_PAUSE: Duration = Duration::from_secs(1);

impl Postgres {
    pub(crate) async fn migrate(
        &self,
        steps: &'static [Migration],
        additions: &'static [Addition],
    ) -> Result<(), StoreError> {
        let waiting = Recurring::new();
        loop {
            match self.try_migrate(steps, additions).await {
                Err(StoreError::Undone(why)) => {
                    if waiting.failed().is_some() {
                        tracing::warn!(event = "migration.waits", service = self.service, %why, "others use what is to be changed");
                    }
                    tokio::time::sleep(LOCK_PAUSE).await;
                }
                migrated => return migrated,
            }
        }
    }

    /// # Errors
    /// `Undone` when a table was in use for too long; `Unavailable`, `Migration`.
    async fn try_migrate(&self, steps: &'static [Migration], additions: &'static [Addition]) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        let transaction = connection.transaction().await?;
        // A step may have to rewrite a large table.
        transaction.batch_execute("set local statement_timeout = 0").await?;
        // Two processes that start together take turns; the second finds nothing to do.
        transaction.execute("select pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK]).await?;
        // Whoever waits for a table has all wait who come later, so that a long report would hold up every request.
        transaction.batch_execute(SET_LOCK_TIMEOUT).await?;
        let service = self.service;
        transaction.batch_execute(&format!("create schema if not exists {service}")).await?;
        transaction
            .batch_execute("create table if not exists schema_version (version bigint primary key, name text not null)")
            .await?;
        let before: i64 =
            transaction.query_one("select coalesce(max(version), 0) from schema_version", &[]).await?.get(0);
        let run = async |step: &str, sql| {
            let ran = transaction.batch_execute(sql).await;
            ran.map_err(|error| match error.code() {
                Some(&SqlState::LOCK_NOT_AVAILABLE | &SqlState::T_R_DEADLOCK_DETECTED) => {
                    StoreError::Undone(format!("{step}: {error}"))
                }
                _ => migrate::failed(service, step, StoreError::from(error)),
            })
        };
        for step in migrate::pending(steps, before, service)? {
            run(&format!("{} ({})", step.version, step.name), step.sql).await?;
            transaction.execute("insert into schema_version values ($1, $2)", &[&step.version, &step.name]).await?;
        }
        if !additions.is_empty() {
            transaction.batch_execute(migrate::CREATE_ADDITIONS).await?;
            let rows = transaction.query(migrate::ADDITIONS, &[]).await?;
            let applied = rows.iter().map(|row| row.get(0)).collect();
            for addition in migrate::missing(additions, &applied) {
                for sql in addition.postgres.statements(before == 0) {
                    run(addition.name, sql).await?;
                }
                transaction.execute(migrate::RECORD_ADDITION, &[&addition.name]).await?;
            }
        }
        Ok(transaction.commit().await?)
    }

    /// Runs statements that change the schema, all of them or none, however long they take.
    ///
    /// # Errors
    /// As a statement; `Unavailable`.
    pub async fn change_schema(&self, sql: &'static str) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        let transaction = connection.transaction().await?;
        transaction.batch_execute("set local statement_timeout = 0").await?;
        transaction.batch_execute(sql).await?;
        Ok(transaction.commit().await?)
    }

    pub(crate) async fn require_current(
        &self,
        steps: &'static [Migration],
        additions: &'static [Addition],
    ) -> Result<(), StoreError> {
        let there = self
            .query("select to_regclass('schema_version') is not null, to_regclass('schema_additions') is not null", &[])
            .await?;
        let is_there = |table| there.first().is_some_and(|row| row.get::<_, bool>(table));
        let version = if is_there(0) {
            self.query("select coalesce(max(version), 0) from schema_version", &[]).await?[0].get(0)
        } else {
            0
        };
        let names = if is_there(1) {
            self.query(migrate::ADDITIONS, &[]).await?.iter().map(|row| row.get(0)).collect()
        } else {
            HashSet::new()
        };
        migrate::refuse_pending(steps, additions, (version, &names), self.service)
    }
}
