//! Requests of the public listener.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use axum::extract::MatchedPath;
use axum::http::{Method, StatusCode};
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntGauge};

use super::{New, must};

/// Of <https://opentelemetry.io/docs/specs/semconv/http/http-metrics/>.
pub(super) const BUCKETS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// The route of what leads nowhere: what strangers ask for does not become a label.
pub const UNMATCHED: &str = "unmatched";

/// The route of a request as logs and metrics name it.
pub fn route(matched: Option<&MatchedPath>) -> &str {
    match matched.map(MatchedPath::as_str) {
        None => UNMATCHED,
        Some("/") => "/",
        Some(path) => path.trim_end_matches('/'),
    }
}

/// The methods that each route has.
pub type Endpoints = HashMap<Box<str>, Vec<Method>>;

pub struct Http {
    endpoints: OnceLock<Endpoints>,
    durations: HistogramVec,
    active: IntGauge,
    /// Bytes of large answers that wait to be read.
    pub unread: IntGauge,
}

/// Keeps a request counted as active until dropped, however it ends.
pub struct Active<'a>(&'a IntGauge);

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The series of one route that a thread has met; few, so a list.
type Series = Vec<((&'static str, StatusCode), Histogram)>;

thread_local! {
    /// Finding a series among all takes their lock, so each thread remembers those that it has met.
    static MET: RefCell<HashMap<Box<str>, Series>> = RefCell::default();
}

impl Http {
    pub(super) fn new(new: &New) -> Self {
        let durations =
            HistogramOpts::new("http_server_request_duration_seconds", "Time from a request's headers to its answer.")
                .buckets(BUCKETS.to_vec());
        let labels = ["http_request_method", "http_route", "http_response_status_code"];
        let active = IntGauge::new("http_server_active_requests", "Requests that are being answered.");
        let unread = IntGauge::new("primetrade_http_unread_bytes", "Bytes of large answers that wait to be read.");
        Self {
            endpoints: OnceLock::new(),
            durations: new.registered(must(HistogramVec::new(durations, &labels))),
            active: new.registered(must(active)),
            unread: new.registered(must(unread)),
        }
    }

    /// Tells which methods the routes have. Anybody can ask a route for another: that is counted as `_OTHER`, whatever answers.
    /// Routes that have none here have GET and HEAD. Only the first call counts.
    pub fn know(&self, endpoints: Endpoints) {
        // Each router of a process has the same.
        let _ = self.endpoints.set(endpoints);
    }

    /// The method as the route's series has it.
    fn word(&self, method: &Method, route: &str) -> &'static str {
        // The router answers HEAD where it answers GET.
        let asked = if *method == Method::HEAD { &Method::GET } else { method };
        let has = match self.endpoints.get().and_then(|endpoints| endpoints.get(route)) {
            Some(methods) => methods.contains(asked),
            // Nobody but our own processes gets answers there.
            None => *asked == Method::GET || route.starts_with("/internal/"),
        };
        if has { method_word(method) } else { OTHER }
    }

    pub fn begin(&self) -> Active<'_> {
        self.active.inc();
        Active(&self.active)
    }

    /// `route` is one of the router's own, see [`route`].
    pub fn record(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        // Remembered as it came: what it is counted as is looked up once.
        let answer = (method_word(method), status);
        MET.with_borrow_mut(|met| {
            let known = met.get(route).and_then(|series| series.iter().find(|(known, _)| *known == answer));
            if let Some((_, histogram)) = known {
                return histogram.observe(took.as_secs_f64());
            }
            let histogram = self.durations.with_label_values(&[self.word(method, route), route, status.as_str()]);
            histogram.observe(took.as_secs_f64());
            met.entry(route.into()).or_default().push((answer, histogram));
        });
    }
}

/// Methods that a route does not have.
const OTHER: &str = "_OTHER";

/// The methods that OpenTelemetry knows; anybody can make up others.
pub fn method_word(method: &Method) -> &'static str {
    match *method {
        Method::CONNECT => "CONNECT",
        Method::DELETE => "DELETE",
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::TRACE => "TRACE",
        _ => OTHER,
    }
}
