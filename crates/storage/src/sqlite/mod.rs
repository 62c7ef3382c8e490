//! SQLite: readers beside one writer thread that commits in groups. An acknowledged write survives a power cut.

pub mod backup;
mod belonging;
pub(super) mod checkup;
mod identity;
mod leap;
mod readers;
pub mod servers;
mod writer;

use std::collections::HashSet;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kernel::SystemClock;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

pub(super) use self::belonging::enrol;
use self::identity::Identity;
pub use self::leap::LeapNote;
use platform::files;
use platform::telemetry::metrics::{Operation, Pool, metrics};
use platform::telemetry::{self, Recurring};

use self::readers::Readers;
use self::writer::Writer;
pub use self::writer::note;
use super::migrate::{self, Addition, Migration};
use super::{Limits, StoreError};
use crate::clock::StoreClock;
use crate::commits::Commits;

/// A scan is cut off after this.
const READ_TIME: Duration = Duration::from_secs(1);
/// How long to wait for the write lock while another process (a command) holds it.
const LOCK_TIME: Duration = Duration::from_secs(5);
/// Between two attempts.
const LOCK_PAUSE: Duration = Duration::from_micros(500);

/// One service's database file.
pub struct Sqlite {
    path: PathBuf,
    identity: Identity,
    moved: Recurring,
    readers: Arc<Readers>,
    slow_reads: Arc<Semaphore>,
    writer: Writer,
    write_timeout: Duration,
    pub(super) clock: Arc<StoreClock>,
    leap: LeapNote,
    /// Of the threads that scan.
    scans: Arc<Pool>,
    operations: Operations,
    pub(crate) commits: Commits,
}

/// How long they take.
struct Operations {
    read: Operation,
    scan: Operation,
    write: Operation,
}

impl Sqlite {
    /// Opens or creates `<folder>/<service>.db`. Blocks.
    ///
    /// # Errors
    /// `Unavailable` when the folder or file cannot be created or opened.
    pub fn open(folder: &Path, service: &'static str, limits: Limits) -> Result<Self, StoreError> {
        let path = folder.join(format!("{service}.db"));
        let identity = create_private(folder, &path)
            .and_then(|()| Identity::of(&path))
            .map_err(|error| StoreError::Unavailable(format!("cannot create {}: {error}", path.display())))?;
        let readers = Arc::new(Readers::new(path.clone(), identity.clone()));
        let writer = Writer::start(service, &path, identity.clone(), Arc::clone(&readers))?;
        let databases = &metrics().databases;
        let operation = |name| databases.operation("sqlite", service, name);
        Ok(Self {
            path,
            identity,
            moved: Recurring::new(),
            readers,
            slow_reads: Arc::new(Semaphore::new(limits.pool_size)),
            writer,
            write_timeout: limits.write_timeout,
            clock: Arc::new(StoreClock::start(service, Arc::new(SystemClock))),
            leap: LeapNote::of(folder, service),
            scans: databases.pool(&format!("{service}-readers")),
            operations: Operations { read: operation("read"), scan: operation("scan"), write: operation("write") },
            commits: Commits::new(),
        })
    }

    /// Tells the metrics what only a look shows.
    pub fn measure(&self) {
        self.scans.idle.set(self.readers.idle_count());
        self.writer.measure();
    }

