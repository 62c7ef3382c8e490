//! Requests that this process makes.

use std::sync::Arc;
use std::time::Instant;

use axum::http::{HeaderMap, Method, StatusCode};

use super::{TraceContext, span};
use crate::scope;
use crate::telemetry::metrics::metrics;

/// A request to another process, from before it is sent until its answer is known: a span of the request that it is made for,
/// and counted. Dropped without an answer, it had none.
#[derive(Debug)]
pub struct Outgoing {
    trace: TraceContext,
    method: Method,
    server: Arc<str>,
    started: Instant,
    status: Option<StatusCode>,
}

impl Outgoing {
    /// Begins one, as a part of the current request's trace if there is one. `server` is the other's address as the settings have
    /// it; it becomes a label.
    pub fn begin(method: &Method, server: &Arc<str>) -> Self {
        let trace = scope::current().map_or_else(TraceContext::root, |scope| scope.trace().child());
        Self { trace, method: method.clone(), server: Arc::clone(server), started: Instant::now(), status: None }
    }

    /// Tells the other whose work it does, in place of what the headers said before.
    pub fn send(&self, headers: &mut HeaderMap) {
        self.trace.send(headers);
    }

    /// Ends it with the answer's status.
    pub fn answered(mut self, status: StatusCode) {
        self.status = Some(status);
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        metrics().calls.record(&self.method, &self.server, self.status, took);
        span::record_call(&self.trace, &self.method, &self.server, self.status, took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::Scope;

    #[tokio::test]
    async fn a_call_is_a_part_of_its_request_and_counted() {
        let server = Arc::from("auth.test");
        let mut headers = HeaderMap::new();
        let request = Arc::new(Scope::new(None, TraceContext::root()));
        crate::scope::within(Arc::clone(&request), async {
            let call = Outgoing::begin(&Method::GET, &server);
            call.send(&mut headers);
            call.answered(StatusCode::OK);
            drop(Outgoing::begin(&Method::GET, &server));
        })
        .await;
        let sent = headers["traceparent"].to_str().unwrap();
        assert!(sent.starts_with(&format!("00-{}-", request.trace().trace_id)), "{sent}");
        assert!(!sent.contains(&request.trace().span_id.to_string()), "{sent}");
        let text = metrics().text();
        for (error, status) in [("", "200"), ("_OTHER", "")] {
            let labels = format!(
                r#"error_type="{error}",http_request_method="GET",http_response_status_code="{status}",server_address="auth.test""#
            );
            assert!(text.contains(&format!("http_client_request_duration_seconds_count{{{labels}}} 1\n")), "{text}");
        }
    }
}
