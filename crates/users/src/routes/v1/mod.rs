//! User administration as API v1 shows it.

pub mod get;
pub mod list;
