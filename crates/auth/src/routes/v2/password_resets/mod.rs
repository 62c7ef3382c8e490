//! Another password for who forgot theirs, one file per endpoint.

pub mod confirm;
pub mod request;
