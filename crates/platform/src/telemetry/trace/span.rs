//! What is recorded of a piece of work, in OpenTelemetry's words. Nothing of it is personal: routes instead of paths, no queries,
//! no statements.

use std::borrow::Cow;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use kernel::{Clock, SystemClock, Timestamp};

use super::tracer;
use crate::telemetry::metrics::{Operation, UNMATCHED, method_word};
use crate::trace_context::{SpanId, TraceContext, TraceId};

/// Its numbers are those of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Internal = 1,
    Server = 2,
    Client = 3,
    Consumer = 5,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(Cow<'static, str>),
    Number(i64),
}

#[derive(Debug)]
pub(super) struct Span {
    pub trace_id: TraceId,
    pub span_id: SpanId,
    pub parent_id: Option<SpanId>,
    pub kind: Kind,
    pub name: Cow<'static, str>,
    pub ended: Timestamp,
    pub took: Duration,
    pub attributes: Vec<(&'static str, Value)>,
    pub failed: bool,
}

impl Span {
    /// Of what has just ended.
    fn new(trace: &TraceContext, kind: Kind, name: impl Into<Cow<'static, str>>, took: Duration) -> Self {
        Self {
            trace_id: trace.trace_id,
            span_id: trace.span_id,
            parent_id: trace.parent_id,
            kind,
            name: name.into(),
            ended: SystemClock.now(),
            took,
            attributes: Vec::new(),
            failed: false,
        }
    }

    fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.attributes.push((name, Value::Text(value.into())));
        self
    }

    fn with_status(mut self, status: StatusCode) -> Self {
        self.attributes.push(("http.response.status_code", Value::Number(status.as_u16().into())));
        self
    }

    fn failed(self, error: impl Into<Cow<'static, str>>) -> Self {
        Self { failed: true, ..self.with("error.type", error) }
    }
}

/// Records a request that was answered. `route` is one of the router's own.
pub fn record_request(trace: &TraceContext, method: &Method, route: &str, status: StatusCode, took: Duration) {
    let Some(tracer) = tracer().filter(|_| trace.sampled) else { return };
    tracer.record(request(trace, method, route, status, took));
}

fn request(trace: &TraceContext, method: &Method, route: &str, status: StatusCode, took: Duration) -> Span {
    let word = method_word(method);
    let verb = if word == "_OTHER" { "HTTP" } else { word };
    let name = if route == UNMATCHED { Cow::Borrowed(verb) } else { format!("{verb} {route}").into() };
    let span = Span::new(trace, Kind::Server, name, took).with("http.request.method", word);
    let span = if route == UNMATCHED { span } else { span.with("http.route", route.to_owned()) };
    let span = span.with_status(status);
    if status.is_server_error() { span.failed(status.as_str().to_owned()) } else { span }
}

/// Records an operation of a database as a part of `trace`.
pub fn record_operation(trace: &TraceContext, operation: &Operation, took: Duration) {
    let Some(tracer) = tracer().filter(|_| trace.sampled) else { return };
    let Operation { system, namespace, name, .. } = *operation;
    let span = Span::new(&trace.child(), Kind::Client, format!("{name} {namespace}"), took);
    tracer.record(span.with("db.system.name", system).with("db.namespace", namespace).with("db.operation.name", name));
}

/// Records as a part of `trace` what others do for it too.
pub fn record_shared_write(trace: &TraceContext, took: Duration) {
    let Some(tracer) = tracer().filter(|_| trace.sampled) else { return };
    tracer.record(Span::new(&trace.child(), Kind::Internal, "write in a group", took));
}

/// Records an attempt at a job.
pub fn record_job(trace: &TraceContext, queue: &'static str, succeeded: bool, took: Duration) {
    let Some(tracer) = tracer().filter(|_| trace.sampled) else { return };
    let span = Span::new(trace, Kind::Consumer, format!("job {queue}"), took);
    tracer.record(if succeeded { span } else { span.failed(NO_ANSWER) });
}

/// The error of a call that got no answer, and of a job: what its words say is for administrators.
const NO_ANSWER: &str = "_OTHER";

/// Records a call of another service.
pub(super) fn record_call(
    trace: &TraceContext,
    method: &Method,
    server: &'static str,
    status: Option<StatusCode>,
    took: Duration,
) {
    let Some(tracer) = tracer().filter(|_| trace.sampled) else { return };
    let word = method_word(method);
    let span = Span::new(trace, Kind::Client, word, took).with("http.request.method", word);
    let span = span.with("server.address", server);
    tracer.record(match status {
        None => span.failed(NO_ANSWER),
        Some(status) if status.as_u16() >= 400 => span.with_status(status).failed(status.as_str().to_owned()),
        Some(status) => span.with_status(status),
    });
}

/// Any span.
#[cfg(test)]
pub(super) fn test_span(trace: &TraceContext) -> Span {
    request(trace, &Method::GET, "/test", StatusCode::OK, Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &str, route: &str, status: u16) -> Span {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        request(&TraceContext::root(), &method, route, StatusCode::from_u16(status).unwrap(), Duration::ZERO)
    }

    #[test]
    fn a_request_is_named_by_words_of_ours() {
        assert_eq!(of("GET", "/api/v2/products/{id}", 200).name, "GET /api/v2/products/{id}");
        assert_eq!(of("GET", UNMATCHED, 404).name, "GET");
        assert_eq!(of("SECRET", "/", 405).name, "HTTP /");
        assert!(!format!("{:?}", of("SECRET", UNMATCHED, 404)).contains("SECRET"));
    }

    #[test]
    fn only_our_failures_are_failures() {
        assert!(!of("GET", "/", 404).failed);
        let failed = of("GET", "/", 503);
        let error = failed.attributes.iter().find(|(name, _)| *name == "error.type").map(|(_, value)| value);
        assert_eq!((failed.failed, error), (true, Some(&Value::Text("503".into()))));
    }
}
