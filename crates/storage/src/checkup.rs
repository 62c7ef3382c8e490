//! A look at the database of one service, for `primetrade doctor` and for whoever is about to open it. No database is made or changed
//! by it, nor any process held up.

use std::collections::HashSet;

use super::belonging::Belonging;
use super::migrate::{self, Addition, Migration};

/// What was found.
#[derive(Debug)]
pub struct Checkup {
    /// Where it is and what answers there, without a password.
    pub place: String,
    pub schema: Schema,
    pub store: Belonging,
    /// Whether its event log has anything in it.
    pub written: bool,
    /// Why it cannot be written to, if it cannot.
    pub read_only: Option<String>,
    pub kind: Kind,
}

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// What whoever opens it has to know. A SQLite file's log may be tidied up, as by anybody who opens it.
    Quick,
    /// Each page of a file too, as far as a second goes. Not even a file's log is touched.
    Thorough,
}

/// What is known of one kind of database only.
#[derive(Debug)]
pub enum Kind {
    /// A file; `integrity` is none if it is not there yet, or was not asked for.
    Sqlite {
        free: Option<u64>,
        integrity: Option<Integrity>,
    },
    Postgres(Account),
}

/// Who we are on a PostgreSQL server.
#[derive(Debug)]
pub struct Account {
    pub name: String,
    pub superuser: bool,
    /// Whether it may make and change tables.
    pub may_migrate: bool,
    /// Connections that the server takes at most, of all who use it.
    pub max_connections: i64,
    /// Microseconds by which the clock of this machine is ahead of the server's.
    pub clock_ahead: i64,
}

/// Whether a file is whole.
#[derive(Debug)]
pub enum Integrity {
    Whole,
    Damaged(String),
    /// There was no time to read all of it.
    Unfinished,
}

/// How far the migrations were applied.
#[derive(Debug, PartialEq, Eq)]
pub enum Schema {
    /// None was.
    Empty,
    /// These are missing: number and name.
    Pending(Vec<String>),
    /// All were, up to this version.
    Current(i64),
    /// It is of a release that comes after this one.
    Newer { applied: i64, known: i64 },
    /// The account may not read how far: see [`Checkup::read_only`].
    Hidden,
}

impl Schema {
    pub(super) fn of(migrations: &Steps<'_>, applied: i64, additions: &HashSet<String>) -> Self {
        let steps = migrations.numbered;
        let added = || migrate::missing(migrations.additions, additions).map(|addition| addition.name.to_owned());
        let known = steps.last().map_or(0, |step| step.version);
        match applied {
            0 => Schema::Empty,
            newer if newer > known => Schema::Newer { applied: newer, known },
            current if current == known && added().next().is_none() => Schema::Current(current),
            older => {
                let missing = steps.iter().filter(|step| step.version > older);
                Schema::Pending(
                    missing.map(|step| format!("{} ({})", step.version, step.name)).chain(added()).collect(),
                )
            }
        }
    }
}

/// What a release knows of a schema.
#[derive(Clone, Copy)]
pub(super) struct Steps<'a> {
    pub numbered: &'a [Migration],
    pub additions: &'a [Addition],
}
