//! Traces: what a request is a part of, told to whom we ask, and recorded for a collector if there is one.
//!
//! Recording is a try to put a small value into a bounded queue; what finds no place is dropped and counted. Of a request that is
//! not recorded, only its ids are made.
//!
//! Written by hand: OpenTelemetry's own crates would add a dozen others, hold spans in maps, export from a thread that blocks,
//! and do not tell how many spans they dropped. What we need of them is one documented JSON object.

mod export;
mod otlp;
mod outgoing;
mod span;

use std::sync::{Arc, OnceLock};

pub use export::{Collector, Refused, flush};
pub use outgoing::Outgoing;
pub use span::{record_job, record_operation, record_request, record_shared_write};

use export::Tracer;

use crate::trace_context::{self, SampleRatio};

/// Who records.
#[derive(Debug, Clone)]
pub struct Service {
    /// `primetrade`, or with its role: `primetrade-auth`.
    pub name: Arc<str>,
    pub version: &'static str,
}

/// Like its log and its metrics, they are one for the process.
static TRACER: OnceLock<Tracer> = OnceLock::new();

fn tracer() -> Option<&'static Tracer> {
    TRACER.get()
}

/// Starts recording for a collector, on the current runtime. Only the first call counts.
pub fn start(service: Service, collector: impl Collector, ratio: SampleRatio) {
    TRACER.get_or_init(|| {
        trace_context::sample(ratio);
        Tracer::start(service, collector)
    });
}
