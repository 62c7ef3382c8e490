//! What `/metrics` tells, by the names of OpenTelemetry's conventions and, for what is ours, `primetrade_`. Recording is a few
//! atomic additions: whatever has labels is resolved beforehand, and labels are words that the code knows, never what came in.

mod client;
mod database;
mod http;
mod jobs;
mod process;
mod words;

use std::sync::LazyLock;

use prometheus::core::Collector;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

pub use client::{Clients, Outcome, Server};
pub use database::{ClockSeries, Databases, Operation, Pool, Used, Waiting};
pub use http::{Active, Endpoints, Http, UNMATCHED, method_word, route};
pub use jobs::{JobSeries, Jobs};
pub use words::{Counts, Decision, Idempotency, LogIn, Ran, Refresh, Reservations, Signal, Word};

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
    shed: IntCounterVec,
    pub http: Http,
    pub clients: Clients,
    pub databases: Databases,
    pub idempotency: Counts<Idempotency>,
    pub inventory: Inventory,
    pub jobs: Jobs,
    pub log_ins: Counts<LogIn>,
    pub refreshes: Counts<Refresh>,
    pub rate_limits: RateLimits,
    pub panics: IntCounter,
    /// Log lines and spans that nobody took in time.
    pub dropped: Counts<Signal>,
}

/// Stock, and what is kept of it for buyers.
pub struct Inventory {
    pub reservations: Counts<Reservations>,
    /// Units that were promised and are not there. The schema refuses them.
    pub oversold: IntGauge,
}

impl Inventory {
    fn new(new: &New) -> Self {
        let reservations = new.outcomes("primetrade_inventory_reservations_total", "What became of reservations.");
        let oversold = must(IntGauge::new("primetrade_inventory_oversold_units", "Units sold that there are not."));
        Self { reservations, oversold: new.registered(oversold) }
    }
}

/// What is decided by each policy.
pub struct RateLimits {
    pub log_in: Counts<Decision>,
    pub mail: Counts<Decision>,
}

impl Metrics {
    fn new() -> Self {
        let new = New(Registry::new());
        new.registered(process::Process::new());
        Self {
            build: new.gauges("primetrade_build_info", "What this binary was built of.", &["version", "revision"]),
            target: new.gauges(
                "target_info",
                "What is measured, in OpenTelemetry's words.",
                &["service_name", "service_version"],
            ),
            shed: new.counters("primetrade_load_shed_requests_total", "Requests refused for overload.", &["reason"]),
            http: Http::new(&new),
            clients: Clients::new(&new),
            databases: Databases::new(&new),
            idempotency: new.outcomes("primetrade_idempotency_requests_total", "Requests with an Idempotency-Key."),
            inventory: Inventory::new(&new),
            jobs: Jobs::new(&new),
            log_ins: new.outcomes("primetrade_auth_logins_total", "Log-ins."),
            refreshes: new.outcomes("primetrade_auth_refreshes_total", "Exchanges of refresh tokens."),
            rate_limits: RateLimits::new(&new),
            panics: new.counter("primetrade_panics_total", "Panics that were caught."),
            dropped: new.words(
                "primetrade_telemetry_dropped_total",
                "Log lines and spans that were dropped.",
                "signal",
            ),
            registry: new.0,
        }
    }

    /// Tells which binary this is, and as which service it runs.
    pub fn describe(&self, service: &str, version: &str, revision: &str) {
        self.build.with_label_values(&[version, revision]).set(1);
        self.target.with_label_values(&[service, version]).set(1);
    }

    /// Counts a request that was refused because too much of `what` was under way.
    pub fn shed(&self, what: &'static str) {
        self.shed.with_label_values(&[what]).inc();
    }

    /// All of it in Prometheus' text format.
    pub fn text(&self) -> String {
        let text = TextEncoder::new().encode_to_string(&self.registry.gather());
        // OpenTelemetry calls a gauge so, and promtool wants that ending for histograms alone unless the type is left open.
        let gauge = "# TYPE db_client_connection_count gauge\n";
        text.map(|text| text.replacen(gauge, &gauge.replace("gauge", "untyped"), 1)).unwrap_or_else(|error| {
            tracing::error!(event = "metrics.failed", %error, "the metrics could not be written");
            String::new()
        })
    }
}

impl RateLimits {
    fn new(new: &New) -> Self {
        let name = "primetrade_rate_limit_decisions_total";
        let all = new.counters(name, "Decisions of rate limits.", &["policy", "decision", "backend"]);
        let of = |policy| Counts::new(|decision| all.with_label_values(&[policy, decision, "process"]));
        Self { log_in: of("log-in"), mail: of("mail") }
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

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.registered(must(IntCounterVec::new(Opts::new(name, help), labels)))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.registered(must(IntGaugeVec::new(Opts::new(name, help), labels)))
    }

    fn outcomes<W: Word>(&self, name: &str, help: &str) -> Counts<W> {
        self.words(name, help, "outcome")
    }

    fn words<W: Word>(&self, name: &str, help: &str, label: &str) -> Counts<W> {
        let all = self.counters(name, help, &[label]);
        Counts::new(|word| all.with_label_values(&[word]))
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
