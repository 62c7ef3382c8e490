//! What a change writes beside its own rows, in its transaction: its events, the jobs that it asks for, and the answer of its
//! idempotency key; and who goes on from there: the log's numbering and its feed, the workers of jobs.

pub mod idempotency;
pub mod jobs;
pub mod log;

use kernel::Event;
use rusqlite::Connection;
use storage::migrate::Addition;
use storage::postgres::{Statement, Transaction};
use storage::{Database, StoreError, sqlite};

use crate::idempotency::Answered;
use crate::idempotency::records::{self, ClaimColumns};
use crate::jobs::table::{JobColumns, end_sqlite, insert_sqlite};
use crate::jobs::{Job, Lease};
use crate::log::events::{self, EventColumns};

/// The change's events, the jobs that it asks for, the claim of the request's idempotency key with the answer to store, and the end of
/// the job that makes the change.
#[derive(Default)]
pub struct Effects {
    pub events: Vec<Event>,
    pub jobs: Vec<Job>,
    pub answered: Option<Answered>,
    pub done: Option<Lease>,
}

/// The effects of a change whose outcome is known only in its transaction.
pub type EffectsOf<T> = Box<dyn FnOnce(&T) -> Result<Effects, StoreError> + Send>;

impl Effects {
    pub fn event(event: Event) -> Self {
        Self::events(vec![event])
    }

    pub fn events(events: Vec<Event>) -> Self {
        Self { events, ..Self::default() }
    }

    /// Call it after the change's own statements.
    ///
    /// # Errors
    /// As the statements; `Conflict` on [`records::CONFLICT`] when the key was claimed meanwhile, on [`crate::jobs::table::LOST`] when another
    /// has the job.
    pub fn write_sqlite(&self, connection: &Connection) -> Result<(), StoreError> {
        sqlite::note(self.stale());
        end_sqlite(connection, self.done)?;
        insert_sqlite(connection, &self.jobs)?;
        events::append_sqlite(connection, &self.events)?;
        records::claim_sqlite(connection, self.answered.as_ref())
    }

    /// As [`Effects::write_sqlite`].
    ///
    /// # Errors
    /// As [`Effects::write_sqlite`].
    pub async fn write_postgres(&self, transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
        transaction.note(self.stale());
        transaction.execute_all(&EffectColumns::of([self]).statements()).await
    }

    /// Everything that the change may make stale.
    pub fn stale(&self) -> impl Iterator<Item = &str> {
        self.events.iter().flat_map(Event::stale)
    }

    /// Writes what belongs to no other change: the answer of a refusal that is final, the end of a job.
    ///
    /// # Errors
    /// As [`Effects::write_sqlite`]; `Unavailable`.
    pub async fn write(self, database: &Database) -> Result<(), StoreError> {
        match database {
            Database::Sqlite(sqlite) => sqlite.write(move |c| self.write_sqlite(c)).await,
            Database::Postgres(postgres) => {
                let mut transaction = postgres.begin().await?;
                let written = self.write_postgres(&mut transaction).await;
                transaction.end(written).await
            }
        }
    }
}

/// The effects of a group of writes by column: a statement a table, however many they are.
#[derive(Default)]
pub struct EffectColumns<'a> {
    events: EventColumns<'a>,
    jobs: JobColumns<'a>,
    claims: ClaimColumns<'a>,
}

impl<'a> EffectColumns<'a> {
    pub fn of(effects: impl IntoIterator<Item = &'a Effects>) -> Self {
        let mut columns = Self::default();
        for effects in effects {
            effects.events.iter().for_each(|event| columns.events.push(event));
            effects.jobs.iter().for_each(|job| columns.jobs.push(job));
            effects.done.iter().for_each(|lease| columns.jobs.end(*lease));
            effects.answered.iter().for_each(|answered| columns.claims.push(answered));
        }
        columns
    }

    pub fn statements(&self) -> Vec<Statement<'_>> {
        let mut statements = self.events.statements();
        statements.extend(self.jobs.statements());
        statements.extend(self.claims.statement());
        statements
    }
}

/// The tables that every service's database has: the event log and the idempotency records.
pub const COMMON_SQLITE: &str = include_str!("common.sqlite.sql");
/// As [`COMMON_SQLITE`], for PostgreSQL.
pub const COMMON_POSTGRES: &str = include_str!("common.postgres.sql");
/// What each event may have made stale, beside its subject: tags with blanks between them. Null where a release wrote it that has none.
pub const TAGS: Addition = Addition::new(
    "event_tags",
    "alter table events add column tags text",
    "alter table events add column tags text collate \"C\"; alter table events_inbox add column tags text collate \"C\"",
);
/// The table of jobs, which every service's database has too.
pub const JOBS_SQLITE: &str = include_str!("jobs.sqlite.sql");
/// As [`JOBS_SQLITE`], for PostgreSQL.
pub const JOBS_POSTGRES: &str = include_str!("jobs.postgres.sql");

#[cfg(test)]
mod tests;
