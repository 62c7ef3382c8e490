//! Appending to and reading from a service's event log.

use std::sync::Arc;

use kernel::tag::whole_kind;
use kernel::{Event, Timestamp, Uuid};
use rusqlite::{Connection, params};
use storage::postgres::{Postgres, Statement};
use storage::{Database, StoreError};
use tokio_postgres::types::ToSql;

/// An event as stored, with its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// Dense from 1, ascending in commit order within one subject.
    pub position: i64,
    pub id: Uuid,
    /// `product.created`.
    pub kind: String,
    pub subject: String,
    pub version: i64,
    pub time: Timestamp,
    /// The CloudEvents envelope, byte for byte as it was appended.
    pub bytes: Vec<u8>,
}

/// Appends in the writer's transaction. The one writer's row ids are the positions: dense, in commit order.
///
/// # Errors
/// As the statement.
pub(crate) fn append_sqlite(connection: &Connection, events: &[Event]) -> Result<(), StoreError> {
    let mut append = connection.prepare_cached(
        "insert into events (id, type, subject, version, time, bytes, tags) values ($1, $2, $3, $4, $5, $6, $7)",
    )?;
    for event in events {
        append.execute(params![
            event.id.as_bytes(),
            event.kind,
            event.subject,
            event.version,
            event.time.0,
            event.bytes,
            event.tags.join(" ")
        ])?;
        if let Some(personal) = &event.personal {
            let mut beside = connection.prepare_cached(
                "insert into events_personal (event_id, subject, salt, bytes) values ($1, $2, $3, $4)",
            )?;
            beside.execute(params![event.id.as_bytes(), personal.of, personal.salt, personal.bytes])?;
        }
    }
    Ok(())
}

/// Puts events into PostgreSQL's inbox, in their order. Runs after the change's own statements, which take the subject's row lock.
const APPEND: &str = "insert into events_inbox (id, type, subject, version, time, bytes, tags) \
    select * from unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bytea[], $7::text[])";
const APPEND_PERSONAL: &str = "insert into events_personal (event_id, subject, salt, bytes) \
    select * from unnest($1::uuid[], $2::text[], $3::bytea[], $4::bytea[])";

/// Events by column.
#[derive(Default)]
pub(crate) struct EventColumns<'a> {
    ids: Vec<Uuid>,
    kinds: Vec<&'a str>,
    subjects: Vec<&'a str>,
    versions: Vec<i64>,
    times: Vec<i64>,
    bytes: Vec<&'a [u8]>,
    tags: Vec<String>,
    personal: PersonalColumns<'a>,
}

#[derive(Default)]
struct PersonalColumns<'a> {
    ids: Vec<Uuid>,
    subjects: Vec<&'a str>,
    salts: Vec<&'a [u8]>,
    bytes: Vec<&'a [u8]>,
}

impl<'a> EventColumns<'a> {
    pub fn push(&mut self, event: &'a Event) {
        self.ids.push(event.id);
        self.kinds.push(event.kind);
        self.subjects.push(&event.subject);
        self.versions.push(event.version);
        self.times.push(event.time.0);
        self.bytes.push(&event.bytes);
        self.tags.push(event.tags.join(" "));
        if let Some(personal) = &event.personal {
            self.personal.ids.push(event.id);
            self.personal.subjects.push(&personal.of);
            self.personal.salts.push(&personal.salt);
            self.personal.bytes.push(&personal.bytes);
        }
    }

    pub fn statements(&self) -> Vec<Statement<'_>> {
        let (events, personal) = (self, &self.personal);
        let mut statements = Vec::new();
        if !events.ids.is_empty() {
            statements.push(Statement::new(
                APPEND,
                vec![
                    &events.ids,
                    &events.kinds,
                    &events.subjects,
                    &events.versions,
                    &events.times,
                    &events.bytes,
                    &events.tags,
                ],
            ));
        }
        if !personal.ids.is_empty() {
            let columns =
                vec![&personal.ids as &(dyn ToSql + Sync), &personal.subjects, &personal.salts, &personal.bytes];
            statements.push(Statement::new(APPEND_PERSONAL, columns));
        }
        statements
    }
}

