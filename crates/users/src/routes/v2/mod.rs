//! User administration as API v2 shows it.

pub mod products;
