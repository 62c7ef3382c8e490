//! API v2.

mod accounts;
mod idempotency;
mod me;
mod problems;
mod products;
mod products_edit;
mod products_write;
mod recovery;
mod sessions;
mod users;
mod variants;
