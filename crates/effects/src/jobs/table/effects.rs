//! What a change writes of jobs, in its transaction: those that it asks for, and the end of the one that makes it.

use kernel::Uuid;
use rusqlite::{Connection, params};
use storage::StoreError;
use storage::postgres::Statement;
use tokio_postgres::types::ToSql;

use super::{DELETE, LOST, insert, number};
use crate::jobs::{Job, Lease};

const INSERT_SQLITE: &str = insert!("values ($1, $2, $3, $4, null, $5, 0, 0, $6, $7, $8)");
const INSERT_POSTGRES: &str = insert!(
    "select id, queue, priority, payload, null, due_at, 0, 0, created_at, request_id, traceparent \
     from unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::text[], $8::text[]) \
       as made (id, queue, priority, payload, due_at, created_at, request_id, traceparent)"
);
const DELETE_ALL: &str = "delete from jobs using unnest($1::uuid[], $2::bigint[]) as done (id, claims) \
    where jobs.id = done.id and jobs.claims = done.claims";

/// In the transaction of the change that asks for them.
pub(crate) fn insert_sqlite(connection: &Connection, jobs: &[Job]) -> Result<(), StoreError> {
    for job in jobs {
        connection.prepare_cached(INSERT_SQLITE)?.execute(params![
            job.id.as_bytes(),
            job.queue,
            number(job.priority),
            job.payload,
            job.due_at.0,
            job.created_at.0,
            job.request_id,
            job.traceparent
        ])?;
    }
    Ok(())
}

/// In the transaction of its effect.
///
/// # Errors
/// `Conflict` on [`LOST`] when another has it.
pub(crate) fn end_sqlite(connection: &Connection, done: Option<Lease>) -> Result<(), StoreError> {
    let Some(lease) = done else { return Ok(()) };
    match connection.prepare_cached(DELETE)?.execute(params![lease.id.as_bytes(), lease.claims])? {
        1 => Ok(()),
        _ => Err(StoreError::Conflict(LOST.into())),
    }
}

/// New and ended jobs by column.
#[derive(Default)]
pub(crate) struct JobColumns<'a> {
    ids: Vec<Uuid>,
    queues: Vec<&'a str>,
    priorities: Vec<i64>,
    payloads: Vec<&'a str>,
    due: Vec<i64>,
    created: Vec<i64>,
    requests: Vec<Option<&'a str>>,
    traces: Vec<Option<&'a str>>,
    ended: Vec<Uuid>,
    claims: Vec<i64>,
}

impl<'a> JobColumns<'a> {
    pub fn push(&mut self, job: &'a Job) {
        self.ids.push(job.id);
        self.queues.push(job.queue);
        self.priorities.push(number(job.priority));
        self.payloads.push(&job.payload);
        self.due.push(job.due_at.0);
        self.created.push(job.created_at.0);
        self.requests.push(job.request_id.as_deref());
        self.traces.push(job.traceparent.as_deref());
    }

    pub fn end(&mut self, lease: Lease) {
        self.ended.push(lease.id);
        self.claims.push(lease.claims);
    }

    pub fn statements(&self) -> impl Iterator<Item = Statement<'_>> {
        let columns: Vec<&(dyn ToSql + Sync)> = vec![
            &self.ids,
            &self.queues,
            &self.priorities,
            &self.payloads,
            &self.due,
            &self.created,
            &self.requests,
            &self.traces,
        ];
        let made = (!self.ids.is_empty()).then(|| Statement::new(INSERT_POSTGRES, columns));
        let ended = self.ended.len();
        let end = || Statement::new(DELETE_ALL, vec![&self.ended, &self.claims]).affecting(ended, LOST);
        made.into_iter().chain((ended > 0).then(end))
    }
}
