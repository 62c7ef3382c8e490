//! What `/metrics` tells, by the names of OpenTelemetry's conventions and, for what is ours, `primetrade_`. Recording is a few
//! atomic additions: whatever has labels is resolved beforehand, and labels are words that the code knows, never what came in.

mod http;
mod process;

use std::sync::LazyLock;

use prometheus::core::Collector;
use prometheus::{IntCounter, IntGaugeVec, Opts, Registry, TextEncoder};

pub use http::{Http, UNMATCHED, route};

/// The media type of [`Metrics::text`].
pub const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// The counts of this process. Like its log, they are one, whatever part of it speaks.
pub fn metrics() -> &'static Metrics {
    &METRICS
}

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    build: IntGaugeVec,
    target: IntGaugeVec,
    pub http: Http,
    pub panics: IntCounter,
}

impl Metrics {
    fn new() -> Self {
        let new = New(Registry::new());
        new.registered(process::Process::new());
        let build = Opts::new("primetrade_build_info", "What this binary was built of.");
        let target = Opts::new("target_info", "What is measured, in OpenTelemetry's words.");
        Self {
            build: new.registered(must(IntGaugeVec::new(build, &["version", "revision"]))),
            target: new.registered(must(IntGaugeVec::new(target, &["service_name", "service_version"]))),
            http: Http::new(&new),
            panics: new.counter("primetrade_panics_total", "Panics that were caught."),
            registry: new.0,
        }
    }

    /// Tells which binary this is.
    pub fn describe(&self, version: &str, revision: &str) {
        self.build.with_label_values(&[version, revision]).set(1);
        self.target.with_label_values(&["primetrade", version]).set(1);
    }

    /// All of it in Prometheus' text format.
    pub fn text(&self) -> String {
        let text = TextEncoder::new().encode_to_string(&self.registry.gather());
        text.unwrap_or_else(|error| {
            tracing::error!(event = "metrics.failed", %error, "the metrics could not be written");
            String::new()
        })
    }
}

/// Makes what is counted, and registers it.
struct New(Registry);

impl New {
    fn registered<C: Collector + Clone + 'static>(&self, collector: C) -> C {
        must(self.0.register(Box::new(collector.clone())));
        collector
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.registered(must(IntCounter::new(name, help)))
    }
}

/// Names and labels are constants: each of them is made by every process that starts, so one that is wrong or there twice fails
/// every test.
#[expect(clippy::expect_used, reason = "see above")]
fn must<T>(made: prometheus::Result<T>) -> T {
    made.expect("a metric of ours")
}

#[cfg(test)]
mod tests;
