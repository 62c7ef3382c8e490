//! Which store a database belongs to. Every service's database carries the id of its store, and the services whose databases that
//! store has: so one that is missing, empty or of another store is not taken for a new shop.

use std::collections::BTreeSet;

use kernel::Uuid;

use super::migrate::Addition;

/// The tables, which every service's database has.
pub const STORE: Addition =
    Addition::new("store", include_str!("belonging.sqlite.sql"), include_str!("belonging.postgres.sql"));

pub(super) const ID: &str = "select id from store";
pub(super) const SERVICES: &str = "select service from store_services";
pub(super) const SET_ID: &str = "insert into store (id) values ($1) on conflict do nothing";
pub(super) const ADD_SERVICE: &str = "insert into store_services values ($1) on conflict do nothing";

/// What a database says of its store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub id: Uuid,
    /// Those whose databases the store has.
    pub services: BTreeSet<String>,
}

/// What can be seen of a database's mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Belonging {
    /// It has none: it is new, or no release has served it that gives one.
    Unmarked,
    Marked(Mark),
    /// The account may not read it.
    Hidden,
}

impl Belonging {
    pub fn mark(&self) -> Option<&Mark> {
        match self {
            Belonging::Marked(mark) => Some(mark),
            Belonging::Unmarked | Belonging::Hidden => None,
        }
    }
}
