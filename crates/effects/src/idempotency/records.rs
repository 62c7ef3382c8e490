//! Stored answers of idempotency keys, in the database of the change that they answer for.

use kernel::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use storage::postgres::{Postgres, Statement};
use storage::{Database, StoreError, postgres_now};
use tokio_postgres::types::ToSql;

use crate::idempotency::{Answered, Claim, Stored};

/// The rule that refuses a second claim, named alike on both databases.
pub const CONFLICT: &str = "idempotency.scope";

/// Takes a key that is free, or whose time is over; otherwise no row changes.
macro_rules! claim {
    ($values:literal, $now:expr) => {
        concat!(
            "insert into idempotency (scope, fingerprint, status, body, subject, version, expires_at) ",
            $values,
            " on conflict (scope) do update set fingerprint = excluded.fingerprint, status = excluded.status, \
             body = excluded.body, subject = excluded.subject, version = excluded.version, \
             expires_at = excluded.expires_at where idempotency.expires_at <= ",
            $now
        )
    };
}
const CLAIM_SQLITE: &str = claim!("values ($1, $2, $3, $4, $5, $6, $7)", "$8");
/// A claim that another transaction holds at this moment is left out like a taken one: a claim never waits.
const CLAIM_POSTGRES: &str = claim!(
    "select scope, fingerprint, status, body, subject, version, expires_at \
     from unnest($1::bytea[], $2::bytea[], $3::integer[], $4::bytea[], $5::text[], $6::bigint[], $7::bigint[], \
       $8::bigint[]) as claims (scope, fingerprint, status, body, subject, version, expires_at, lock) \
     where pg_try_advisory_xact_lock(lock)",
    postgres_now!()
);
macro_rules! find {
    ($now:expr) => {
        concat!(
            "select fingerprint, status, body, subject, version from idempotency where scope = $1 and expires_at > ",
            $now
        )
    };
}
const FIND_SQLITE: &str = find!("$2");
/// By the database's clock, as it claims: a process whose clock leaps must not find a key free that is not.
const FIND_POSTGRES: &str = find!(postgres_now!());
const SWEEP: &str = "delete from idempotency where scope in \
    (select scope from idempotency where expires_at <= $1 order by expires_at limit $2)";

/// Stores the answer in the transaction of its effect.
///
/// # Errors
/// `Conflict` on [`CONFLICT`] when the key was claimed meanwhile.
pub(crate) fn claim_sqlite(connection: &Connection, answered: Option<&Answered>) -> Result<(), StoreError> {
    let Some(a) = answered else { return Ok(()) };
    let claimed = connection.prepare_cached(CLAIM_SQLITE)?.execute(params![
        a.claim.scope,
        a.claim.fingerprint,
        a.status,
        a.stored_body(),
        a.subject,
        a.version,
        a.claim.expires_at().0,
        a.claim.now.0
    ])?;
    if claimed == 1 { Ok(()) } else { Err(StoreError::Conflict(CONFLICT.into())) }
}

/// Answers by column.
#[derive(Default)]
pub(crate) struct ClaimColumns<'a> {
    scopes: Vec<&'a [u8]>,
    fingerprints: Vec<&'a [u8]>,
    statuses: Vec<i32>,
    bodies: Vec<Option<&'a [u8]>>,
    subjects: Vec<&'a str>,
    versions: Vec<i64>,
    expiries: Vec<i64>,
    locks: Vec<i64>,
}

impl<'a> ClaimColumns<'a> {
    pub fn push(&mut self, answered: &'a Answered) {
        self.scopes.push(&answered.claim.scope);
        self.fingerprints.push(&answered.claim.fingerprint);
        self.statuses.push(i32::from(answered.status));
        self.bodies.push(answered.stored_body());
        self.subjects.push(&answered.subject);
        self.versions.push(answered.version);
        self.expiries.push(answered.claim.expires_at().0);
        self.locks.push(answered.claim.lock_key());
    }

    pub fn statement(&self) -> Option<Statement<'_>> {
        let columns: Vec<&(dyn ToSql + Sync)> = vec![
            &self.scopes,
            &self.fingerprints,
            &self.statuses,
            &self.bodies,
            &self.subjects,
            &self.versions,
            &self.expiries,
            &self.locks,
        ];
        let claims = self.scopes.len();
        (claims > 0).then(|| Statement::new(CLAIM_POSTGRES, columns).affecting(claims, CONFLICT))
    }
}

/// The stored answer of a key, if the key was used and has not expired.
///
/// # Errors
/// `Unavailable`, `Corrupt`.
pub async fn find(database: &Database, claim: &Claim) -> Result<Option<Stored>, StoreError> {
    match database {
        Database::Sqlite(db) => db.read_point(|connection| find_sqlite(connection, claim)),
        Database::Postgres(db) => find_postgres(db, claim).await,
    }
}

fn find_sqlite(connection: &Connection, claim: &Claim) -> Result<Option<Stored>, StoreError> {
    let mut statement = connection.prepare_cached(FIND_SQLITE)?;
    let row = statement.query_row(params![claim.scope, claim.now.0], |row| {
        Ok(Stored {
            fingerprint: row.get(0)?,
            status: row.get(1)?,
            body: row.get(2)?,
            subject: row.get(3)?,
            version: row.get(4)?,
        })
    });
    Ok(row.optional()?)
}

async fn find_postgres(db: &Postgres, claim: &Claim) -> Result<Option<Stored>, StoreError> {
    let scope: &[u8] = &claim.scope;
    let Some(row) = db.query_opt(FIND_POSTGRES, &[&scope]).await? else {
        return Ok(None);
    };
    let status: i32 = row.get(1);
    let status = u16::try_from(status)
        .map_err(|error| StoreError::corrupt("idempotency", "status", format!("{scope:02x?}"), error))?;
    Ok(Some(Stored { fingerprint: row.get(0), status, body: row.get(2), subject: row.get(3), version: row.get(4) }))
}

/// Deletes up to `limit` records that expired before `now`; returns how many.
///
/// # Errors
/// `Unavailable`.
pub async fn sweep(database: &Database, now: Timestamp, limit: i64) -> Result<u64, StoreError> {
    match database {
        Database::Sqlite(db) => db.write(move |connection| Ok(connection.execute(SWEEP, [now.0, limit])? as u64)).await,
        Database::Postgres(db) => db.execute(SWEEP, &[&now.0, &limit]).await,
    }
}
