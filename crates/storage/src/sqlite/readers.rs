//! Connections that read. Taking and dropping SQLite's read lock is a good part of a read by key, so a snapshot is kept open and
//! shared by the reads that follow, for as long as no process has committed.
//!
//! Whether one has is told by the header of the shared index of the write-ahead log, which every commit rewrites
//! (<https://sqlite.org/walformat.html#the_wal_index_header>): one small read of a file in memory. SQLite maps that file and we
//! read it, which show the same bytes wherever one page cache serves both, as on Linux and macOS.

use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

use super::identity::Identity;
use super::{StoreError, connect};

/// How many bytes of the file a reader sees through the page cache of the operating system, instead of copies of its own. They
/// count as resident memory of the process, though the system takes them back when it needs them.
const MAP: i64 = 512 << 20;
/// The first copy of the index header.
type IndexHeader = [u8; 48];
/// No header that SQLite writes: its first bytes are a version.
const NO_HEADER: IndexHeader = [0; 48];

pub struct Readers {
    path: PathBuf,
    identity: Identity,
    idle: Mutex<Vec<Reader>>,
    /// Never closed: closing any descriptor of a file drops all POSIX locks that the process holds on it, SQLite's too.
    index: OnceLock<ManuallyDrop<File>>,
}

struct Reader {
    connection: Connection,
    /// The index header before the snapshot was taken.
    snapshot: Option<IndexHeader>,
}

impl Readers {
    pub fn new(path: PathBuf, identity: Identity) -> Self {
        Self { path, identity, idle: Mutex::default(), index: OnceLock::new() }
    }

    /// Ends the snapshots that nobody reads in at this moment: they would keep the write-ahead log from being reused.
    pub fn end_snapshots(&self) {
        // A connection that cannot even do that is closed.
        self.idle().retain_mut(|reader| reader.end_snapshot().is_ok());
    }

    /// Connections that nobody reads with at this moment.
    pub fn idle_count(&self) -> i64 {
        i64::try_from(self.idle().len()).unwrap_or(i64::MAX)
    }

    /// Reads in the open snapshot, if it is still the latest state; else in a new one, which stays open.
    pub fn read_shared<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let header = self.index_header();
        let mut reader = self.take()?;
        if reader.snapshot.is_none() || reader.snapshot != header {
            reader.end_snapshot()?;
            reader.connection.prepare_cached("begin")?.execute([])?;
            // Without a header to compare with, it is the latest state for this read only.
            reader.snapshot = Some(header.unwrap_or(NO_HEADER));
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
        if !reader.connection.is_autocommit() {
            reader.connection.prepare_cached("commit")?.execute([])?;
        }
        reader.connection.progress_handler(0, None::<fn() -> bool>)?;
        self.idle().push(reader);
        result
    }

    fn index_header(&self) -> Option<IndexHeader> {
        let index = match self.index.get() {
            Some(index) => index,
            None => {
                let mut path = self.path.clone().into_os_string();
                path.push("-shm");
                // It is there once the first connection has read.
                let opened = ManuallyDrop::new(File::open(path).ok()?);
                self.index.get_or_init(|| opened)
            }
        };
        let mut header = NO_HEADER;
        index.read_exact_at(&mut header, 0).ok().map(|()| header)
    }

    /// A reader that is not given back, because something about it failed, is closed.
    fn take(&self) -> Result<Reader, StoreError> {
        let idle = self.idle().pop();
        idle.map_or_else(|| self.open(), Ok)
    }

    fn open(&self) -> Result<Reader, StoreError> {
        let connection = connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.pragma_update(None, "mmap_size", MAP)?;
        // Only then is what was opened known to be what the others read.
        self.identity.check()?;
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
