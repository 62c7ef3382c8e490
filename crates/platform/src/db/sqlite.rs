//! SQLite: readers beside one writer thread that commits in groups. An acknowledged write survives a power cut.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::migrate::{self, Migration};
use super::{Limits, StoreError, stats};

/// How long a batch may gather jobs before it commits.
const BATCH_TIME: Duration = Duration::from_millis(5);
/// How many jobs one commit carries at most.
const BATCH_JOBS: usize = 512;
/// How many jobs wait at most; beyond, writers are refused.
const QUEUE: usize = 4_096;
/// No read transaction lives longer: it would keep the write-ahead log from shrinking.
const READ_TIME: Duration = Duration::from_secs(1);
/// How many bytes of the file a reader maps at most; it reads the rest.
const READ_MAP: i64 = 1 << 30;
/// How long to wait for the write lock while another process (a command) holds it.
const LOCK_TIME: Duration = Duration::from_secs(5);

/// One service's database file.
pub struct Sqlite {
    path: PathBuf,
    readers: Mutex<Vec<Connection>>,
    slow_reads: Arc<Semaphore>,
    jobs: mpsc::Sender<Box<dyn Job>>,
}

impl Sqlite {
    /// Opens or creates `<folder>/<service>.db`. Blocks.
    ///
    /// # Errors
    /// `Unavailable` when the folder or file cannot be created or opened.
    pub fn open(folder: &Path, service: &str, limits: Limits) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder)
            .map_err(|error| StoreError::Unavailable(format!("cannot create {}: {error}", folder.display())))?;
        let path = folder.join(format!("{service}.db"));
        let writer = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        writer.execute_batch(
            "pragma journal_mode = wal; pragma synchronous = full; pragma journal_size_limit = 67108864",
        )?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        std::thread::Builder::new()
            .name(format!("{service}-writer"))
            .spawn(move || write_loop(&writer, queue))
            .map_err(|error| StoreError::Unavailable(format!("cannot start the writer thread: {error}")))?;
        Ok(Self { path, readers: Mutex::default(), slow_reads: Arc::new(Semaphore::new(limits.pool_size)), jobs })
    }

    /// Reads by one statement that finds its few rows by key, on the calling thread: microseconds, so a hop to another thread
    /// would cost more.
    ///
    /// # Errors
    /// As the closure; `Unavailable` when no connection can be opened.
    pub fn read_point<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let started = Instant::now();
        let result = self.with_reader(|reader| read(reader));
        stats::record(started);
        result
    }

    /// As [`Sqlite::read_point`], for several statements that must see the same state of the database.
    ///
    /// # Errors
    /// As [`Sqlite::read_point`].
    pub fn read_snapshot<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.read_point(|reader| snapshot(reader, read))
    }

    /// Reads that may scan: on a bounded number of blocking threads, at most a second.
    ///
    /// # Errors
    /// As [`Sqlite::read_point`]; `Overloaded` when the bound is reached for long.
    pub async fn read<T, F>(self: &Arc<Self>, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let acquired = tokio::time::timeout(READ_TIME, Arc::clone(&self.slow_reads).acquire_owned()).await;
        let Ok(Ok(place)) = acquired else {
            return Err(StoreError::Overloaded("database reads"));
        };
        let this = Arc::clone(self);
        let started = Instant::now();
        let task = tokio::task::spawn_blocking(move || {
            let _place = place;
            this.with_reader(|reader| {
                let deadline = Instant::now() + READ_TIME;
                reader.progress_handler(20_000, Some(move || Instant::now() > deadline))?;
                let result = snapshot(reader, read);
                reader.progress_handler(0, None::<fn() -> bool>)?;
                result
            })
        });
        let result = task.await.unwrap_or_else(|panicked| Err(StoreError::Statement(panicked.to_string())));
        stats::record(started);
        result
    }

    /// Writes in a savepoint of the writer's next batch. Returns after the commit is on disk.
    ///
    /// # Errors
    /// As the closure, whose changes are then undone; `Unavailable` when the commit failed or the queue is gone;
    /// `Overloaded` when the queue is full.
    pub async fn write<T, F>(&self, write: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let started = Instant::now();
        let (reply, answer) = oneshot::channel();
        let job = Box::new(WriteJob { write: Some(write), outcome: None, reply: Some(reply) });
        self.jobs.try_send(job).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => StoreError::Overloaded("database writes"),
            mpsc::error::TrySendError::Closed(_) => StoreError::Unavailable("the database writer has stopped".into()),
        })?;
        let result =
            answer.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the database writer has stopped".into())));
        stats::record(started);
        result
    }

    pub(super) async fn migrate(&self, steps: &'static [Migration]) -> Result<(), StoreError> {
        let database = self.path.display().to_string();
        self.write(move |connection| {
            for step in migrate::pending(steps, schema_version(connection)?, &database)? {
                connection.execute_batch(step.sql).map_err(|error| {
                    StoreError::Migration(format!("{database}: migration {} ({}): {error}", step.version, step.name))
                })?;
                connection.pragma_update(None, "user_version", step.version)?;
            }
            Ok(())
        })
        .await
    }

    pub(super) async fn require_current(self: &Arc<Self>, steps: &'static [Migration]) -> Result<(), StoreError> {
        let database = self.path.display().to_string();
        self.read(move |connection| {
            migrate::refuse_pending(migrate::pending(steps, schema_version(connection)?, &database)?, &database)
        })
        .await
    }

    fn with_reader<T>(&self, read: impl FnOnce(&mut Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.lock_readers().pop();
        let mut reader = match idle {
            Some(reader) => reader,
            None => connect_reader(&self.path)?,
        };
        let result = read(&mut reader);
        // One that is stuck in a transaction is closed instead.
        if reader.is_autocommit() {
            self.lock_readers().push(reader);
        }
        result
    }

    fn lock_readers(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        // Only a push or a pop happens under this lock: a poisoned one is still whole.
        self.readers.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Runs all of a read on one state of the database.
fn snapshot<T>(reader: &Connection, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
    reader.prepare_cached("begin")?.execute([])?;
    let result = read(reader);
    reader.prepare_cached("commit")?.execute([])?;
    result
}

fn schema_version(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.query_row("pragma user_version", [], |row| row.get(0))?)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let mut connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|error| StoreError::Unavailable(format!("cannot open {}: {error}", path.display())))?;
    connection.set_prepared_statement_cache_capacity(64);
    // Without stable plans SQLite compiles a cached statement again whenever its bindings were cleared, which is each time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // SQLite's own handler sleeps up to 100 ms; short sleeps let a command and the server take turns fairly.
    connection.busy_handler(Some(|attempt| {
        std::thread::sleep(Duration::from_micros(500));
        Duration::from_micros(500) * u32::try_from(attempt).unwrap_or(0) < LOCK_TIME
    }))?;
    connection.execute_batch("pragma foreign_keys = on; pragma temp_store = memory; pragma cache_size = -8000")?;
    Ok(connection)
}

