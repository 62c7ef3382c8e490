//! Rows of jobs: how workers take, hold and leave them.

mod admin;
mod effects;

use kernel::{Event, Timestamp, Uuid};
use rusqlite::params;
use storage::row::Columns;
use storage::{Database, StoreError};
use tokio_postgres::types::ToSql;

use crate::Effects;
use crate::jobs::{Lease, Priority, Record};

pub use admin::{Counted, ParkedChange};
pub(crate) use effects::{JobColumns, end_sqlite, insert_sqlite};

/// The rule that only who has a job's lease may end it, named alike on both databases.
pub const LOST: &str = "jobs.lease";

macro_rules! columns {
    () => {
        "id, queue, priority, payload, period, due_at, worker, claims, attempts, error, parked_at, created_at, request_id, \
         traceparent"
    };
}
macro_rules! insert {
    ($values:literal) => {
        concat!(
            "insert into jobs (id, queue, priority, payload, period, due_at, claims, attempts, created_at, request_id, \
             traceparent) ",
            $values
        )
    };
}
use {columns, insert};
/// Takes due ones, those first that have been due for longest. Nobody waits for one that another is taking.
macro_rules! claim {
    ($lock:literal) => {
        concat!(
            "with due as materialized (select id from jobs where queue = $1 and priority = $2 and parked_at is null \
               and due_at <= $3 order by due_at limit $4 ",
            $lock,
            ") update jobs set due_at = $5, worker = $6, claims = claims + 1, attempts = attempts + 1 \
             where id in (select id from due) returning ",
            columns!()
        )
    };
}
/// One row per periodic job. A period that has changed counts from now, and so does one that is due later than it can be, because
/// somebody's clock was wrong. One that is worked on comes to its end first, if it does.
const PERIODIC: &str = insert!(
    "values ($1, $2, $3, 'null', $4, $5, 0, 0, $6, null, null) on conflict (queue) where period is not null \
     do update set period = excluded.period, due_at = case when jobs.worker is null or jobs.due_at > $7 \
       then excluded.due_at else jobs.due_at end where jobs.period <> excluded.period or jobs.due_at > $7"
);
/// None of ours is put off, and none is leased, for so long: a clock was ahead then.
const HASTEN: &str =
    "update jobs set due_at = $1 where queue = $2 and period is null and parked_at is null and due_at > $3";
const CLAIM_SQLITE: &str = claim!("");
const CLAIM_POSTGRES: &str = claim!("for update skip locked");
/// Priorities that have something due.
const DUE: &str = "select priorities.column1 from (values (0), (1), (2)) as priorities where exists \
    (select 1 from jobs where queue = $1 and priority = priorities.column1 and parked_at is null and due_at <= $2) \
    order by 1";
const DELETE: &str = "delete from jobs where id = $1 and claims = $2";
const LEAVE: &str = "update jobs set due_at = $1, worker = null, attempts = $2, error = $3, parked_at = $4 \
    where id = $5 and claims = $6";
/// One that was left for later meanwhile is not held any more, though its count is the same.
const RENEW: &str = "update jobs set due_at = $1 where id = $2 and claims = $3 and worker is not null";
const RENEW_ALL: &str = "update jobs set due_at = $1 from unnest($2::uuid[], $3::bigint[]) as held (id, claims) \
    where jobs.id = held.id and jobs.claims = held.claims and jobs.worker is not null";
/// How an attempt leaves a job that goes on to exist.
#[derive(Debug, Clone)]
pub struct Left {
    pub due_at: Timestamp,
    pub attempts: i64,
    pub error: Option<String>,
    pub parked_at: Option<Timestamp>,
}

/// The jobs of one database.
pub struct Table<'a>(pub &'a Database);

