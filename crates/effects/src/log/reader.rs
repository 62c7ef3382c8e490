//! Readers of a log. What a reader makes of an event happens once, in the order of the log: how far it has read is written in the
//! transaction of what it made.
//!
//! A reader holds a lease while it has something to do, so that processes do not do the same work; what keeps them from doing it
//! twice is its number, as with jobs. It remembers the last event that it read: a log that has another one there was put back to an
//! earlier state, and is read from its beginning.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kernel::{Error, Timestamp, Uuid};
use platform::Context;
use platform::telemetry::Recurring;
use rusqlite::{Connection, OptionalExtension, params};
use storage::migrate::Addition;
use storage::postgres::Transaction;
use storage::{Database, StoreError};
use tokio::sync::watch;

use super::events::{self, BATCH_BYTES, Logged};

/// Events of one transaction.
const BATCH: usize = 500;
/// How long a reader that has died keeps others from going on.
const LEASE: Duration = Duration::from_secs(5);
/// Between two looks at a log: of this process, when nothing rings, and of another.
const POLL: Duration = Duration::from_millis(500);
/// After a failure, and while another process reads.
const PAUSE: Duration = Duration::from_millis(500);

/// Where the readers of a database have got to.
pub const READERS: Addition = Addition::new(
    "log_readers",
    include_str!("reader/log_readers.sqlite.sql"),
    include_str!("reader/log_readers.postgres.sql"),
);

/// A log, here or in another process.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Events after a position, oldest first: at most `limit`, and none more behind [`BATCH_BYTES`]. None only if there are none.
    async fn after(&self, position: i64, limit: usize) -> Result<Vec<Logged>, Error>;

    /// Waits until there may be more.
    async fn changed(&self) {
        tokio::time::sleep(POLL).await;
    }
}

/// The log of a database of this process.
pub struct LocalLog {
    database: Database,
    rung: tokio::sync::Mutex<watch::Receiver<()>>,
}

impl LocalLog {
    pub fn of(database: Database) -> Self {
        let rung = tokio::sync::Mutex::new(database.commits().subscribe());
        Self { database, rung }
    }
}

#[async_trait]
impl EventLog for LocalLog {
    async fn after(&self, position: i64, limit: usize) -> Result<Vec<Logged>, Error> {
        Ok(events::after(&self.database, position, i64::try_from(limit).unwrap_or(i64::MAX)).await?)
    }

    async fn changed(&self) {
        let mut rung = self.rung.lock().await;
        let _ = tokio::time::timeout(POLL, rung.changed()).await;
    }
}

/// What is made of a log: rows of a service's own database.
#[async_trait]
pub trait Projection: Send + Sync {
    /// What its reader is called.
    fn name(&self) -> &'static str;

    /// Deletes all of it, on both databases.
    fn clear(&self) -> &'static str;

    /// Adds what these events change.
    fn write_sqlite(&self, connection: &Connection, events: &[Logged]) -> Result<(), StoreError>;

    /// As [`Projection::write_sqlite`].
    async fn write_postgres(&self, transaction: &mut Transaction<'_>, events: &[Logged]) -> Result<(), StoreError>;
}

/// How far a log was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark {
    pub position: i64,
    /// The event there; none at the beginning.
    pub event_id: Option<Uuid>,
}

impl Mark {
    fn at(event: &Logged) -> Self {
        Self { position: event.position, event_id: Some(event.id) }
    }
}

/// A projection, the log that it is made of, and the database that it is kept in.
pub struct Reader {
    log: Arc<dyn EventLog>,
    database: Database,
    context: Context,
    projection: &'static dyn Projection,
    lease: Duration,
}

/// Who has the lease of a reader.
#[derive(Debug, Clone, Copy)]
struct Claimed {
    claims: i64,
    mark: Mark,
}

/// What comes next in a log.
enum Next {
    Nothing,
    Events(Vec<Logged>),
    /// The log is not the one that was read.
    PutBack,
}

/// The rule that only who has the lease may go on, named alike on both databases.
const LOST: &str = "log_readers.claims";

const READ: &str = "select position, event_id from log_readers where name = $1";
const ADD: &str =
    "insert into log_readers (name, position, claims, leased_until) values ($1, 0, 0, 0) on conflict (name) do nothing";
const CLAIM: &str = "update log_readers set claims = claims + 1, leased_until = $1 where name = $2 and leased_until <= $3 \
    returning position, event_id, claims";
const MOVE: &str =
    "update log_readers set position = $1, event_id = $2, leased_until = $3 where name = $4 and claims = $5";

impl Reader {
    pub fn new(
        log: Arc<dyn EventLog>,
        database: Database,
        context: Context,
        projection: &'static dyn Projection,
    ) -> Self {
        Self { log, database, context, projection, lease: LEASE }
    }

