//! The catalogue: products, their variants and stock. Owns the database `products`.

mod catalogue;
pub mod demo;
mod events;
pub mod imports;
mod lists;
pub mod model;
pub mod routes;
mod service;
mod store;

pub use catalogue::{Catalogue, Exported, ProductSummary, Remote, internal_routes};
pub use lists::{Category, Count};
pub use routes::{api, described};
pub use service::{ARCHIVE, Archive, Products, RepeatedSku};
pub use stock::model::OffSale;
pub use store::MIGRATIONS;
