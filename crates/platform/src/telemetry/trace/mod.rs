//! Traces: what a request is a part of, told to whom we ask, and recorded for a collector if there is one.
//!
//! Recording is a try to put a small value into a bounded queue; what finds no place is dropped and counted. Of a request that is
//! not recorded, only its ids are made.
//!
//! Written by hand: OpenTelemetry's own crates would add a dozen others, hold spans in maps, export from a thread that blocks,
//! and do not tell how many spans they dropped. What we need of them is one documented JSON object.

mod context;
mod export;
mod otlp;
mod outgoing;
mod span;

use std::sync::{Arc, OnceLock};

pub use context::{Sender, SpanId, TraceContext, TraceId};
pub use export::{Collector, Refused, flush};
pub use outgoing::Outgoing;
pub use span::{record_job, record_operation, record_request, record_shared_write};

use export::Tracer;

/// Which share of the traces that begin here is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SampleRatio {
    millionths: u64,
}

impl SampleRatio {
    /// From 0, none, to 1, all.
    pub fn new(share: f64) -> Option<Self> {
        (0.0..=1.0).contains(&share).then(|| Self { millionths: (share * 1e6).round() as u64 })
    }

    /// Whether `random` is among them.
    fn takes(self, random: u64) -> bool {
        random % 1_000_000 < self.millionths
    }
}

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
    TRACER.get_or_init(|| Tracer::start(service, collector, ratio));
}

/// Whether we record a trace that nobody trusted has decided about. By chance and not by its id, which strangers can choose.
fn sample() -> bool {
    tracer().is_some_and(|tracer| tracer.ratio.takes(crate::context::random_u64().unwrap_or(u64::MAX)))
}
