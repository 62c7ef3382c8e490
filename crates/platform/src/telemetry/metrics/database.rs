//! Databases: how long their operations take, and what waits for a connection. A pool is named after its service; SQLite has one of
//! threads that scan and one that is its writer. Reads by key on SQLite pass by the pools: they take microseconds, on whatever
//! thread asks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus::{Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntGauge, IntGaugeVec, Opts};

use super::{New, must};

/// OpenTelemetry's for database operations, with two more below: reads of SQLite take microseconds.
const BUCKETS: [f64; 11] = [0.00005, 0.0002, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];
const POOL: &str = "db_client_connection_pool_name";

pub struct Databases {
    operations: HistogramVec,
    connections: IntGaugeVec,
    pending: IntGaugeVec,
    waits: HistogramVec,
    uses: HistogramVec,
    ahead: GaugeVec,
    pub outbox: Outbox,
}

/// The clock of one process beside that of a database.
pub struct ClockSeries {
    pub ahead_seconds: Gauge,
}

/// Events of all services that have no position yet. On SQLite there are none.
pub struct Outbox {
    pub pending_events: IntGauge,
    pub oldest_age_seconds: Gauge,
}

impl Databases {
    pub(super) fn new(new: &New) -> Self {
        let histogram = |name: &str, help: &str, labels: &[&str]| {
            let options = HistogramOpts::new(name, help).buckets(BUCKETS.to_vec());
            new.registered(must(HistogramVec::new(options, labels)))
        };
        let pending_events = IntGauge::new("primetrade_outbox_pending_events", "Events without a position yet.");
        let oldest =
            Gauge::new("primetrade_outbox_oldest_event_age_seconds", "Age of the oldest of them, zero without.");
        Self {
            operations: histogram(
                "db_client_operation_duration_seconds",
                "Time of a database operation, waiting for a connection left out.",
                &["db_system_name", "db_namespace", "db_operation_name"],
            ),
            connections: new.gauges("db_client_connection_count", "Connections in pools.", &["state", POOL]),
            pending: new.gauges("db_client_connection_pending_requests", "What waits for a connection.", &[POOL]),
            waits: histogram("db_client_connection_wait_time_seconds", "Time until a connection was there.", &[POOL]),
            uses: histogram("db_client_connection_use_time_seconds", "Time until it was given back.", &[POOL]),
            ahead: new.registered(must(GaugeVec::new(
                Opts::new(
                    "primetrade_clock_ahead_seconds",
                    "By how much this machine's clock is ahead of the database's; with SQLite, of where it was before it leapt.",
                ),
                &["database"],
            ))),
            outbox: Outbox {
                pending_events: new.registered(must(pending_events)),
                oldest_age_seconds: new.registered(must(oldest)),
            },
        }
    }

    /// `namespace` is the service.
    pub fn operation(&self, system: &'static str, namespace: &'static str, name: &'static str) -> Operation {
        let durations = self.operations.with_label_values(&[system, namespace, name]);
        Operation { system, namespace, name, durations }
    }

    /// That of a service's database.
    pub fn clock(&self, service: &str) -> ClockSeries {
        ClockSeries { ahead_seconds: self.ahead.with_label_values(&[service]) }
    }

    pub fn pool(&self, name: &str) -> Arc<Pool> {
        Arc::new(Pool {
            idle: self.connections.with_label_values(&["idle", name]),
            used: self.connections.with_label_values(&["used", name]),
            pending: self.pending.with_label_values(&[name]),
            wait: self.waits.with_label_values(&[name]),
            usage: self.uses.with_label_values(&[name]),
        })
    }
}

/// What is done with a database, as its series and its spans are named.
pub struct Operation {
    pub system: &'static str,
    pub namespace: &'static str,
    pub name: &'static str,
    durations: Histogram,
}

impl Operation {
    pub fn observe(&self, took: Duration) {
        self.durations.observe(took.as_secs_f64());
    }
}

/// What is told of one pool.
pub struct Pool {
    /// Set when somebody looks.
    pub idle: IntGauge,
    pub used: IntGauge,
    pending: IntGauge,
    wait: Histogram,
    usage: Histogram,
}

/// Counts one request for a connection as waiting, until dropped.
pub struct Waiting(Arc<Pool>, Instant);

/// Counts one connection as used, until dropped.
pub struct Used(Arc<Pool>, Instant);

impl Pool {
    pub fn waiting(self: &Arc<Self>) -> Waiting {
        self.pending.inc();
        Waiting(Arc::clone(self), Instant::now())
    }

    pub fn used(self: &Arc<Self>) -> Used {
        self.used.inc();
        Used(Arc::clone(self), Instant::now())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.pending.dec();
        self.0.wait.observe(self.1.elapsed().as_secs_f64());
    }
}

impl Drop for Used {
    fn drop(&mut self) {
        self.0.used.dec();
        self.0.usage.observe(self.1.elapsed().as_secs_f64());
    }
}
