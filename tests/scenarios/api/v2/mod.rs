//! API v2, as far as it exists.

mod categories;
mod lists;
mod own_lists;
mod problems;
mod products;
