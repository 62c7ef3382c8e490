//! User administration. Owns no accounts: it reads and changes them through auth, and products through the catalogue.

pub mod erasure;
mod jobs;
pub mod routes;

pub use jobs::Desks;
pub use routes::{api, described};
