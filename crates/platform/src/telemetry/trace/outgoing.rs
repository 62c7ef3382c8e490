//! Requests that this process makes.

use std::time::Instant;

use axum::http::{HeaderMap, Method, StatusCode};

use super::span;
use crate::scope;
use crate::trace_context::TraceContext;

/// A call of another service, from before it is sent until its answer is known: a span of the request that it is made for. Dropped
/// without an answer, it had none.
#[derive(Debug)]
pub struct Outgoing {
    trace: TraceContext,
    method: Method,
    server: &'static str,
    started: Instant,
    status: Option<StatusCode>,
}

impl Outgoing {
    /// Begins one, as a part of the current request's trace if there is one. `server` is the service.
    pub fn begin(method: &Method, server: &'static str) -> Self {
        let trace = scope::current().map_or_else(TraceContext::root, |scope| scope.trace().child());
        Self { trace, method: method.clone(), server, started: Instant::now(), status: None }
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
        span::record_call(&self.trace, &self.method, self.server, self.status, took);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::scope::Scope;

    #[tokio::test]
    async fn a_call_is_a_part_of_its_request() {
        let mut headers = HeaderMap::new();
        let request = Arc::new(Scope::new(None, TraceContext::root(), None));
        crate::scope::within(Arc::clone(&request), async {
            let call = Outgoing::begin(&Method::GET, "auth");
            call.send(&mut headers);
            call.answered(StatusCode::OK);
        })
        .await;
        let sent = headers["traceparent"].to_str().unwrap();
        assert!(sent.starts_with(&format!("00-{}-", request.trace().trace_id)), "{sent}");
        assert!(!sent.contains(&request.trace().span_id.to_string()), "{sent}");
    }
}
