//! The one writer: a thread that runs whatever waits in one transaction, each job in its savepoint, and answers after the commit.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use platform::telemetry::metrics::{Pool, Waiting, metrics};
use rusqlite::hooks::Wal;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row};
use tokio::sync::oneshot;

use super::identity::Identity;
use super::readers::Readers;
use super::{LOCK_PAUSE, LOCK_TIME, connect};
use crate::StoreError;
use crate::commits::Stale;

/// How long a batch may gather jobs before it commits.
const BATCH_TIME: Duration = Duration::from_millis(5);
/// How long a batch waits for a job that is likely to come: as many as the batch before had are.
const GATHER_TIME: Duration = Duration::from_micros(500);
/// How many jobs one commit carries at most.
const BATCH_JOBS: usize = 512;
/// How many jobs wait at most; beyond, writers are refused.
const QUEUE: usize = 4_096;
/// How often an idle writer looks after the readers.
const IDLE_TIME: Duration = Duration::from_millis(100);
/// Pages of the write-ahead log after which it is copied into the database file.
const CHECKPOINT_PAGES: i32 = 1_000;
/// Pages at which the log has to start over.
const LOG_PAGES: i32 = 4 * CHECKPOINT_PAGES;
/// How long one try to start the log over waits for readers, and how many tries are made at a time.
const RESTART_TIME: Duration = Duration::from_millis(10);
const RESTARTS: usize = 8;
/// How long after a try that failed the next is made.
const HELD_UP_PAUSE: Duration = Duration::from_millis(500);

thread_local! {
    /// What the job under way may make stale.
    static STALE: RefCell<Stale> = const { RefCell::new(Vec::new()) };
}

/// Notes what the write under way may make stale: whoever asked for it, and listeners, hear of it after its commit.
pub fn note<'t>(tags: impl Iterator<Item = &'t str>) {
    STALE.with_borrow_mut(|stale| stale.extend(tags.map(Box::from)));
}

/// The way to the writer thread, which ends when this is dropped.
pub struct Writer {
    jobs: SyncSender<Box<dyn Job>>,
    pool: Arc<Pool>,
}

impl Writer {
    pub fn start(service: &str, path: &Path, identity: Identity, readers: Arc<Readers>) -> Result<Self, StoreError> {
        let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        // Checkpoints are made after the answers, see [`Checkpoints`].
        use_log(&connection)?;
        connection.execute_batch(
            "pragma synchronous = full; pragma wal_autocheckpoint = 0; pragma journal_size_limit = 67108864",
        )?;
        let checkpoints = Checkpoints::watch(&mut connection, path)?;
        let (jobs, queue) = sync_channel(QUEUE);
        let pool = metrics().databases.pool(&format!("{service}-writer"));
        let used = Arc::clone(&pool);
        std::thread::Builder::new()
            .name(format!("{service}-writer"))
            .spawn(move || run(&connection, &identity, &queue, &readers, checkpoints, &used))
            .map_err(|error| StoreError::Unavailable(format!("cannot start the writer thread: {error}")))?;
        Ok(Self { jobs, pool })
    }

    pub fn measure(&self) {
        self.pool.idle.set(1 - self.pool.used.get());
    }

    /// Returns what the write makes stale, too.
    pub async fn write<T, F>(&self, write: F) -> Result<(T, Stale), StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(WriteJob {
            waiting: Some(self.pool.waiting()),
            write: Some(write),
            outcome: None,
            reply: Some(reply),
        });
        let stopped = || StoreError::Unavailable("the database writer has stopped".into());
        self.jobs.try_send(job).map_err(|refused| match refused {
            TrySendError::Full(_) => StoreError::Overloaded("database writes"),
            TrySendError::Disconnected(_) => stopped(),
        })?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }
}

/// Has a file use a write-ahead log. SQLite does not wait for others who do so at this moment: processes that start at once.
fn use_log(connection: &Connection) -> rusqlite::Result<()> {
    let started = Instant::now();
    loop {
        match connection.execute_batch("pragma journal_mode = wal") {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && started.elapsed() < LOCK_TIME =>
            {
                std::thread::sleep(LOCK_PAUSE);
            }
            done => return done,
        }
    }
}

/// A write whose outcome is told only after its batch has committed.
trait Job: Send {
    /// Keeps the closure's result; the error, too.
    fn run(&mut self, connection: &Connection) -> Result<(), StoreError>;
    /// Tells the caller: its own outcome, or why the batch failed.
    fn finish(self: Box<Self>, batch: Result<(), &StoreError>);
}

struct WriteJob<T, F> {
    waiting: Option<Waiting>,
    write: Option<F>,
    outcome: Option<Result<(T, Stale), StoreError>>,
    reply: Option<oneshot::Sender<Result<(T, Stale), StoreError>>>,
}

