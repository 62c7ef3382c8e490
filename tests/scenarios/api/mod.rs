//! The public listener, filed by URL.

mod alike;
mod api_docs;
mod authorization;
mod connections;
mod cors;
mod examples;
mod framing;
mod health;
mod log_in_limits;
mod proxies;
mod unknown;
mod v1;
pub mod v2;
