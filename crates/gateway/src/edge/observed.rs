//! A request as operators see it: one line in the log, one observation of the metrics, one span of a trace.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::response::Response;
use platform::scope::Scope;
use platform::telemetry::metrics::{self, Active, metrics};
use platform::telemetry::trace;
use platform::trace_context::{Sender, TraceContext};
use platform::{Context, REQUEST_ID, RequestId};
use tokio::time::Instant;

use super::token::LoggedUser;
use crate::fallback;

/// A request that is counted and logged once, and has its id and its place in a trace.
pub struct Observed {
    started: Instant,
    _active: Active<'static>,
    pub id: RequestId,
    method: Method,
    route: Option<MatchedPath>,
    /// What the log tells of a path that leads nowhere.
    template: Option<String>,
    pub scope: Arc<Scope>,
}

impl Observed {
    pub fn begin(context: &Context, sender: Sender, deadline: Instant, request: &mut Request) -> Self {
        let id = request_id(request, context);
        request.extensions_mut().insert(id.clone());
        let trace = TraceContext::of(request.headers(), sender);
        let route: Option<MatchedPath> = request.extensions().get().cloned();
        Self {
            started: Instant::now(),
            _active: metrics().http.begin(),
            method: request.method().clone(),
            template: route.is_none().then(|| fallback::template(request.uri().path())),
            route,
            scope: Arc::new(Scope::new(Some(id.clone()), trace, Some(deadline))),
            id,
        }
    }

    /// Counts it, and has log and trace tell of it.
    pub fn tell(&self, answer: &Response) {
        let (route, took) = (metrics::route(self.route.as_ref()), self.started.elapsed());
        metrics().http.record(&self.method, route, answer.status(), took);
        // What our own processes ask all the time is not worth a line and a span each.
        if answer.extensions().get::<mesh::Routine>().is_some() {
            return;
        }
        trace::record_request(self.scope.trace(), &self.method, route, answer.status(), took);
        tracing::info!(
            event = "http.request",
            request_id = self.id.as_str(),
            http.request.method = metrics::method_word(&self.method),
            http.route = route,
            url.template = self.template.as_deref(),
            http.response.status_code = answer.status().as_u16(),
            duration_ms = millis(took),
            db.queries = self.scope.queries(),
            db.time_ms = millis(self.scope.query_time()),
            user.id = answer.extensions().get::<LoggedUser>().map(|user| tracing::field::display(user.0)),
            "request"
        );
    }
}

/// The client's own id if it is harmless in logs and headers, else a new one.
fn request_id(request: &Request, context: &Context) -> RequestId {
    let sent = request.headers().get(REQUEST_ID).and_then(RequestId::sent);
    sent.unwrap_or_else(|| RequestId::new(context.id().unwrap_or_default()))
}

fn millis(duration: Duration) -> f64 {
    // Microseconds are as fine as the clock is worth.
    (duration.as_micros() as f64) / 1_000.0
}
