//! Rows of jobs.

use kernel::{Event, Timestamp, Uuid};
use rusqlite::{Connection, params};
use tokio_postgres::types::ToSql;

use super::postgres::Statement;
use super::row::Columns;
use super::{Database, Effects, StoreError};
use crate::jobs::{Filter, Job, Lease, Priority, Record, State};

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
const INSERT_SQLITE: &str = insert!("values ($1, $2, $3, $4, null, $5, 0, 0, $6, $7, $8)");
const INSERT_POSTGRES: &str = insert!(
    "select id, queue, priority, payload, null, due_at, 0, 0, created_at, request_id, traceparent \
     from unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::text[], $8::text[]) \
       as made (id, queue, priority, payload, due_at, created_at, request_id, traceparent)"
);
/// One row per periodic job. A period that has changed counts from now, and so does one that is due later than it can be, because
/// somebody's clock was wrong. One that is worked on comes to its end first, if it does.
const PERIODIC: &str = insert!(
    "values ($1, $2, $3, 'null', $4, $5, 0, 0, $6, null, null) on conflict (queue) where period is not null \
     do update set period = excluded.period, due_at = case when jobs.worker is null or jobs.due_at > $7 \
       then excluded.due_at else jobs.due_at end where jobs.period <> excluded.period or jobs.due_at > $7"
);
const CLAIM_SQLITE: &str = claim!("");
const CLAIM_POSTGRES: &str = claim!("for update skip locked");
/// Priorities that have something due.
const DUE: &str = "select priorities.column1 from (values (0), (1), (2)) as priorities where exists \
    (select 1 from jobs where queue = $1 and priority = priorities.column1 and parked_at is null and due_at <= $2) \
    order by 1";
const DELETE: &str = "delete from jobs where id = $1 and claims = $2";
const DELETE_ALL: &str = "delete from jobs using unnest($1::uuid[], $2::bigint[]) as done (id, claims) \
    where jobs.id = done.id and jobs.claims = done.claims";
const LEAVE: &str = "update jobs set due_at = $1, worker = null, attempts = $2, error = $3, parked_at = $4 \
    where id = $5 and claims = $6";
/// One that was left for later meanwhile is not held any more, though its count is the same.
const RENEW: &str = "update jobs set due_at = $1 where id = $2 and claims = $3 and worker is not null";
const RENEW_ALL: &str = "update jobs set due_at = $1 from unnest($2::uuid[], $3::bigint[]) as held (id, claims) \
    where jobs.id = held.id and jobs.claims = held.claims and jobs.worker is not null";
const REPLAY: &str = concat!(
    "update jobs set due_at = $1, attempts = 0, claims = claims + 1, error = null, parked_at = null \
     where id = $2 and parked_at is not null returning ",
    columns!()
);
const DISCARD: &str = concat!("delete from jobs where id = $1 and parked_at is not null returning ", columns!());
const GET: &str = concat!("select ", columns!(), " from jobs where id = $1");
/// Newest first. Each is a text of its own, so that each uses its index: those of any queue, and those of one.
macro_rules! lists {
    ($state:literal) => {
        [
            concat!("select ", columns!(), " from jobs where id < $1 and ", $state, " order by id desc limit $2"),
            concat!(
                "select ",
                columns!(),
                " from jobs where id < $1 and ",
                $state,
                " and queue = $2 order by id desc limit $3"
            ),
        ]
    };
}
const LISTS: [&str; 2] = lists!("true");
const LISTS_WAITING: [&str; 2] = lists!("parked_at is null and worker is null");
const LISTS_RUNNING: [&str; 2] = lists!("worker is not null");
const LISTS_PARKED: [&str; 2] = lists!("parked_at is not null");
/// Of one queue: jobs that are not done, those that are parked, and since when the first has been due. More than 10,000 are not counted.
const COUNT: &str = "select \
    (select count(*) from (select 1 from jobs where queue = $1 and parked_at is null and period is null limit 10000) as pending), \
    (select count(*) from (select 1 from jobs where parked_at is not null and queue = $1 limit 10000) as parked), \
    (select min(due_at) from (select (select due_at from jobs where queue = $1 and priority = priorities.column1 \
       and parked_at is null order by due_at limit 1) as due_at \
       from (values (0), (1), (2)) as priorities) as first)";

/// How an attempt leaves a job that goes on to exist.
#[derive(Debug, Clone)]
pub struct Left {
    pub due_at: Timestamp,
    pub attempts: i64,
    pub error: Option<String>,
    pub parked_at: Option<Timestamp>,
}

/// What an administrator does with a parked job.
#[derive(Debug, Clone, Copy)]
pub enum ParkedChange {
    /// Makes it due now, as if it were new.
    Replay(Timestamp),
    /// Deletes it.
    Discard,
}

/// The jobs of one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// Those that wait or are worked on.
    pub pending: i64,
    pub parked: i64,
    /// When the first of them may be taken: one that is worked on, when its lease is over.
    pub due_since: Option<Timestamp>,
}