/// Readers see the file through the page cache of the operating system instead of copies of their own.
fn connect_reader(path: &Path) -> Result<Connection, StoreError> {
    let reader = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    reader.pragma_update(None, "mmap_size", READ_MAP)?;
    Ok(reader)
}

/// A write whose outcome is told only after its batch has committed.
trait Job: Send {
    /// Whether the closure succeeded. Its result is kept.
    fn run(&mut self, connection: &Connection) -> bool;
    /// Tells the caller: its own outcome, or why the batch failed.
    fn finish(self: Box<Self>, batch: Result<(), &str>);
}

struct WriteJob<T, F> {
    write: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    reply: Option<oneshot::Sender<Result<T, StoreError>>>,
}

impl<T, F> Job for WriteJob<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, connection: &Connection) -> bool {
        let Some(write) = self.write.take() else { return false };
        let outcome = catch_unwind(AssertUnwindSafe(|| write(connection)))
            .unwrap_or_else(|panic| Err(StoreError::Statement(format!("a write panicked: {}", panic_text(&*panic)))));
        let succeeded = outcome.is_ok();
        self.outcome = Some(outcome);
        succeeded
    }

    fn finish(mut self: Box<Self>, batch: Result<(), &str>) {
        let outcome = match (batch, self.outcome.take()) {
            (Ok(()), Some(outcome)) => outcome,
            // A job that had failed by itself keeps its own reason.
            (Err(_), Some(Err(own))) => Err(own),
            (Err(reason), _) => Err(StoreError::Unavailable(reason.to_owned())),
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

fn write_loop(connection: &Connection, mut queue: mpsc::Receiver<Box<dyn Job>>) {
    while let Some(first) = queue.blocking_recv() {
        let mut jobs = vec![first];
        let result = run_batch(connection, &mut jobs, &mut queue);
        if result.is_err() && !connection.is_autocommit() {
            // The connection is of no use inside a failed transaction; a second failure shows at the next BEGIN.
            let _ = connection.execute_batch("rollback");
        }
        let result = result.as_ref().copied().map_err(String::as_str);
        for job in jobs {
            job.finish(result);
        }
    }
}

/// Runs the first job and whatever is waiting behind it, in one transaction. An error means that nothing was written.
fn run_batch(
    connection: &Connection,
    jobs: &mut Vec<Box<dyn Job>>,
    queue: &mut mpsc::Receiver<Box<dyn Job>>,
) -> Result<(), String> {
    let started = Instant::now();
    execute(connection, "begin immediate")?;
    let mut next = 0;
    while next < jobs.len() {
        execute(connection, "savepoint job")?;
        let succeeded = jobs[next].run(connection);
        next += 1;
        if connection.is_autocommit() {
            // A full disk or an I/O error makes SQLite roll back the whole transaction, not just the statement.
            return Err("the database rolled the whole batch back (disk full or I/O error)".into());
        }
        if !succeeded {
            execute(connection, "rollback to job")?;
        }
        execute(connection, "release job")?;
        if started.elapsed() < BATCH_TIME && jobs.len() < BATCH_JOBS {
            jobs.extend(queue.try_recv());
        }
    }
    execute(connection, "commit")
}

fn execute(connection: &Connection, sql: &str) -> Result<(), String> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute([]))
        .map(drop)
        .map_err(|error| format!("{sql}: {error}"))
}
