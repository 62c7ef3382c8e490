//! API v2.

mod accounts;
mod categories;
mod lists;
mod me;
mod own_lists;
mod problems;
mod products;
mod recovery;
mod sessions;
mod users;
