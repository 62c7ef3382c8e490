//! Requests to services in other processes.

use std::sync::OnceLock;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts};

use super::http::{BUCKETS, method_word};
use super::{New, must};

/// What is counted of them.
pub struct Clients {
    durations: HistogramVec,
    breakers: IntGaugeVec,
    exhausted: IntCounterVec,
}

/// How a request ended: with a status, or with a word of ours for what went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Answered(StatusCode),
    Failed(&'static str),
}

impl Clients {
    pub(super) fn new(new: &New) -> Self {
        let durations = HistogramOpts::new(
            "http_client_request_duration_seconds",
            "Time from sending a request to the head of its answer.",
        );
        let labels = ["http_request_method", "server_address", "http_response_status_code", "error_type"];
        let breakers = Opts::new("primetrade_circuit_breaker_state", "0 closed, 1 half-open, 2 open.");
        Self {
            durations: new.registered(must(HistogramVec::new(durations.buckets(BUCKETS.to_vec()), &labels))),
            breakers: new.registered(must(IntGaugeVec::new(breakers, &["dependency"]))),
            exhausted: new.counters(
                "primetrade_retry_budget_exhausted_total",
                "Calls that were not tried again, for too many were.",
                &["dependency"],
            ),
        }
    }

    /// `address` is one of those that are configured.
    pub fn server(&self, address: &str) -> Server {
        Server { durations: self.durations.clone(), address: address.into(), met: Met::default() }
    }

    /// The state of the circuit breaker of a service.
    pub fn breaker(&self, dependency: &str) -> IntGauge {
        self.breakers.with_label_values(&[dependency])
    }

    /// Counts retries of a service's calls that were not made.
    pub fn retries_exhausted(&self, dependency: &str) -> IntCounter {
        self.exhausted.with_label_values(&[dependency])
    }
}

/// The series of one server, which are remembered as they are met.
pub struct Server {
    durations: HistogramVec,
    address: Box<str>,
    met: Met,
}

/// A list that only grows, so that it is read without a lock. It is short: methods, and the statuses that they get.
#[derive(Default)]
struct Met(OnceLock<Box<Entry>>);

struct Entry {
    what: (&'static str, Outcome),
    histogram: Histogram,
    next: Met,
}

impl Server {
    /// Counts one request, by what became of it.
    pub fn record(&self, method: &Method, outcome: Outcome, took: Duration) {
        let what = (method_word(method), outcome);
        let mut met = &self.met;
        loop {
            // Another thread may append what we do at the same time; then it is looked at like any other.
            let entry =
                met.0.get_or_init(|| Box::new(Entry { what, histogram: self.histogram(what), next: Met::default() }));
            if entry.what == what {
                return entry.histogram.observe(took.as_secs_f64());
            }
            met = &entry.next;
        }
    }

    fn histogram(&self, (method, outcome): (&str, Outcome)) -> Histogram {
        match outcome {
            Outcome::Answered(status) => {
                self.durations.with_label_values(&[method, &self.address, status.as_str(), ""])
            }
            Outcome::Failed(word) => self.durations.with_label_values(&[method, &self.address, "", word]),
        }
    }
}
