//! Copies of several files, of one moment, while others write to them.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::checkup::{self, Facts};
use super::{LOCK_TIME, connect};
use crate::StoreError;
use crate::belonging::Belonging;

/// Pages that are copied at a time: a megabyte.
const STEP_PAGES: i32 = 256;
/// Steps after which the copy is brought to disk. Much at once would hold up the commits of others.
const STEPS_TO_SYNC: u32 = 8;
/// How long all are kept from writing, while one lock is held and the next awaited, before it is tried anew.
const TRY_TIME: Duration = Duration::from_millis(50);

/// A file as it was at the moment of the snapshot.
pub struct Snapshot(Connection);

/// What is in a service's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    pub store: Belonging,
    /// The last numbered migration.
    pub schema: i64,
    pub additions: BTreeSet<String>,
    /// The position of the last event.
    pub events: i64,
}

/// How far a copy is, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    pub copied: u64,
    pub all: u64,
}

/// The write-ahead log of a file, which cannot start over while a snapshot of the file is held.
pub fn log_of(file: &Path) -> PathBuf {
    checkup::beside(file, "-wal")
}

/// Snapshots of all files at one moment: nobody writes to any of them while they are taken. Blocks.
///
/// # Errors
/// `Unavailable` when a file cannot be read, or somebody else keeps on writing.
pub fn snapshot(files: &[PathBuf]) -> Result<Vec<Snapshot>, StoreError> {
    let open = || files.iter().map(|file| connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE));
    let mut writers = open().collect::<Result<Vec<_>, _>>()?;
    let readers = open().collect::<Result<Vec<_>, _>>()?;
    for writer in &mut writers {
        writer.busy_handler(Some(|attempt| {
            let pause = Duration::from_micros(500);
            std::thread::sleep(pause);
            pause * u32::try_from(attempt).unwrap_or(0) < TRY_TIME
        }))?;
    }
    lock_all(&writers)?;
    for reader in &readers {
        reader.pragma_update(None, "query_only", true)?;
        reader.execute_batch("begin")?;
        // The first read takes the snapshot.
        reader.query_row("select count(*) from sqlite_schema", [], |_| Ok(()))?;
    }
    // The locks go with the connections.
    drop(writers);
    Ok(readers.into_iter().map(Snapshot).collect())
}

fn lock_all(writers: &[Connection]) -> Result<(), StoreError> {
    let deadline = Instant::now() + LOCK_TIME;
    loop {
        let locked = writers.iter().try_for_each(|writer| writer.execute_batch("begin immediate"));
        match locked {
            Ok(()) => return Ok(()),
            Err(error) if error.sqlite_error_code() != Some(rusqlite::ErrorCode::DatabaseBusy) => {
                return Err(error.into());
            }
            Err(error) if Instant::now() > deadline => return Err(error.into()),
            Err(_) => {
                for writer in writers.iter().filter(|writer| !writer.is_autocommit()) {
                    writer.execute_batch("rollback")?;
                }
            }
        }
    }
}

impl Snapshot {
    /// # Errors
    /// `Unavailable`, `Statement`: when it is no file of ours.
    pub fn contents(&self) -> Result<Contents, StoreError> {
        contents(&self.0)
    }