impl Table<'_> {
    /// The priorities of which a queue has something due.
    pub async fn due(&self, queue: &'static str, now: Timestamp) -> Result<Vec<Priority>, StoreError> {
        let found: Vec<i64> = match self.0 {
            Database::Sqlite(db) => db.read_point(|connection| {
                let mut statement = connection.prepare_cached(DUE)?;
                let rows = statement.query_map(params![queue, now.0], |row| row.get(0))?;
                Ok(rows.collect::<Result<_, _>>()?)
            })?,
            Database::Postgres(db) => {
                let rows = db.query(DUE, &[&queue, &now.0]).await?;
                rows.iter().map(|row| row.get::<_, i32>(0).into()).collect()
            }
        };
        Ok(found.into_iter().filter_map(priority).collect())
    }

    /// Takes up to `limit` due jobs of a queue and priority until `until`.
    pub async fn claim(
        &self,
        (queue, priority): (&'static str, Priority),
        now: Timestamp,
        until: Timestamp,
        worker: &str,
        limit: i64,
    ) -> Result<Vec<Record>, StoreError> {
        let priority = number(priority);
        match self.0 {
            Database::Sqlite(db) => {
                let worker = worker.to_owned();
                db.write(move |connection| {
                    let mut statement = connection.prepare_cached(CLAIM_SQLITE)?;
                    let rows = statement.query(params![queue, priority, now.0, limit, until.0, worker])?;
                    read_all(rows)
                })
                .await
            }
            Database::Postgres(db) => {
                let mut transaction = db.begin().await?;
                let values: [&(dyn ToSql + Sync); 6] = [&queue, &priority, &now.0, &limit, &until.0, &worker];
                let claimed = transaction.query(CLAIM_POSTGRES, &values).await;
                transaction.end(claimed).await?.iter().map(record).collect()
            }
        }
    }

    /// Ends a job, or leaves it for later, with what is told of it; tells whether its lease still held.
    pub async fn settle(&self, lease: Lease, left: Option<Left>, events: Vec<Event>) -> Result<bool, StoreError> {
        let Some(left) = left else {
            let effects = Effects { events, done: Some(lease), ..Effects::default() };
            return match effects.write(self.0).await {
                Ok(()) => Ok(true),
                Err(error) if error.is_conflict_on(LOST) => Ok(false),
                Err(error) => Err(error),
            };
        };
        let Left { due_at, attempts, error, parked_at } = left;
        let (effects, parked_at) = (Effects { events, ..Effects::default() }, parked_at.map(|at| at.0));
        match self.0 {
            Database::Sqlite(db) => {
                db.write(move |connection| {
                    let values = params![due_at.0, attempts, error, parked_at, lease.id.as_bytes(), lease.claims];
                    let held = connection.prepare_cached(LEAVE)?.execute(values)? == 1;
                    if held {
                        effects.write_sqlite(connection)?;
                    }
                    Ok(held)
                })
                .await
            }
            Database::Postgres(db) => {
                let mut transaction = db.begin().await?;
                let leave = async {
                    let values: [&(dyn ToSql + Sync); 6] =
                        [&due_at.0, &attempts, &error, &parked_at, &lease.id, &lease.claims];
                    let held = transaction.execute(LEAVE, &values).await? == 1;
                    if held {
                        effects.write_postgres(&mut transaction).await?;
                    }
                    Ok(held)
                };
                let left = leave.await;
                transaction.end(left).await
            }
        }
    }

    /// Holds jobs until `until`, as far as they are still held.
    pub async fn renew(&self, leases: Vec<Lease>, until: Timestamp) -> Result<(), StoreError> {
        match self.0 {
            Database::Sqlite(db) => {
                db.write(move |connection| {
                    let mut statement = connection.prepare_cached(RENEW)?;
                    for lease in leases {
                        statement.execute(params![until.0, lease.id.as_bytes(), lease.claims])?;
                    }
                    Ok(())
                })
                .await
            }
            Database::Postgres(db) => {
                let (ids, claims): (Vec<Uuid>, Vec<i64>) = leases.iter().map(|lease| (lease.id, lease.claims)).unzip();
                let mut transaction = db.begin().await?;
                let renewed = transaction.execute(RENEW_ALL, &[&until.0, &ids, &claims]).await;
                transaction.end(renewed).await.map(drop)
            }
        }
    }

    /// Makes due what was put off, or is leased, until after `latest`.
    pub async fn hasten(&self, queue: &'static str, now: Timestamp, latest: Timestamp) -> Result<u64, StoreError> {
        match self.0 {
            Database::Sqlite(db) => {
                db.write(move |connection| {
                    Ok(connection.prepare_cached(HASTEN)?.execute(params![now.0, queue, latest.0])? as u64)
                })
                .await
            }
            Database::Postgres(db) => db.execute(HASTEN, &[&now.0, &queue, &latest.0]).await,
        }
    }

    /// Makes sure that there is a job that is done every `period`, in microseconds, from now on, and is not due later than `latest`.
    pub async fn ensure_periodic(
        &self,
        id: Uuid,
        queue: &'static str,
        period: i64,
        now: Timestamp,
        latest: Timestamp,
    ) -> Result<(), StoreError> {
        let priority = number(Priority::Normal);
        match self.0 {
            Database::Sqlite(db) => {
                db.write(move |connection| {
                    let values = params![id.as_bytes(), queue, priority, period, now.0, now.0, latest.0];
                    connection.prepare_cached(PERIODIC)?.execute(values)?;
                    Ok(())
                })
                .await
            }
            Database::Postgres(db) => {
                let mut transaction = db.begin().await?;
                let values: [&(dyn ToSql + Sync); 7] = [&id, &queue, &priority, &period, &now.0, &now.0, &latest.0];
                let ensured = transaction.execute(PERIODIC, &values).await;
                transaction.end(ensured).await.map(drop)
            }
        }
    }
}

fn number(priority: Priority) -> i64 {
    priority as i64
}

fn priority(number: i64) -> Option<Priority> {
    Priority::ALL.into_iter().find(|priority| *priority as i64 == number)
}

fn read_all(mut rows: rusqlite::Rows<'_>) -> Result<Vec<Record>, StoreError> {
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(record(row)?);
    }
    Ok(records)
}

/// A row of the columns above.
fn record(row: &impl Columns) -> Result<Record, StoreError> {
    let id = row.uuid(0).map_err(|error| StoreError::corrupt("jobs", "id", "?", error))?;
    let corrupt = |column| move |error: String| StoreError::corrupt("jobs", column, id, error);
    let number = row.integer(2).map_err(corrupt("priority"))?;
    let unknown = || corrupt("priority")(format!("{number} is no priority"));
    Ok(Record {
        id,
        queue: row.text(1).map_err(corrupt("queue"))?,
        priority: priority(number).ok_or_else(unknown)?,
        payload: row.text(3).map_err(corrupt("payload"))?,
        period: row.optional_integer(4).map_err(corrupt("period"))?,
        due_at: row.integer(5).map(Timestamp).map_err(corrupt("due_at"))?,
        worker: row.optional_text(6).map_err(corrupt("worker"))?,
        claims: row.integer(7).map_err(corrupt("claims"))?,
        attempts: row.integer(8).map_err(corrupt("attempts"))?,
        error: row.optional_text(9).map_err(corrupt("error"))?,
        parked_at: row.optional_integer(10).map_err(corrupt("parked_at"))?.map(Timestamp),
        created_at: row.integer(11).map(Timestamp).map_err(corrupt("created_at"))?,
        request_id: row.optional_text(12).map_err(corrupt("request_id"))?,
        traceparent: row.optional_text(13).map_err(corrupt("traceparent"))?,
    })
}
