//! One process of a deployment: its settings, its roles, their databases, joined.

pub mod about;
pub mod app;
pub mod config;
mod data;
mod deps;
mod gateway;
mod mail_sink;
pub mod place;
pub mod role;
pub mod roles;
pub mod stores;
pub mod tls;

pub use deps::{Purpose, upstream_settings};

/// A failure, in words for the operator.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
