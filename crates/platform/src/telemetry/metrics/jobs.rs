//! Jobs, by their queue.

use prometheus::{Gauge, GaugeVec, IntCounterVec, IntGauge, IntGaugeVec, Opts};

use super::{Counts, New, Ran, must};

pub struct Jobs {
    attempts: IntCounterVec,
    pending: IntGaugeVec,
    parked: IntGaugeVec,
    oldest_due_age: GaugeVec,
}

/// What is told of one queue.
pub struct JobSeries {
    pub outcomes: Counts<Ran>,
    /// Set when somebody looks, as all processes that work on the queue see them.
    pub pending: IntGauge,
    pub parked: IntGauge,
    pub oldest_due_age_seconds: Gauge,
}

impl Jobs {
    pub(super) fn new(new: &New) -> Self {
        let queue = &["queue"];
        Self {
            attempts: new.counters("primetrade_jobs_total", "Attempts at jobs.", &["queue", "outcome"]),
            pending: new.gauges("primetrade_jobs_pending", "Jobs of all processes that wait or are worked on.", queue),
            parked: new.gauges("primetrade_jobs_parked", "Jobs of all processes that failed too often.", queue),
            oldest_due_age: new.registered(must(GaugeVec::new(
                Opts::new(
                    "primetrade_jobs_oldest_due_age_seconds",
                    "How long the first job has been due, zero without.",
                ),
                queue,
            ))),
        }
    }

    pub fn queue(&self, name: &'static str) -> JobSeries {
        JobSeries {
            outcomes: Counts::new(|outcome| self.attempts.with_label_values(&[name, outcome])),
            pending: self.pending.with_label_values(&[name]),
            parked: self.parked.with_label_values(&[name]),
            oldest_due_age_seconds: self.oldest_due_age.with_label_values(&[name]),
        }
    }
}
