//! Black-box scenarios: the real binary over HTTP, signals, files and commands, each on SQLite and on PostgreSQL.
//!
//! Those of the API are filed by URL. `cargo scenarios on_sqlite` runs one topology, `cargo scenarios api::v1` one
//! part.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do: by a panic that says what went wrong"
)]

mod api;
mod catalogue;
mod cluster;
mod commands;
mod mails;
mod operation;
mod people;
mod plain;
mod previous;
mod random;
mod selling;
mod stock;
mod tls;
mod v1;
mod v2;
