//! Schema changes: plain SQL, embedded, in order, each applied once. They must suit the previous release too.

use super::StoreError;

/// One step; `version` counts from 1 without gaps.
pub struct Migration {
    pub version: i64,
    pub name: &'static str,
    pub sql: &'static str,
}

/// The steps of one service, in both dialects, under the same versions.
pub struct Migrations {
    pub sqlite: &'static [Migration],
    pub postgres: &'static [Migration],
}

/// Tables that every service database has: the event log and the idempotency records.
pub const COMMON_SQLITE: &str = include_str!("common.sqlite.sql");
/// As [`COMMON_SQLITE`], for PostgreSQL.
pub const COMMON_POSTGRES: &str = include_str!("common.postgres.sql");
/// The table of jobs, which every service database has too.
pub const JOBS_SQLITE: &str = include_str!("jobs.sqlite.sql");
/// As [`JOBS_SQLITE`], for PostgreSQL.
pub const JOBS_POSTGRES: &str = include_str!("jobs.postgres.sql");

/// The steps after `applied`.
///
/// # Errors
/// `Migration` when the database is ahead of this binary.
pub(super) fn pending(
    steps: &'static [Migration],
    applied: i64,
    database: &str,
) -> Result<&'static [Migration], StoreError> {
    let known = steps.last().map_or(0, |step| step.version);
    if applied > known {
        return Err(StoreError::Migration(format!(
            "{database} has schema version {applied}, this binary knows {known}: start the newer release"
        )));
    }
    Ok(steps.get(usize::try_from(applied).unwrap_or(0)..).unwrap_or_default())
}

pub(super) fn refuse_pending(missing: &[Migration], database: &str) -> Result<(), StoreError> {
    match missing.first() {
        None => Ok(()),
        Some(step) => Err(StoreError::Migration(format!(
            "{database} lacks migration {} ({}): run `primetrade migrate`, or start without --no-migrate",
            step.version, step.name
        ))),
    }
}