/// In the transaction of the change that asks for them.
pub(super) fn insert_sqlite(connection: &Connection, jobs: &[Job]) -> Result<(), StoreError> {
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
pub(super) fn end_sqlite(connection: &Connection, done: Option<Lease>) -> Result<(), StoreError> {
    let Some(lease) = done else { return Ok(()) };
    match connection.prepare_cached(DELETE)?.execute(params![lease.id.as_bytes(), lease.claims])? {
        1 => Ok(()),
        _ => Err(StoreError::Conflict(LOST.into())),
    }
}

/// New and ended jobs by column.
#[derive(Default)]
pub(super) struct JobColumns<'a> {
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

impl Database {
    /// The priorities of which a queue has something due.
    pub(crate) async fn jobs_due(&self, queue: &'static str, now: Timestamp) -> Result<Vec<Priority>, StoreError> {
        let found: Vec<i64> = match self {
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
    pub(crate) async fn claim_jobs(
        &self,
        (queue, priority): (&'static str, Priority),
        now: Timestamp,
        until: Timestamp,
        worker: &str,
        limit: i64,
    ) -> Result<Vec<Record>, StoreError> {
        let priority = number(priority);
        match self {
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
    pub(crate) async fn settle_job(
        &self,
        lease: Lease,
        left: Option<Left>,
        events: Vec<Event>,
    ) -> Result<bool, StoreError> {
        let Some(left) = left else {
            let effects = Effects { events, done: Some(lease), ..Effects::default() };
            return match self.write_effects(effects).await {
                Ok(()) => Ok(true),
                Err(error) if error.is_conflict_on(LOST) => Ok(false),
                Err(error) => Err(error),
            };
        };
        let Left { due_at, attempts, error, parked_at } = left;
        let (effects, parked_at) = (Effects { events, ..Effects::default() }, parked_at.map(|at| at.0));
        match self {
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
    pub(crate) async fn renew_jobs(&self, leases: Vec<Lease>, until: Timestamp) -> Result<(), StoreError> {
        match self {
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

    /// Makes sure that there is a job that is done every `period`, in microseconds, from now on, and is not due later than `latest`.
    pub(crate) async fn ensure_periodic_job(
        &self,
        id: Uuid,
        queue: &'static str,
        period: i64,
        now: Timestamp,
        latest: Timestamp,
    ) -> Result<(), StoreError> {
        let priority = number(Priority::Normal);
        match self {
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

    /// Does it to a parked job, with the event that `told` makes of it; nothing if it is not parked.
    pub(crate) async fn change_parked_job(
        &self,
        id: Uuid,
        change: ParkedChange,
        told: impl FnOnce(&Record) -> Result<Event, StoreError> + Send + 'static,
    ) -> Result<Option<Record>, StoreError> {
        match self {
            Database::Sqlite(db) => {
                db.write(move |connection| {
                    let rows = |sql| connection.prepare_cached(sql);
                    let changed = match change {
                        ParkedChange::Replay(now) => read_all(rows(REPLAY)?.query(params![now.0, id.as_bytes()])?)?,
                        ParkedChange::Discard => read_all(rows(DISCARD)?.query([id.as_bytes()])?)?,
                    };
                    let Some(changed) = changed.into_iter().next() else { return Ok(None) };
                    Effects::event(told(&changed)?).write_sqlite(connection)?;
                    Ok(Some(changed))
                })
                .await
            }
            Database::Postgres(db) => {
                let mut transaction = db.begin().await?;
                let change = async {
                    let rows = match change {
                        ParkedChange::Replay(now) => transaction.query(REPLAY, &[&now.0, &id]).await?,
                        ParkedChange::Discard => transaction.query(DISCARD, &[&id]).await?,
                    };
                    let Some(changed) = rows.first().map(record).transpose()? else { return Ok(None) };
                    Effects::event(told(&changed)?).write_postgres(&mut transaction).await?;
                    Ok(Some(changed))
                };
                let changed = change.await;
                transaction.end(changed).await
            }
        }
    }

    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub(crate) async fn job(&self, id: Uuid) -> Result<Option<Record>, StoreError> {
        match self {
            Database::Sqlite(db) => db.read_point(|connection| {
                let mut statement = connection.prepare_cached(GET)?;
                Ok(read_all(statement.query([id.as_bytes()])?)?.pop())
            }),
            Database::Postgres(db) => db.query_opt(GET, &[&id]).await?.as_ref().map(record).transpose(),
        }
    }

    /// A page of those that fit, newest first, older than `before`.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub(crate) async fn jobs(&self, filter: Filter, before: Uuid, limit: i64) -> Result<Vec<Record>, StoreError> {
        let [of_any, of_one] = match filter.state {
            None => LISTS,
            Some(State::Waiting) => LISTS_WAITING,
            Some(State::Running) => LISTS_RUNNING,
            Some(State::Parked) => LISTS_PARKED,
        };
        match self {
            Database::Sqlite(db) => {
                let read = move |connection: &Connection| match filter.queue {
                    None => {
                        let mut statement = connection.prepare_cached(of_any)?;
                        read_all(statement.query(params![before.as_bytes(), limit])?)
                    }
                    Some(queue) => {
                        let mut statement = connection.prepare_cached(of_one)?;
                        read_all(statement.query(params![before.as_bytes(), queue, limit])?)
                    }
                };
                db.read(read).await
            }
            Database::Postgres(db) => {
                let rows = match filter.queue {
                    None => db.query_slow(of_any, &[&before, &limit]).await?,
                    Some(queue) => db.query_slow(of_one, &[&before, &queue, &limit]).await?,
                };
                rows.iter().map(record).collect()
            }
        }
    }

    /// # Errors
    /// `Unavailable`.
    pub(crate) async fn count_jobs(&self, queue: &'static str) -> Result<Counted, StoreError> {
        match self {
            Database::Sqlite(db) => db.read_point(|connection| {
                let mut statement = connection.prepare_cached(COUNT)?;
                Ok(statement.query_row([queue], |row| {
                    let due_since = row.get::<_, Option<i64>>(2)?.map(Timestamp);
                    Ok(Counted { pending: row.get(0)?, parked: row.get(1)?, due_since })
                })?)
            }),
            Database::Postgres(db) => {
                let row = db.query_opt(COUNT, &[&queue]).await?;
                Ok(row.map_or(Counted::default(), |row| Counted {
                    pending: row.get(0),
                    parked: row.get(1),
                    due_since: row.get::<_, Option<i64>>(2).map(Timestamp),
                }))
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
