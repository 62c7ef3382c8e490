//! Requests to other processes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus::{Histogram, HistogramOpts, HistogramVec};

use super::http::{BUCKETS, method_word};
use super::{New, must};

/// The error of a request that got no answer.
pub const NO_ANSWER: &str = "_OTHER";

pub struct Calls {
    durations: HistogramVec,
}

/// The series of one server that a thread has met; few, so a list.
type Series = Vec<((&'static str, Option<StatusCode>), Histogram)>;

thread_local! {
    /// As those of our own routes.
    static MET: RefCell<HashMap<Box<str>, Series>> = RefCell::default();
}

impl Calls {
    pub(super) fn new(new: &New) -> Self {
        let name = "http_client_request_duration_seconds";
        let durations = HistogramOpts::new(name, "Time until another process has answered.").buckets(BUCKETS.to_vec());
        let labels = ["http_request_method", "server_address", "http_response_status_code", "error_type"];
        Self { durations: new.registered(must(HistogramVec::new(durations, &labels))) }
    }

    /// `server` is one of the settings' own, `status` is missing where no answer came.
    pub fn record(&self, method: &Method, server: &str, status: Option<StatusCode>, took: Duration) {
        let answer = (method_word(method), status);
        MET.with_borrow_mut(|met| {
            let known = met.get(server).and_then(|series| series.iter().find(|(known, _)| *known == answer));
            if let Some((_, histogram)) = known {
                return histogram.observe(took.as_secs_f64());
            }
            let status = status.as_ref().map_or("", StatusCode::as_str);
            let error = match answer.1 {
                None => NO_ANSWER,
                Some(answered) if answered.as_u16() >= 400 => status,
                Some(_) => "",
            };
            let histogram = self.durations.with_label_values(&[answer.0, server, status, error]);
            histogram.observe(took.as_secs_f64());
            met.entry(server.into()).or_default().push((answer, histogram));
        });
    }
}
