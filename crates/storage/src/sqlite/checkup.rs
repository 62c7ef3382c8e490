//! A look at a file that another process may have open.

use std::collections::HashSet;
use std::fmt::Write;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use platform::files;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::{applied_additions, belonging, connect, has_table, schema_version};
use crate::StoreError;
use crate::belonging::Belonging;
use crate::checkup::{Checkup, Effort, Integrity, Kind, Schema, Steps};

/// How long the file is read at most: the log of a server that writes cannot start over meanwhile.
const READ_TIME: Duration = Duration::from_secs(1);

/// What a connection tells of a file.
pub(super) struct Facts {
    pub applied: i64,
    pub additions: HashSet<String>,
    pub store: Belonging,
    pub written: bool,
}

/// Blocks for a second or two if it is thorough.
pub fn look(file: &Path, steps: &Steps<'_>, effort: Effort) -> Result<Checkup, StoreError> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let free = files::free_space(files::nearest(folder)).ok();
    // SQLite makes a database of a file that has nothing in it.
    let is_there = match file.metadata() {
        Ok(metadata) => metadata.len() > 0,
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => return Err(cannot_read(file, StoreError::Unavailable(error.to_string()))),
    };
    let read_only = || {
        let file_too = || if file.exists() { files::may_write(file) } else { Ok(()) };
        let may = files::may_make_in(folder).and_then(|()| file_too());
        may.err().map(|error| format!("{}: {error}", if file.exists() { file } else { folder }.display()))
    };
    let (facts, integrity) = match (is_there, effort) {
        (false, _) => (None, None),
        (true, Effort::Quick) => (Some(glance(file)?), None),
        (true, Effort::Thorough) => {
            let (facts, integrity) = read(file, examine)?;
            (Some(facts), Some(integrity))
        }
    };
    Ok(Checkup {
        place: format!("SQLite {}, {}", rusqlite::version(), file.display()),
        schema: facts.as_ref().map_or(Schema::Empty, |facts| Schema::of(steps, facts.applied, &facts.additions)),
        written: facts.as_ref().is_some_and(|facts| facts.written),
        store: facts.map_or(Belonging::Unmarked, |facts| facts.store),
        read_only: read_only(),
        kind: Kind::Sqlite { free, integrity },
    })
}

/// As whoever is about to work on it.
fn glance(file: &Path) -> Result<Facts, StoreError> {
    connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .and_then(|connection| facts(&connection))
        .map_err(|error| cannot_read(file, error))
}

pub(super) fn facts(connection: &Connection) -> Result<Facts, StoreError> {
    let written = has_table(connection, "events")? && connection.prepare("select 1 from events limit 1")?.exists([])?;
    Ok(Facts {
        applied: schema_version(connection)?,
        additions: applied_additions(connection)?,
        store: belonging::belonging(connection)?,
        written,
    })
}

pub(super) fn cannot_read(file: &Path, error: StoreError) -> StoreError {
    match error {
        StoreError::Statement(why) | StoreError::Unavailable(why) => {
            StoreError::Unavailable(format!("cannot read {}: {why}", file.display()))
        }
        other => other,
    }
}

/// Blocks as [`look`] does.
pub fn text(file: &Path, sql: &str) -> Result<Option<String>, StoreError> {
    read(file, |connection, _| Ok(connection.query_row(sql, [], |row| row.get(0)).optional()?))
}

fn read<T>(file: &Path, look: impl Fn(&mut Connection, &Path) -> Result<T, StoreError>) -> Result<T, StoreError> {
    let was_open = beside(file, "-wal").exists();
    let looked = open_untouched(file, was_open).and_then(|mut connection| look(&mut connection, file));
    // One that nobody has open is read as if nobody could write it. If somebody opened it meanwhile, that was wrong.
    if !was_open && beside(file, "-wal").exists() { look(&mut open_untouched(file, true)?, file) } else { looked }
}

/// Opened in the plain way, SQLite would make the files of a write-ahead log, or repair their index.
pub(super) fn open_untouched(file: &Path, is_open: bool) -> Result<Connection, StoreError> {
    let way = if is_open { "mode=ro&readonly_shm=1" } else { "mode=ro&immutable=1" };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri(file, way), flags);
    let connection = connection.map_err(|error| cannot_read(file, error.into()))?;
    connection.busy_timeout(READ_TIME)?;
    Ok(connection)
}

