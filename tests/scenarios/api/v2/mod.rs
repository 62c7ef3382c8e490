//! API v2.

mod accounts;
mod batches;
mod categories;
mod erasure;
mod finding;
mod idempotency;
mod inventory;
pub mod jobs;
mod lists;
mod me;
mod off_sale;
mod own_lists;
mod passwords;
mod problems;
mod products;
mod products_edit;
mod products_write;
mod recovery;
mod reservations;
pub mod round_trip;
mod sellers;
mod sessions;
mod tokens;
mod usernames;
mod users;
mod variants;
