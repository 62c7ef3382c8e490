//! API v2.

mod accounts;
mod me;
mod problems;
mod products;
mod recovery;
mod sessions;
mod users;
