//! Stored answers of idempotency keys, in the database of the change that they answer for.

use kernel::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::StoreError;
use super::postgres::{Postgres, Transaction};
use crate::idempotency::{Answered, Claim, Stored};

/// The rule that refuses a second claim, named alike on both databases.
pub const CONFLICT: &str = "idempotency.scope";

const INSERT: &str = "insert into idempotency (scope, fingerprint, status, body, subject, version, expires_at) \
    values ($1, $2, $3, $4, $5, $6, $7)";
const FIND: &str =
    "select fingerprint, status, body, subject, version from idempotency where scope = $1 and expires_at > $2";
const FORGET: &str = "delete from idempotency where scope = $1 and expires_at <= $2";
const SWEEP: &str = "delete from idempotency where scope in \
    (select scope from idempotency where expires_at <= $1 order by expires_at limit $2)";

/// Stores the answer in the transaction of its effect.
///
/// # Errors
/// `Conflict` on [`CONFLICT`] when the key was claimed meanwhile.
pub fn claim_sqlite(connection: &Connection, answered: Option<&Answered>) -> Result<(), StoreError> {
    let Some(a) = answered else { return Ok(()) };
    connection.prepare_cached(FORGET)?.execute(params![a.claim.scope, a.claim.now.0])?;
    let values = params![
        a.claim.scope,
        a.claim.fingerprint,
        a.status,
        a.stored_body(),
        a.subject,
        a.version,
        a.claim.expires_at().0
    ];
    connection.prepare_cached(INSERT)?.execute(values)?;
    Ok(())
}

/// As [`claim_sqlite`]. A claim that another transaction holds is a conflict at once, never a wait.
///
/// # Errors
/// As [`claim_sqlite`].
pub async fn claim_postgres(transaction: &mut Transaction<'_>, answered: Option<&Answered>) -> Result<(), StoreError> {
    let Some(a) = answered else { return Ok(()) };
    let locked = transaction.query("select pg_try_advisory_xact_lock($1)", &[&a.claim.lock_key()]).await?;
    if !locked.first().is_some_and(|row| row.get(0)) {
        return Err(StoreError::Conflict(CONFLICT.into()));
    }
    let scope: &[u8] = &a.claim.scope;
    let fingerprint: &[u8] = &a.claim.fingerprint;
    transaction.query(FORGET, &[&scope, &a.claim.now.0]).await?;
    let values: super::postgres::Params<'_> = &[
        &scope,
        &fingerprint,
        &i32::from(a.status),
        &a.stored_body(),
        &a.subject,
        &a.version,
        &a.claim.expires_at().0,
    ];
    transaction.query(INSERT, values).await.map(drop)
}

pub(super) fn find_sqlite(connection: &Connection, claim: &Claim) -> Result<Option<Stored>, StoreError> {
    let mut statement = connection.prepare_cached(FIND)?;
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

pub(super) async fn find_postgres(db: &Postgres, claim: &Claim) -> Result<Option<Stored>, StoreError> {
    let scope: &[u8] = &claim.scope;
    let Some(row) = db.query_opt(FIND, &[&scope, &claim.now.0]).await? else {
        return Ok(None);
    };
    let status: i32 = row.get(1);
    let status = u16::try_from(status)
        .map_err(|error| StoreError::corrupt("idempotency", "status", format!("{scope:02x?}"), error))?;
    Ok(Some(Stored { fingerprint: row.get(0), status, body: row.get(2), subject: row.get(3), version: row.get(4) }))
}

pub(super) fn sweep_sqlite(connection: &Connection, now: Timestamp, limit: i64) -> Result<u64, StoreError> {
    Ok(connection.execute(SWEEP, [now.0, limit])? as u64)
}

pub(super) async fn sweep_postgres(db: &Postgres, now: Timestamp, limit: i64) -> Result<u64, StoreError> {
    Ok(db.connection().await?.execute(SWEEP, &[&now.0, &limit]).await?)
}
