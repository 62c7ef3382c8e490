//! The sessions of an account, as administrators see and end them.

pub mod end;
pub mod list;
