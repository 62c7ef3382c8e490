//! The outside world, one module each: databases, HTTP, services in other processes, idempotency, logs. Services build on it and never reach around it.

pub mod client;
pub mod files;
pub mod keys;
pub mod scan;
pub mod scope;
pub mod tasks;
pub mod telemetry;
pub mod trace_context;

mod context;
mod request_id;

pub use context::{Context, random_u64};
pub use request_id::{REQUEST_ID, RequestId};

/// What this process is called in databases and lock files: whoever reads it finds the process.
pub fn process_name() -> String {
    format!("{}:{}", rustix::system::uname().nodename().to_string_lossy(), std::process::id())
}