    /// Reads a few rows by key, on the calling thread: microseconds, so a hop to another thread would cost more. All statements
    /// see one state of the database, the latest that any process has committed.
    ///
    /// # Errors
    /// As the closure; `Unavailable` when no connection can be opened.
    pub fn read_point<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let started = Instant::now();
        let result = self.readers.read_shared(read);
        telemetry::record(started, &self.operations.read);
        result
    }

    /// Reads that may scan: on a bounded number of blocking threads, at most a second.
    ///
    /// # Errors
    /// As [`Sqlite::read_point`]; `Unavailable` when the time is up; `Overloaded` when the bound is reached for long.
    pub async fn read<T, F>(self: &Arc<Self>, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let waiting = self.scans.waiting();
        let acquired = tokio::time::timeout(READ_TIME, Arc::clone(&self.slow_reads).acquire_owned()).await;
        let Ok(Ok(place)) = acquired else {
            return Err(StoreError::Overloaded("database reads"));
        };
        drop(waiting);
        let (readers, used) = (Arc::clone(&self.readers), self.scans.used());
        let started = Instant::now();
        let task = tokio::task::spawn_blocking(move || {
            let _held = (place, used);
            readers.read_for(READ_TIME, read)
        });
        let result = task.await.unwrap_or_else(|panicked| Err(StoreError::Statement(panicked.to_string())));
        telemetry::record(started, &self.operations.scan);
        result
    }

    /// Writes in a savepoint of the writer's next batch. Returns after the commit is on disk.
    ///
    /// # Errors
    /// As the closure, whose changes are then undone; `Unavailable` when the commit failed or the writer is gone, and when the time is
    /// up: it may then be written or not; `Overloaded` when the queue is full.
    pub async fn write<T, F>(&self, write: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let written = tokio::time::timeout(self.write_timeout, self.write_however_long(write)).await;
        written.unwrap_or_else(|_| Err(StoreError::late()))
    }

    async fn write_however_long<T, F>(&self, write: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let started = Instant::now();
        let result = self.writer.write(write).await;
        telemetry::record(started, &self.operations.write);
        let (written, stale) = result?;
        self.commits.note(&stale);
        Ok(written)
    }

    /// Follows the system's clock, unless it has leapt.
    pub(super) fn read_clock(&self) {
        self.leap.follow(&self.clock);
    }

    /// Whether the time is in doubt.
    pub(super) fn doubts_time(&self) -> bool {
        self.clock.differs() || self.leap.read().is_some()
    }

    /// # Errors
    /// `Moved` when its file is not the one any more that was opened. The log says so too, though nobody asks for anything.
    pub(super) fn check_file(&self) -> Result<(), StoreError> {
        let checked = self.identity.check();
        match &checked {
            Ok(()) => drop(self.moved.recovered()),
            Err(error) => {
                if let Some(failures) = self.moved.failed() {
                    tracing::error!(event = "store.moved", %error, failures, "writes are refused");
                }
            }
        }
        checked
    }

    /// Moves all of the write-ahead log into the database file. Called when nothing writes any more.
    pub(super) async fn close(&self) -> Result<(), StoreError> {
        self.identity.check()?;
        let (path, readers) = (self.path.clone(), Arc::clone(&self.readers));
        let empty_log = move || {
            readers.end_snapshots();
            let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            Ok(connection.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()))?)
        };
        let emptied = tokio::task::spawn_blocking(empty_log).await;
        emptied.unwrap_or_else(|panicked| Err(StoreError::Statement(panicked.to_string())))
    }

    pub(super) async fn migrate(
        &self,
        steps: &'static [Migration],
        additions: &'static [Addition],
    ) -> Result<(), StoreError> {
        let database = self.path.display().to_string();
        self.write_however_long(move |connection| {
            let before = schema_version(connection)?;
            for step in migrate::pending(steps, before, &database)? {
                let name = format!("{} ({})", step.version, step.name);
                connection.execute_batch(step.sql).map_err(|error| migrate::failed(&database, &name, error))?;
                connection.pragma_update(None, "user_version", step.version)?;
            }
            if additions.is_empty() {
                return Ok(());
            }
            connection.execute_batch(migrate::CREATE_ADDITIONS)?;
            for addition in migrate::missing(additions, &applied_additions(connection)?) {
                for sql in addition.sqlite.statements(before == 0) {
                    let failed = |error| migrate::failed(&database, addition.name, error);
                    connection.execute_batch(sql).map_err(failed)?;
                }
                connection.execute(migrate::RECORD_ADDITION, [addition.name])?;
            }
            Ok(())
        })
        .await
    }

    pub(super) async fn require_current(
        self: &Arc<Self>,
        steps: &'static [Migration],
        additions: &'static [Addition],
    ) -> Result<(), StoreError> {
        let database = self.path.display().to_string();
        self.read(move |connection| {
            let applied = (schema_version(connection)?, &applied_additions(connection)?);
            migrate::refuse_pending(steps, additions, applied, &database)
        })
        .await
    }
}

/// The store holds password hashes and addresses: what we create of it, only this user may read. SQLite gives its other files the
/// mode of the first.
fn create_private(folder: &Path, file: &Path) -> std::io::Result<()> {
    // SQLite syncs the folder itself, when it makes the log.
    files::make_folder(folder)?;
    // Not opened if it is there: closing it would drop the locks of a connection of this process.
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn schema_version(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.query_row("pragma user_version", [], |row| row.get(0))?)
}

/// The names of applied additions; none on a store of a release that knew none.
fn applied_additions(connection: &Connection) -> Result<HashSet<String>, StoreError> {
    if !has_table(connection, "schema_additions")? {
        return Ok(HashSet::new());
    }
    let mut statement = connection.prepare(migrate::ADDITIONS)?;
    let names = statement.query_map([], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

/// Asked of the file: rusqlite's `table_exists` knows what this connection knew of the schema when it last ran a statement.
fn has_table(connection: &Connection, name: &str) -> Result<bool, StoreError> {
    Ok(connection.prepare("select 1 from sqlite_schema where type = 'table' and name = $1")?.exists([name])?)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let mut connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|error| StoreError::Unavailable(format!("cannot open {}: {error}", path.display())))?;
    connection.set_prepared_statement_cache_capacity(64);
    // Without stable plans SQLite compiles a cached statement again whenever its bindings were cleared, which is each time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // SQLite's own handler sleeps up to 100 ms; short sleeps let a command and the server take turns fairly.
    connection.busy_handler(Some(|attempt| {
        std::thread::sleep(LOCK_PAUSE);
        LOCK_PAUSE * u32::try_from(attempt).unwrap_or(0) < LOCK_TIME
    }))?;
    connection.execute_batch("pragma foreign_keys = on; pragma temp_store = memory; pragma cache_size = -8000")?;
    Ok(connection)
}
