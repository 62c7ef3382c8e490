//! The catalogue: products, their variants and lists of them, and import from files. Owns the database `products`.

pub mod catalogue;
pub mod demo;
pub mod imports;
mod lists;
mod migrations;
mod peer;
mod routes;
mod sellers;

pub use catalogue::{Products, RepeatedSku};
pub use lists::{Category, Count, Lists};
pub use migrations::MIGRATIONS;
pub use peer::{Catalogue, Exported, ProductSummary, Remote, internal_routes};
pub use routes::{api, described};
pub use sellers::archive::{ARCHIVE, Archive};