impl<T, F> Job for WriteJob<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), StoreError> {
        self.waiting = None;
        // Who has been told that it did not happen in time must not be told wrong.
        let gone = self.reply.as_ref().is_none_or(oneshot::Sender::is_closed);
        let Some(write) = self.write.take().filter(|_| !gone) else {
            return Err(StoreError::Unavailable("nobody waits for it any more".into()));
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| write(connection)))
            .unwrap_or_else(|panic| Err(StoreError::Statement(format!("a write panicked: {}", panic_text(&*panic)))));
        // Also of one that failed: the next has none of it.
        let stale = STALE.take();
        let outcome = outcome.map(|written| (written, stale));
        let result = outcome.as_ref().map(drop).map_err(StoreError::clone);
        self.outcome = Some(outcome);
        result
    }

    fn finish(mut self: Box<Self>, batch: Result<(), &StoreError>) {
        let outcome = match (batch, self.outcome.take()) {
            (Ok(()), Some(outcome)) => outcome,
            // A job that had failed by itself keeps its own reason.
            (Err(_), Some(Err(own))) => Err(own),
            (Err(reason), _) => Err(reason.clone()),
            (Ok(()), None) => Err(StoreError::Unavailable("the write was not run".into())),
        };
        if let Some(reply) = self.reply.take() {
            // The caller may have gone; the write stands.
            let _ = reply.send(outcome);
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

fn run(
    connection: &Connection,
    identity: &Identity,
    queue: &Receiver<Box<dyn Job>>,
    readers: &Readers,
    mut checkpoints: Checkpoints,
    pool: &Arc<Pool>,
) {
    let mut likely = 1;
    loop {
        let first = match queue.recv_timeout(IDLE_TIME) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => {
                readers.end_snapshots();
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let used = pool.used();
        let mut jobs = vec![first];
        let result = run_batch(connection, identity, &mut jobs, queue, likely);
        likely = jobs.len();
        if result.is_err() && !connection.is_autocommit() {
            // The connection is of no use inside a failed transaction; a second failure shows at the next BEGIN.
            let _ = connection.execute_batch("rollback");
        }
        drop(used);
        // An open snapshot is of no more use, and would keep the log from being reused.
        readers.end_snapshots();
        for job in jobs {
            job.finish(result.as_ref().copied());
        }
        checkpoints.run_if_due(readers);
    }
}

/// Runs the first job and what comes behind it, in one transaction. An error means that nothing was written.
fn run_batch(
    connection: &Connection,
    identity: &Identity,
    jobs: &mut Vec<Box<dyn Job>>,
    queue: &Receiver<Box<dyn Job>>,
    likely: usize,
) -> Result<(), StoreError> {
    let started = Instant::now();
    execute(connection, "begin immediate")?;
    let mut next = 0;
    while next < jobs.len() {
        execute(connection, "savepoint job")?;
        let result = jobs[next].run(connection);
        next += 1;
        if connection.is_autocommit() {
            // A full disk or an I/O error makes SQLite roll back the whole transaction, not just the statement.
            return Err(match result {
                Err(full @ StoreError::DiskFull(_)) => full,
                _ => StoreError::Unavailable("the database rolled the whole batch back (an I/O error)".into()),
            });
        }
        if result.is_err() {
            execute(connection, "rollback to job")?;
        }
        execute(connection, "release job")?;
        if started.elapsed() < BATCH_TIME && jobs.len() < BATCH_JOBS {
            let wait = if jobs.len() < likely { GATHER_TIME } else { Duration::ZERO };
            jobs.extend(queue.recv_timeout(wait));
        }
    }
    // What is acknowledged has to be there at the next start.
    identity.check_with_log()?;
    execute(connection, "commit")
}

/// Copies the write-ahead log into the database file when it has grown. SQLite would do so within the commit; here the clients
/// have their answers by then.
struct Checkpoints {
    /// A connection of its own, because it waits less for others than the writer does.
    connection: Connection,
    /// Pages in the log, told by SQLite at each commit.
    pages: Arc<AtomicI32>,
    due: i32,
    /// When the log last could not start over, because another process reads in it: a backup, for as long as it takes.
    held_up: Option<Instant>,
}

impl Checkpoints {
    fn watch(writer: &mut Connection, path: &Path) -> Result<Self, StoreError> {
        let pages = Arc::new(AtomicI32::new(0));
        let told = Arc::clone(&pages);
        writer.wal_hook(Some(move |_: &mut Wal, pages| {
            told.store(pages, Ordering::Relaxed);
            Ok(())
        }))?;
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.busy_timeout(RESTART_TIME)?;
        Ok(Self { connection, pages, due: CHECKPOINT_PAGES, held_up: None })
    }

    fn run_if_due(&mut self, readers: &Readers) {
        let pages = self.pages.load(Ordering::Relaxed);
        // The log may have started over since.
        self.due = self.due.min(pages.saturating_add(CHECKPOINT_PAGES)).max(CHECKPOINT_PAGES);
        if pages < self.due {
            return;
        }
        // A passive checkpoint is in nobody's way, and never finishes while others read. When that has gone on for too long,
        // readers have to start anew.
        let done = match pages {
            ..LOG_PAGES => self.run("passive"),
            _ => self.start_over(readers),
        };
        if done {
            // The log starts over once nobody reads in it.
            readers.end_snapshots();
        }
        self.due = if done { CHECKPOINT_PAGES } else { pages.saturating_add(CHECKPOINT_PAGES) };
    }

    /// Whether the log starts over with the next commit. Writers wait meanwhile: while somebody else is in the way, one try in a while
    /// is enough.
    fn start_over(&mut self, readers: &Readers) -> bool {
        let tries = match self.held_up {
            Some(at) if at.elapsed() < HELD_UP_PAUSE => return self.run("passive"),
            Some(_) => 1,
            None => RESTARTS,
        };
        let done = (0..tries).any(|_| {
            readers.end_snapshots();
            self.run("restart")
        });
        self.held_up = (!done).then(Instant::now);
        done
    }

    /// Whether all of the log was copied.
    fn run(&self, mode: &str) -> bool {
        let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let result = self.connection.query_row(&format!("pragma wal_checkpoint({mode})"), [], row);
        matches!(result, Ok::<(i32, i32, i32), _>((0, logged, copied)) if logged == copied)
    }
}

fn execute(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute([])).map(drop).map_err(|error| {
        match StoreError::from(error) {
            full @ StoreError::DiskFull(_) => full,
            other => StoreError::Unavailable(format!("{sql}: {other}")),
        }
    })
}
