//! The catalogue: products, their variants and stock. Owns the database `products`.

pub mod demo;
mod events;
pub mod import;
pub mod model;
pub mod routes;
mod service;
mod store;
mod upsert;

pub use routes::{api, described};
pub use service::{Caller, Products};
pub use store::{ActiveQuery, MIGRATIONS, PageQuery};
pub use upsert::Outcome;
