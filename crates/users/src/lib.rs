//! User administration. Owns no accounts: it reads and changes them through auth, and products through the catalogue.

pub mod erasure;
pub mod jobs;
pub mod off_sale;
pub mod routes;

pub use routes::{Endpoints, V2Job, api, described};