    /// Copies it into a new file, and has it on disk at the end. `told` hears of each step, and ends the copy by an error. Blocks.
    ///
    /// # Errors
    /// That of `told`; `DiskFull`, `Unavailable`.
    pub fn copy_to<E: From<StoreError>>(
        &self,
        target: &Path,
        mut told: impl FnMut(Progress) -> Result<(), E>,
    ) -> Result<(), E> {
        // SQLite would make a file that others can read.
        let on_disk = OpenOptions::new().write(true).create_new(true).mode(0o600).open(target);
        let on_disk = on_disk.map_err(|error| unavailable(target, error))?;
        let mut to = connect(target, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // Nobody needs a copy that is not finished.
        to.execute_batch("pragma journal_mode = off; pragma synchronous = off").map_err(StoreError::from)?;
        let sync = || on_disk.sync_data().map_err(|error| unavailable(target, error));
        {
            let page: u32 = self.0.query_row("pragma page_size", [], |row| row.get(0)).map_err(StoreError::from)?;
            // The source is inside its snapshot, so what others write does not begin the copy anew.
            let copy = Backup::new(&self.0, &mut to).map_err(StoreError::from)?;
            for step in 1.. {
                let started = Instant::now();
                let result = copy.step(STEP_PAGES).map_err(StoreError::from)?;
                if step % STEPS_TO_SYNC == 0 {
                    sync()?;
                }
                let progress = copy.progress();
                let bytes = |pages: i32| u64::try_from(pages).unwrap_or(0) * u64::from(page);
                let all = bytes(progress.pagecount);
                told(Progress { copied: all.saturating_sub(bytes(progress.remaining)), all })?;
                if result == StepResult::Done {
                    break;
                }
                // Half of the time is the servers'.
                std::thread::sleep(started.elapsed());
            }
        }
        drop(to);
        Ok(sync()?)
    }
}

/// What is in a file that nobody has open, and what is broken in it, if anything is. The file is not touched. Blocks for as long as it
/// takes to read it.
///
/// # Errors
/// `Unavailable`, `Statement`: when it is no file of ours.
pub fn inspect(file: &Path) -> Result<(Contents, Option<String>), StoreError> {
    let connection = checkup::open_untouched(file, false)?;
    let contents = contents(&connection).map_err(|error| checkup::cannot_read(file, error))?;
    let found: String = connection.query_row("pragma integrity_check(1)", [], |row| row.get(0))?;
    Ok((contents, (found != "ok").then_some(found)))
}

fn contents(connection: &Connection) -> Result<Contents, StoreError> {
    let Facts { applied, additions, store, .. } = checkup::facts(connection)?;
    let events = connection.query_row("select coalesce(max(position), 0) from events", [], |row| row.get(0))?;
    Ok(Contents { store, schema: applied, additions: additions.into_iter().collect(), events })
}

fn unavailable(file: &Path, error: std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("cannot write {}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(connection: &Connection) -> i64 {
        connection.query_row("select count(*) from rows", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn copies_are_of_one_moment_and_go_on_while_others_write() {
        let folder = tempfile::tempdir().unwrap();
        let files = ["a.db", "b.db"].map(|name| folder.path().join(name));
        let writers: Vec<Connection> = files
            .iter()
            .map(|file| {
                let writer = Connection::open(file).unwrap();
                writer
                    .execute_batch(
                        "pragma journal_mode = wal; pragma synchronous = off; create table rows (bytes blob); \
                         with recursive n (i) as (select 1 union all select i + 1 from n where i < 2000) \
                         insert into rows select zeroblob(3000) from n",
                    )
                    .unwrap();
                writer
            })
            .collect();
        let snapshots = snapshot(&files).unwrap();
        let mut steps = 0;
        for (snapshot, copy) in snapshots.iter().zip(["a.copy", "b.copy"]) {
            let copy = folder.path().join(copy);
            let result = snapshot.copy_to(&copy, |progress| {
                steps += 1;
                assert!(steps < 100, "it begins anew with each write");
                assert!(progress.copied <= progress.all);
                for writer in &writers {
                    writer.execute("insert into rows values (zeroblob(9000))", []).unwrap();
                }
                Ok::<(), StoreError>(())
            });
            result.unwrap();
            assert_eq!(rows(&Connection::open(&copy).unwrap()), 2000);
        }
        assert!(steps > 8, "more than a step each: {steps}");
        assert!(writers.iter().all(|writer| rows(writer) == 2000 + i64::from(steps)));
        let stopped = snapshots[0].copy_to(&folder.path().join("stopped"), |_| Err(StoreError::Overloaded("enough")));
        assert!(matches!(stopped, Err(StoreError::Overloaded("enough"))));
    }
}
