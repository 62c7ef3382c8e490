//! Lists in API v2, one file each.

pub mod categories;
pub mod list;
pub mod list_own;
pub mod list_query;
