//! Jobs, by their queue.

use prometheus::{IntCounterVec, IntGauge, IntGaugeVec};

use super::{Counts, New, Ran};

pub struct Jobs {
    attempts: IntCounterVec,
    pending: IntGaugeVec,
    parked: IntGaugeVec,
}

/// What is told of one queue.
pub struct JobSeries {
    pub outcomes: Counts<Ran>,
    /// Set when somebody looks, as all processes that work on the queue see them.
    pub pending: IntGauge,
    pub parked: IntGauge,
}

impl Jobs {
    pub(super) fn new(new: &New) -> Self {
        let queue = &["queue"];
        Self {
            attempts: new.counters("primetrade_jobs_total", "Attempts at jobs.", &["queue", "outcome"]),
            pending: new.gauges("primetrade_jobs_pending", "Jobs that wait or are worked on.", queue),
            parked: new.gauges("primetrade_jobs_parked", "Jobs that failed too often, until they are replayed.", queue),
        }
    }

    pub fn queue(&self, name: &'static str) -> JobSeries {
        JobSeries {
            outcomes: Counts::new(|outcome| self.attempts.with_label_values(&[name, outcome])),
            pending: self.pending.with_label_values(&[name]),
            parked: self.parked.with_label_values(&[name]),
        }
    }
}
