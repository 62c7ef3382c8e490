//! Starts the real binary on a topology of choice, in one line, and talks to it as a client would.
//!
//! Everything that a test process starts (servers, the PostgreSQL cluster, their folders) is gone when the process ends,
//! even by `kill -9`: see [`watchdog`].

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "the harness of a test fails as tests do: by a panic that says what went wrong"
)]

pub mod client;
pub mod clock;
pub mod contract;
pub mod metrics;
mod output;
pub mod postgres;
mod process;
pub mod recorder;
pub mod server;
pub mod store;
pub mod strace;
pub mod tls;
pub mod wait;
mod watchdog;

pub use client::{Client, Response, is_refused, raw, raw_in_parts};
pub use output::Outcome;
pub use postgres::free_port;
pub use process::{binary, previous};
pub use server::{Deployment, Running, Server, Topology};
pub use wait::{PATIENCE, eventually};

/// Makes two tests of each scenario, one per database: `on_sqlite::name` and `on_postgres::name`. A scenario is a function
/// that takes a [`Topology`]; one that is not listed is reported by the compiler as never used.
#[macro_export]
macro_rules! on_both {
    ($($scenario:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[test] fn $scenario() { super::$scenario($crate::Topology::Sqlite) })+
        }
        mod on_postgres {
            $(#[test] fn $scenario() { super::$scenario($crate::Topology::Postgres) })+
        }
    };
}

/// As [`on_both`], and `on_split::name`, on a cluster.
#[macro_export]
macro_rules! on_each {
    ($($scenario:ident),+ $(,)?) => {
        $crate::on_both!($($scenario),+);
        mod on_split {
            $(#[test] fn $scenario() { super::$scenario($crate::Topology::Split) })+
        }
    };
}
