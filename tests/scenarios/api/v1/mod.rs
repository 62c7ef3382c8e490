//! API v1, line by line of its contract.

mod auth;
mod bodies;
mod products;
mod tokens;
mod users;
