//! User administration. Owns no accounts: it reads and changes them through auth, and products through the catalogue. It keeps what it
//! makes of their events.

pub mod erasure;
pub mod jobs;
pub mod off_sale;
mod projection;
mod projections;
pub mod routes;

pub use projection::DeclaredProjection;
pub use projections::{MIGRATIONS, PROJECTIONS};
pub use routes::{Endpoints, V2Job, api, described};
