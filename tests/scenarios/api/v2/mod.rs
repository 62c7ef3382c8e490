//! API v2, as far as it exists.

mod idempotency;
mod problems;
mod products;
mod products_edit;
mod products_write;
mod variants;