/// Events that are read at once may have so many bytes, and the last of them more.
pub const BATCH_BYTES: usize = 4 << 20;

const AFTER_SQLITE: &str = "select position, id, type, subject, version, time, bytes from events \
    where position > $1 order by position limit $2";
/// Sums up lengths, which need not fetch what is large.
const AFTER_POSTGRES: &str = "select position, id, type, subject, version, time, bytes from \
    (select *, sum(octet_length(bytes)) over (order by position) - octet_length(bytes) as before from \
      (select * from events where position > $1 order by position limit $2) as page) as summed \
    where before < $3 order by position";

/// Events after `position`, oldest first: at most `limit`, and none more behind [`BATCH_BYTES`].
///
/// # Errors
/// `Unavailable`, `Corrupt`.
pub async fn after(database: &Database, position: i64, limit: i64) -> Result<Vec<Logged>, StoreError> {
    match database {
        Database::Sqlite(db) => db.read(move |connection| after_sqlite(connection, position, limit)).await,
        Database::Postgres(db) => after_postgres(db, position, limit).await,
    }
}

fn after_sqlite(connection: &Connection, position: i64, limit: i64) -> Result<Vec<Logged>, StoreError> {
    let mut statement = connection.prepare_cached(AFTER_SQLITE)?;
    let rows = statement.query_map([position, limit], |row| {
        Ok(Logged {
            position: row.get(0)?,
            id: Uuid::from_bytes(row.get(1)?),
            kind: row.get(2)?,
            subject: row.get(3)?,
            version: row.get(4)?,
            time: Timestamp(row.get(5)?),
            bytes: row.get(6)?,
        })
    })?;
    let (mut events, mut bytes) = (Vec::new(), 0);
    for row in rows {
        let event = row.map_err(|error| StoreError::corrupt("events", "*", format!("after {position}"), error))?;
        bytes += event.bytes.len();
        events.push(event);
        if bytes >= BATCH_BYTES {
            break;
        }
    }
    Ok(events)
}

async fn after_postgres(db: &Postgres, position: i64, limit: i64) -> Result<Vec<Logged>, StoreError> {
    let rows = db.query_slow(AFTER_POSTGRES, &[&position, &limit, &(BATCH_BYTES as i64)]).await?;
    let logged = |row: tokio_postgres::Row| -> Result<Logged, tokio_postgres::Error> {
        Ok(Logged {
            position: row.try_get(0)?,
            id: row.try_get(1)?,
            kind: row.try_get(2)?,
            subject: row.try_get(3)?,
            version: row.try_get(4)?,
            time: Timestamp(row.try_get(5)?),
            bytes: row.try_get(6)?,
        })
    };
    rows.into_iter()
        .map(|row| logged(row).map_err(|error| StoreError::corrupt("events", "*", format!("after {position}"), error)))
        .collect()
}

/// The end of a log: what changed, without how.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// The last position.
    pub head: i64,
    /// What events after a position may have made stale, with theirs: tags with blanks between them.
    pub new: Vec<(i64, Arc<str>)>,
    /// That of committed events that have no position yet.
    pub pending: Vec<Arc<str>>,
}

impl Tail {
    /// A row of [`TAIL_POSTGRES`] or [`TAIL_SQLITE`].
    fn add(&mut self, position: Option<i64>, subject: Option<&str>, tags: Option<&str>) {
        let stale = |subject: &str| -> Arc<str> {
            match tags {
                Some("") => subject.into(),
                Some(tags) => format!("{subject} {tags}").into(),
                // Of a release that had none: anything of its kind.
                None => format!("{subject} {}", whole_kind(subject)).into(),
            }
        };
        match (position, subject) {
            (Some(position), Some(subject)) => self.new.push((position, stale(subject))),
            (Some(head), None) => self.head = head,
            (None, Some(subject)) => self.pending.push(stale(subject)),
            (None, None) => {}
        }
    }
}

