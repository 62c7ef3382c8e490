//! Products and their variants: what they are, how they are edited, and where they are kept.

pub mod events;
pub mod model;
pub mod routes;
mod service;
pub mod store;

#[cfg(test)]
pub(crate) use service::tests;
pub use service::{Item, Outcome, Products, RenderBatch, RepeatedSku};
