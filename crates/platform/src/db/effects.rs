//! What must be written with a change, in its transaction.

use kernel::Event;
use rusqlite::Connection;

use super::StoreError;
use super::events::{self, EventColumns};
use super::idempotency::{self, ClaimColumns};
use super::jobs::effects::{JobColumns, end_sqlite, insert_sqlite};
use super::postgres::{Statement, Transaction};
use crate::idempotency::Answered;
use crate::jobs::{Job, Lease};
use crate::scope;

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
    /// As the statements; `Conflict` on [`idempotency::CONFLICT`] when the key was claimed meanwhile, on [`super::jobs::LOST`] when another
    /// has the job.
    pub fn write_sqlite(&self, connection: &Connection) -> Result<(), StoreError> {
        end_sqlite(connection, self.done)?;
        insert_sqlite(connection, &self.jobs)?;
        events::append_sqlite(connection, &self.events)?;
        idempotency::claim_sqlite(connection, self.answered.as_ref())
    }

    /// As [`Effects::write_sqlite`].
    ///
    /// # Errors
    /// As [`Effects::write_sqlite`].
    pub async fn write_postgres(&self, transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
        scope::changed(self.events.iter().map(|event| event.subject.as_str()));
        transaction.execute_all(&EffectColumns::of([self]).statements()).await
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
