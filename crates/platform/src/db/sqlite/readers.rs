//! Connections that read. Taking and dropping SQLite's read lock is a good part of a read by key, so a snapshot is kept open and
//! shared by the reads that follow, for as long as nobody has written: until a commit of this process, and for
//! [`SNAPSHOT_AGE`] at most, since another process may write too.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

use super::{StoreError, connect};

/// After this, a commit of another process is seen for certain.
pub const SNAPSHOT_AGE: Duration = Duration::from_millis(20);
/// How many bytes of the file a reader sees through the page cache of the operating system, instead of copies of its own.
const MAP: i64 = 1 << 30;

pub struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Reader>>,
    /// Commits of this process.
    commits: AtomicU64,
}

struct Reader {
    connection: Connection,
    snapshot: Option<Snapshot>,
}

struct Snapshot {
    /// The count of commits when it was taken, or a little before.
    commits: u64,
    taken: Instant,
}

impl Readers {
    pub fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default(), commits: AtomicU64::new(0) }
    }

    /// Called by the writer after each commit, before anyone is told of it.
    pub fn committed(&self) {
        self.commits.fetch_add(1, Ordering::Release);
        self.end_snapshots();
    }

    /// Ends the snapshots that nobody reads in at this moment: they would keep the write-ahead log from being reused.
    pub fn end_snapshots(&self) {
        // A connection that cannot even do that is closed.
        self.idle().retain_mut(|reader| reader.end_snapshot().is_ok());
    }

    /// Reads what is there at this moment.
    pub fn read_now<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut reader = self.take()?;
        reader.end_snapshot()?;
        let result = read(&reader.connection);
        self.idle().push(reader);
        result
    }

    /// Reads in the open snapshot, if it is still the latest state; else in a new one, which stays open.
    pub fn read_shared<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let commits = self.commits.load(Ordering::Acquire);
        let mut reader = self.take()?;
        let current = |snapshot: &Snapshot| snapshot.commits == commits && snapshot.taken.elapsed() <= SNAPSHOT_AGE;
        if !reader.snapshot.as_ref().is_some_and(current) {
            reader.end_snapshot()?;
            reader.connection.prepare_cached("begin")?.execute([])?;
            reader.snapshot = Some(Snapshot { commits, taken: Instant::now() });
        }
        let result = read(&reader.connection);
        if reader.connection.is_autocommit() {
            // An I/O error ended it.
            reader.snapshot = None;
        }
        self.idle().push(reader);
        result
    }

    /// Reads in a snapshot of its own, for `time` at most.
    pub fn read_for<T>(
        &self,
        time: Duration,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut reader = self.take()?;
        reader.end_snapshot()?;
        let deadline = Instant::now() + time;
        reader.connection.progress_handler(20_000, Some(move || Instant::now() > deadline))?;
        reader.connection.prepare_cached("begin")?.execute([])?;
        let result = read(&reader.connection);
        reader.connection.prepare_cached("commit")?.execute([])?;
        reader.connection.progress_handler(0, None::<fn() -> bool>)?;
        self.idle().push(reader);
        result
    }

    /// A reader that is not given back, because something about it failed, is closed.
    fn take(&self) -> Result<Reader, StoreError> {
        let idle = self.idle().pop();
        idle.map_or_else(|| self.open(), Ok)
    }

    fn open(&self) -> Result<Reader, StoreError> {
        let connection = connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.pragma_update(None, "mmap_size", MAP)?;
        Ok(Reader { connection, snapshot: None })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Reader>> {
        // Only whole readers are pushed, popped and dropped under this lock: a poisoned one is still whole.
        self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Reader {
    fn end_snapshot(&mut self) -> Result<(), StoreError> {
        if self.snapshot.take().is_some() {
            self.connection.prepare_cached("commit")?.execute([])?;
        }
        Ok(())
    }
}
