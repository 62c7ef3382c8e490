//! Stock: the units of variants, their ledger, and reservations of them. A part of the service `products`, in whose database its tables
//! are; the catalogue builds on it.

pub mod events;
pub mod model;
pub mod routes;
mod service;
pub mod store;

pub use service::{Difference, StockService, refused, store_refused};
