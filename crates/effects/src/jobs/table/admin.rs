//! Jobs as operators see them, and what they do with those that are parked.

use kernel::{Event, Timestamp, Uuid};
use rusqlite::{Connection, params};
use storage::{Database, StoreError};

use super::{Table, columns, read_all, record};
use crate::Effects;
use crate::jobs::{Filter, Record, State};

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

impl Table<'_> {
    /// Does it to a parked job, with the event that `told` makes of it; nothing if it is not parked.
    pub async fn change_parked(
        &self,
        id: Uuid,
        change: ParkedChange,
        told: impl FnOnce(&Record) -> Result<Event, StoreError> + Send + 'static,
    ) -> Result<Option<Record>, StoreError> {
        match self.0 {
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
    pub async fn get(&self, id: Uuid) -> Result<Option<Record>, StoreError> {
        match self.0 {
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
    pub async fn list(&self, filter: Filter, before: Uuid, limit: i64) -> Result<Vec<Record>, StoreError> {
        let [of_any, of_one] = match filter.state {
            None => LISTS,
            Some(State::Waiting) => LISTS_WAITING,
            Some(State::Running) => LISTS_RUNNING,
            Some(State::Parked) => LISTS_PARKED,
        };
        match self.0 {
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
    pub async fn count(&self, queue: &'static str) -> Result<Counted, StoreError> {
        match self.0 {
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
