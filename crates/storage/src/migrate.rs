//! Schema changes: plain SQL, embedded, in order, each applied once. They must suit the previous release too.
//!
//! A numbered [`Migration`] ends the use of older releases: they refuse a schema with a number that they do not know. An
//! [`Addition`] has no number: releases that do not know it start on the same database, and serve beside those that do.

use std::collections::HashSet;

use super::StoreError;

/// One step; `version` counts from 1 without gaps.
pub struct Migration {
    pub version: i64,
    pub name: &'static str,
    pub sql: &'static str,
}

/// A step that older releases need not know: tables, indexes, and columns that may be left out of an insert. Additions follow all
/// numbered steps, in their order.
pub struct Addition {
    pub name: &'static str,
    pub sqlite: AddedSql,
    pub postgres: AddedSql,
}

/// What an addition does on one database.
pub struct AddedSql {
    pub every_store: &'static str,
    /// What it does besides on a store that is being made. Stores of before keep what their owners rely on.
    pub new_store: &'static str,
}

/// The steps of one service, in both dialects, under the same versions.
pub struct Migrations {
    pub sqlite: &'static [Migration],
    pub postgres: &'static [Migration],
    pub additions: &'static [Addition],
}

/// Where the names of applied additions are kept.
pub(super) const CREATE_ADDITIONS: &str = "create table if not exists schema_additions (name text primary key)";
pub(super) const ADDITIONS: &str = "select name from schema_additions";
pub(super) const RECORD_ADDITION: &str = "insert into schema_additions values ($1)";

impl Addition {
    /// One that does the same on every store: its SQL for SQLite, and for PostgreSQL.
    pub const fn new(name: &'static str, sqlite: &'static str, postgres: &'static str) -> Self {
        Self { name, sqlite: AddedSql::always(sqlite), postgres: AddedSql::always(postgres) }
    }
}

impl AddedSql {
    const fn always(every_store: &'static str) -> Self {
        Self { every_store, new_store: "" }
    }

    /// The statements for a store, which is being made or was there.
    pub(super) fn statements(&self, is_new: bool) -> impl Iterator<Item = &'static str> {
        [self.every_store, self.new_store].into_iter().take(if is_new { 2 } else { 1 })
    }
}

/// The additions that are not applied.
pub(super) fn missing<'a>(additions: &'a [Addition], applied: &HashSet<String>) -> impl Iterator<Item = &'a Addition> {
    additions.iter().filter(|addition| !applied.contains(addition.name))
}

/// What a database says of a step that failed.
pub(super) fn failed(database: &str, step: &str, why: impl std::fmt::Display) -> StoreError {
    StoreError::Migration(format!("{database}: migration {step}: {why}"))
}

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

pub(super) fn refuse_pending(
    steps: &'static [Migration],
    additions: &'static [Addition],
    applied: (i64, &HashSet<String>),
    database: &str,
) -> Result<(), StoreError> {
    let (version, names) = applied;
    let step = pending(steps, version, database)?.first().map(|step| format!("{} ({})", step.version, step.name));
    match step.or_else(|| missing(additions, names).next().map(|addition| addition.name.to_owned())) {
        None => Ok(()),
        Some(step) => Err(StoreError::Migration(format!(
            "{database} lacks migration {step}: run `primetrade migrate`, or start without --no-migrate"
        ))),
    }
}