fn examine(connection: &mut Connection, file: &Path) -> Result<(Facts, Integrity), StoreError> {
    let facts = facts(connection).map_err(|error| cannot_read(file, error))?;
    let deadline = Instant::now() + READ_TIME;
    connection.progress_handler(20_000, Some(move || Instant::now() > deadline))?;
    let integrity = match connection.query_row("pragma quick_check(1)", [], |row| row.get::<_, String>(0)) {
        Ok(found) if found == "ok" => Integrity::Whole,
        Ok(found) => Integrity::Damaged(found),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) => {
            Integrity::Unfinished
        }
        Err(error) => Integrity::Damaged(error.to_string()),
    };
    Ok((facts, integrity))
}

pub(super) fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

fn uri(file: &Path, way: &str) -> String {
    let mut uri = String::from("file:");
    for byte in file.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            byte => _ = write!(uri, "%{byte:02x}"),
        }
    }
    format!("{uri}?{way}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::{Addition, Migration, Migrations};
    use crate::{Database, DatabaseUrl, Limits, inspect};

    const FIRST: Migration = Migration { version: 1, name: "some", sql: "create table some (id integer)" };
    const MIGRATIONS: Migrations = Migrations { sqlite: &[FIRST], postgres: &[], additions: &[] };
    const LATER: Migrations = Migrations {
        sqlite: &[FIRST, Migration { version: 2, name: "more", sql: "create table more (id integer)" }],
        postgres: &[],
        additions: &[Addition::new("most", "create table most (id integer)", "")],
    };

    fn files(folder: &Path) -> Vec<(String, u64, std::time::SystemTime)> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let mut files: Vec<_> = entries
            .map(|entry| {
                let metadata = entry.metadata().unwrap();
                (entry.file_name().into_string().unwrap(), metadata.len(), metadata.modified().unwrap())
            })
            .collect();
        files.sort();
        files
    }

    #[tokio::test]
    async fn a_look_changes_no_file_whoever_has_it_open() {
        let folder = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::Sqlite(folder.path().join("a b?#%"));
        let DatabaseUrl::Sqlite(data) = &url else { unreachable!() };
        let schema = async |migrations| {
            inspect::checkup(&url, "shop", migrations, Effort::Thorough).await.map(|found| found.schema)
        };
        assert_eq!(schema(&MIGRATIONS).await.unwrap(), Schema::Empty);
        assert!(!data.exists(), "not made");
        let limits = Limits { pool_size: 1, ..Limits::DEFAULT };
        let open = Database::open(&url, "shop", limits).await.unwrap();
        open.migrate(&MIGRATIONS).await.unwrap();
        let before = files(data);
        assert_eq!(before.len(), 3, "the database, its log and the log's index: {before:?}");
        assert_eq!(schema(&MIGRATIONS).await.unwrap(), Schema::Current(1));
        assert_eq!(files(data), before, "while it is open");
        // As a power cut leaves it.
        let copy = folder.path().join("copy");
        std::fs::create_dir(&copy).unwrap();
        for (name, ..) in &before {
            std::fs::copy(data.join(name), copy.join(name)).unwrap();
        }
        let cut = DatabaseUrl::Sqlite(copy.clone());
        let before = files(&copy);
        assert_eq!(
            inspect::checkup(&cut, "shop", &MIGRATIONS, Effort::Thorough).await.unwrap().schema,
            Schema::Current(1)
        );
        assert_eq!(files(&copy), before, "after a power cut");
        open.close().await.unwrap();
        drop(open);
        let closed = || (files(data).len() == 1).then_some(());
        testkit::eventually("the writer has closed the file", closed);
        let before = files(data);
        assert_eq!(schema(&LATER).await.unwrap(), Schema::Pending(vec!["2 (more)".into(), "most".into()]));
        assert_eq!(files(data), before, "while nobody has it open");
    }

    #[tokio::test]
    async fn a_damaged_file_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::Sqlite(folder.path().to_owned());
        std::fs::write(folder.path().join("shop.db"), vec![7; 8192]).unwrap();
        for effort in [Effort::Quick, Effort::Thorough] {
            let error = inspect::checkup(&url, "shop", &MIGRATIONS, effort).await.unwrap_err().to_string();
            assert!(error.contains("shop.db") && error.contains("not a database"), "{error}");
        }
    }
}
