//! API v2, as far as it exists.

mod problems;
mod products;
