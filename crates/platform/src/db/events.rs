//! Appending to and reading from a service's event log.

use kernel::{Event, Timestamp, Uuid};
use rusqlite::{Connection, params};
use tokio_postgres::types::ToSql;

use super::StoreError;
use super::postgres::{Postgres, Transaction};

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

const PERSONAL: &str = "insert into events_personal (event_id, subject, salt, bytes) values ($1, $2, $3, $4)";

/// Puts an event into PostgreSQL's inbox: id, type, subject, version, time, bytes.
pub const INBOX: &str =
    "insert into events_inbox (id, type, subject, version, time, bytes) values ($1, $2, $3, $4, $5, $6)";

/// What [`INBOX`] takes.
pub fn inbox_params(event: &Event) -> [&(dyn ToSql + Sync); 6] {
    [&event.id, &event.kind, &event.subject, &event.version, &event.time.0, &event.bytes]
}

/// Appends in the writer's transaction. The one writer's row ids are the positions: dense, in commit order.
///
/// # Errors
/// As the statement.
pub fn append_sqlite(connection: &Connection, events: &[Event]) -> Result<(), StoreError> {
    let mut append = connection.prepare_cached(
        "insert into events (id, type, subject, version, time, bytes) values ($1, $2, $3, $4, $5, $6)",
    )?;
    for event in events {
        append.execute(params![
            event.id.as_bytes(),
            event.kind,
            event.subject,
            event.version,
            event.time.0,
            event.bytes
        ])?;
        if let Some(personal) = &event.personal {
            let mut beside = connection.prepare_cached(PERSONAL)?;
            beside.execute(params![event.id.as_bytes(), event.subject, personal.salt, personal.bytes])?;
        }
    }
    Ok(())
}

/// Puts events into the inbox. Call it after the change's own statements, which take the subject's row lock.
///
/// # Errors
/// As the statement.
pub async fn append_postgres(transaction: &mut Transaction<'_>, events: &[Event]) -> Result<(), StoreError> {
    for event in events {
        transaction.query(INBOX, &inbox_params(event)).await?;
        if let Some(personal) = &event.personal {
            let salt: &[u8] = &personal.salt;
            transaction.query(PERSONAL, &[&event.id, &event.subject, &salt, &personal.bytes]).await?;
        }
    }
    Ok(())
}

const AFTER: &str = "select position, id, type, subject, version, time, bytes from events \
    where position > $1 order by position limit $2";

pub(super) fn after_sqlite(connection: &Connection, position: i64, limit: i64) -> Result<Vec<Logged>, StoreError> {
    let mut statement = connection.prepare_cached(AFTER)?;
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
    rows.collect::<Result<_, _>>()
        .map_err(|error| StoreError::corrupt("events", "*", format!("after {position}"), error))
}

pub(super) async fn after_postgres(db: &Postgres, position: i64, limit: i64) -> Result<Vec<Logged>, StoreError> {
    let rows = db.query_slow(AFTER, &[&position, &limit]).await?;
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

/// The envelope of a subject's event at a version: how the subject was then.
///
/// # Errors
/// `Unavailable`.
pub async fn at_version(
    database: &super::Database,
    subject: &str,
    version: i64,
) -> Result<Option<Vec<u8>>, StoreError> {
    match database {
        super::Database::Sqlite(db) => db.read_point(|connection| {
            let mut statement = connection.prepare_cached(
                "select bytes from events where subject = $1 and version = $2 order by position limit 1",
            )?;
            let mut rows = statement.query(params![subject, version])?;
            Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
        }),
        super::Database::Postgres(db) => {
            let sql = "select bytes from events where subject = $1 and version = $2 union all \
                select bytes from events_inbox where subject = $1 and version = $2 limit 1";
            Ok(db.query_opt(sql, &[&subject, &version]).await?.map(|row| row.get(0)))
        }
    }
}