    #[cfg(test)]
    fn with_lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// Reads for as long as the process lives.
    pub async fn run(self: Arc<Self>) {
        let failing = Recurring::new();
        let reader = self.projection.name();
        loop {
            match self.catch_up().await {
                Ok(true) => {
                    if failing.recovered() {
                        tracing::info!(event = "reader.resumed", reader, "a log is read again");
                    }
                    self.log.changed().await;
                }
                // Another process reads.
                Ok(false) => tokio::time::sleep(PAUSE).await,
                Err(error) => {
                    if let Some(failures) = failing.failed() {
                        tracing::warn!(event = "reader.failed", reader, %error, failures, "a log cannot be read");
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Reads up to the end of the log, and returns whether it did: another process may be at it.
    ///
    /// # Errors
    /// Of the log, or of the database.
    pub async fn catch_up(&self) -> Result<bool, Error> {
        // Without a lease first: mostly there is nothing to do.
        if matches!(self.next(self.mark().await?).await?, Next::Nothing) {
            return Ok(true);
        }
        let Some(mut held) = self.claim().await? else { return Ok(false) };
        loop {
            let (events, done) = match self.next(held.mark).await? {
                Next::Nothing => (Vec::new(), true),
                Next::Events(events) => {
                    let bytes: usize = events.iter().map(|event| event.bytes.len()).sum();
                    let done = events.len() < BATCH && bytes < BATCH_BYTES;
                    (events, done)
                }
                Next::PutBack => {
                    let reader = self.projection.name();
                    tracing::warn!(
                        event = "reader.began_anew",
                        reader,
                        position = held.mark.position,
                        "the log is not the one that was read: it is read from its beginning"
                    );
                    held.mark = Mark::default();
                    self.advance(held, Vec::new(), false).await?;
                    continue;
                }
            };
            held.mark = events.last().map_or(held.mark, Mark::at);
            self.advance(held, events, done).await?;
            if done {
                return Ok(true);
            }
        }
    }

    /// Has everything read anew, by whoever reads next.
    ///
    /// # Errors
    /// `Conflict` when a process that reads does not leave off; `Unavailable`.
    pub async fn rebuild(&self) -> Result<(), Error> {
        for _ in 0..2 * LEASE.as_secs() {
            if let Some(held) = self.claim().await? {
                return Ok(self.advance(Claimed { mark: Mark::default(), ..held }, Vec::new(), true).await?);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Err(Error::conflict("Another process reads the log at this moment; try again."))
    }

    /// How far the log was read.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub async fn mark(&self) -> Result<Mark, StoreError> {
        let name = self.projection.name();
        let mark = match &self.database {
            Database::Sqlite(db) => db.read_point(|connection| {
                Ok(connection
                    .prepare_cached(READ)?
                    .query_row([name], |row| mark(row.get(0)?, row.get(1)?))
                    .optional()?)
            })?,
            Database::Postgres(db) => {
                let row = db.query_opt(READ, &[&name]).await?;
                row.map(|row| Mark { position: row.get(0), event_id: row.get(1) })
            }
        };
        Ok(mark.unwrap_or_default())
    }

    /// The event of the mark comes along, and has to be the one that was read.
    async fn next(&self, mark: Mark) -> Result<Next, Error> {
        let Some(last) = mark.event_id else {
            let events = self.log.after(mark.position, BATCH).await?;
            return Ok(if events.is_empty() { Next::Nothing } else { Next::Events(events) });
        };
        let mut events = self.log.after(mark.position - 1, BATCH + 1).await?;
        if events.first().is_none_or(|first| first.id != last) {
            return Ok(Next::PutBack);
        }
        events.remove(0);
        Ok(if events.is_empty() { Next::Nothing } else { Next::Events(events) })
    }

    async fn claim(&self) -> Result<Option<Claimed>, StoreError> {
        if !self.database.may_lease() {
            return Ok(None);
        }
        let (name, now) = (self.projection.name(), self.context.now());
        let until = now.after(self.lease);
        match &self.database {
            Database::Sqlite(db) => {
                db.write(move |connection| {
                    connection.prepare_cached(ADD)?.execute([name])?;
                    let mut claim = connection.prepare_cached(CLAIM)?;
                    let held = claim.query_row(params![until.0, name, now.0], |row| {
                        Ok(Claimed { claims: row.get(2)?, mark: mark(row.get(0)?, row.get(1)?)? })
                    });
                    Ok(held.optional()?)
                })
                .await
            }
            Database::Postgres(db) => {
                db.execute(ADD, &[&name]).await?;
                let claimed = db.write(CLAIM, &[&until.0, &name, &now.0]).await?;
                let held = |row: &tokio_postgres::Row| Claimed {
                    claims: row.get(2),
                    mark: Mark { position: row.get(0), event_id: row.get(1) },
                };
                Ok(claimed.first().map(held))
            }
        }
    }

    /// Writes what the events change, and that they were read; at the beginning of the log, that nothing was.
    async fn advance(&self, held: Claimed, events: Vec<Logged>, done: bool) -> Result<(), StoreError> {
        let projection = self.projection;
        let name = projection.name();
        let Claimed { claims, mark: Mark { position, event_id } } = held;
        let until = if done { Timestamp(0) } else { self.context.now().after(self.lease) };
        match &self.database {
            Database::Sqlite(db) => {
                db.write(move |connection| {
                    let id = event_id.map(Uuid::into_bytes);
                    let values = params![position, id, until.0, name, claims];
                    if connection.prepare_cached(MOVE)?.execute(values)? == 0 {
                        return Err(StoreError::Conflict(LOST.into()));
                    }
                    if event_id.is_none() {
                        connection.execute_batch(projection.clear())?;
                    }
                    projection.write_sqlite(connection, &events)
                })
                .await
            }
            Database::Postgres(db) => {
                let mut transaction = db.begin().await?;
                let written = async {
                    // It locks the row: who had the lease before is done, or undone.
                    if transaction.execute(MOVE, &[&position, &event_id, &until.0, &name, &claims]).await? == 0 {
                        return Err(StoreError::Conflict(LOST.into()));
                    }
                    if event_id.is_none() {
                        transaction.execute(projection.clear(), &[]).await?;
                    }
                    projection.write_postgres(&mut transaction, &events).await
                };
                let written = written.await;
                transaction.end(written).await
            }
        }
    }
}

fn mark(position: i64, event_id: Option<[u8; 16]>) -> rusqlite::Result<Mark> {
    Ok(Mark { position, event_id: event_id.map(Uuid::from_bytes) })
}

#[cfg(test)]
mod tests;
