//! User administration. Owns no accounts: it reads and changes them through auth, and products through the catalogue.

pub mod erasure;
pub mod jobs;
pub mod routes;

pub use routes::{V2Job, api, described};