/// One statement, so that an event on its way from the inbox to the log is seen once at least.
const TAIL_POSTGRES: &str = "select max(position), null, null from events union all \
    (select position, subject, tags from events where position > $1 order by position limit $2) union all \
    (select null, subject, tags from events_inbox order by sequence limit $2)";
const TAIL_SQLITE: &str = "select max(position), null, null from events union all \
    select * from (select position, subject, tags from events where position > $1 order by position limit $2)";

/// What changed after `position`, at most `limit` events of each kind.
///
/// # Errors
/// `Unavailable`.
pub async fn tail(database: &Database, position: i64, limit: i64) -> Result<Tail, StoreError> {
    match database {
        Database::Sqlite(db) => db.read_point(|connection| tail_sqlite(connection, position, limit)),
        Database::Postgres(db) => tail_postgres(db, position, limit).await,
    }
}

fn tail_sqlite(connection: &Connection, after: i64, limit: i64) -> Result<Tail, StoreError> {
    let mut statement = connection.prepare_cached(TAIL_SQLITE)?;
    let mut rows = statement.query([after, limit])?;
    let mut tail = Tail::default();
    while let Some(row) = rows.next()? {
        let (subject, tags): (Option<String>, Option<String>) = (row.get(1)?, row.get(2)?);
        tail.add(row.get(0)?, subject.as_deref(), tags.as_deref());
    }
    Ok(tail)
}

async fn tail_postgres(db: &Postgres, after: i64, limit: i64) -> Result<Tail, StoreError> {
    let mut tail = Tail::default();
    for row in db.query(TAIL_POSTGRES, &[&after, &limit]).await? {
        tail.add(row.get(0), row.get(1), row.get(2));
    }
    Ok(tail)
}

/// The personal fields beside an event; `None` when it has none, or they were erased.
///
/// # Errors
/// `Unavailable`.
pub async fn personal_of(database: &Database, event_id: Uuid) -> Result<Option<Vec<u8>>, StoreError> {
    match database {
        Database::Sqlite(db) => db.read_point(|connection| {
            let mut statement = connection.prepare_cached("select bytes from events_personal where event_id = $1")?;
            let mut rows = statement.query([event_id.as_bytes()])?;
            Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
        }),
        Database::Postgres(db) => {
            let sql = "select bytes from events_personal where event_id = $1";
            Ok(db.query_opt(sql, &[&event_id]).await?.map(|row| row.get(0)))
        }
    }
}

/// The envelope of one event.
///
/// # Errors
/// `Unavailable`.
pub async fn by_id(database: &Database, id: Uuid) -> Result<Option<Vec<u8>>, StoreError> {
    match database {
        Database::Sqlite(db) => db.read_point(|connection| {
            let mut statement = connection.prepare_cached("select bytes from events where id = $1")?;
            let mut rows = statement.query([id.as_bytes()])?;
            Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
        }),
        Database::Postgres(db) => {
            let sql = "select bytes from events where id = $1 union all \
                select bytes from events_inbox where id = $1 limit 1";
            Ok(db.query_opt(sql, &[&id]).await?.map(|row| row.get(0)))
        }
    }
}

/// The envelope of a subject's event at a version: how the subject was then.
///
/// # Errors
/// `Unavailable`.
pub async fn at_version(database: &Database, subject: &str, version: i64) -> Result<Option<Vec<u8>>, StoreError> {
    match database {
        Database::Sqlite(db) => db.read_point(|connection| {
            let mut statement = connection.prepare_cached(
                "select bytes from events where subject = $1 and version = $2 order by position limit 1",
            )?;
            let mut rows = statement.query(params![subject, version])?;
            Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
        }),
        Database::Postgres(db) => {
            let sql = "select bytes from events where subject = $1 and version = $2 union all \
                select bytes from events_inbox where subject = $1 and version = $2 limit 1";
            Ok(db.query_opt(sql, &[&subject, &version]).await?.map(|row| row.get(0)))
        }
    }
}
