//! Spans as OTLP has them in JSON: <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>. Ids are hexadecimal, 64-bit
//! numbers are strings, enumerations are numbers.

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::Service;
use super::span::{Span, Value};
use crate::trace_context::SpanId;

/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Export<'a> {
    resource_spans: [OfResource<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfResource<'a> {
    resource: Json,
    scope_spans: [OfScope<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfScope<'a> {
    scope: Json,
    spans: Vec<Record<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    name: &'a str,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Vec<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Json>,
}

/// The body of a request to `/v1/traces`.
pub(super) fn body(service: &Service, spans: &[Span]) -> Vec<u8> {
    let text = |name: &str, text: &str| json!({ "key": name, "value": { "stringValue": text } });
    let resource =
        json!({ "attributes": [text("service.name", &service.name), text("service.version", service.version)] });
    let scope = json!({ "name": "primetrade", "version": service.version });
    let spans = spans.iter().map(record).collect();
    let export = Export { resource_spans: [OfResource { resource, scope_spans: [OfScope { scope, spans }] }] };
    // Text and numbers can always be written.
    serde_json::to_vec(&export).unwrap_or_default()
}

fn record(span: &Span) -> Record<'_> {
    let ended = i128::from(span.ended.0) * 1_000;
    let started = ended - i128::try_from(span.took.as_nanos()).unwrap_or(0);
    let attributes = span.attributes.iter().map(|(name, value)| match value {
        Value::Text(text) => json!({ "key": name, "value": { "stringValue": text } }),
        Value::Number(number) => json!({ "key": name, "value": { "intValue": number.to_string() } }),
    });
    Record {
        trace_id: span.trace_id.to_string(),
        span_id: span.span_id.to_string(),
        parent_span_id: span.parent_id.as_ref().map(SpanId::to_string),
        name: &span.name,
        kind: span.kind as u8,
        start_time_unix_nano: started.max(0).to_string(),
        end_time_unix_nano: ended.max(0).to_string(),
        attributes: attributes.collect(),
        status: span.failed.then(|| json!({ "code": ERROR })),
    }
}

/// How many spans the collector says that it did not take.
pub(super) fn rejected(answer: &[u8]) -> u64 {
    let answer: Json = serde_json::from_slice(answer).unwrap_or_default();
    match &answer["partialSuccess"]["rejectedSpans"] {
        Json::String(number) => number.parse().unwrap_or(0),
        number => number.as_u64().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kernel::Timestamp;

    use super::super::span::Kind;
    use super::*;
    use crate::trace_context::TraceContext;

    #[test]
    fn a_span_is_written_as_the_protocol_has_it() {
        let trace = TraceContext::root().child();
        let span = Span {
            trace_id: trace.trace_id,
            span_id: trace.span_id,
            parent_id: trace.parent_id,
            kind: Kind::Server,
            name: "GET /x".into(),
            ended: Timestamp(1_763_860_266_898_123),
            took: Duration::from_nanos(1_500),
            attributes: vec![
                ("http.route", Value::Text("/x".into())),
                ("http.response.status_code", Value::Number(500)),
            ],
            failed: true,
        };
        let service = Service { name: "primetrade".into(), version: "1.0" };
        let written: Json = serde_json::from_slice(&body(&service, &[span])).unwrap();
        let text = |name: &str, text: &str| json!({ "key": name, "value": { "stringValue": text } });
        assert_eq!(
            written,
            json!({ "resourceSpans": [{
                "resource": { "attributes": [text("service.name", "primetrade"), text("service.version", "1.0")] },
                "scopeSpans": [{ "scope": { "name": "primetrade", "version": "1.0" }, "spans": [{
                    "traceId": trace.trace_id.to_string(),
                    "spanId": trace.span_id.to_string(),
                    "parentSpanId": trace.parent_id.unwrap().to_string(),
                    "name": "GET /x",
                    "kind": 2,
                    "startTimeUnixNano": "1763860266898121500",
                    "endTimeUnixNano": "1763860266898123000",
                    "attributes": [
                        text("http.route", "/x"),
                        { "key": "http.response.status_code", "value": { "intValue": "500" } },
                    ],
                    "status": { "code": 2 },
                }] }],
            }] })
        );
    }

    #[test]
    fn what_a_collector_rejects_is_read_in_both_forms() {
        for (answer, count) in [
            ("", 0),
            ("{}", 0),
            (r#"{"partialSuccess":{}}"#, 0),
            (r#"{"partialSuccess":{"rejectedSpans":"3"}}"#, 3),
            (r#"{"partialSuccess":{"rejectedSpans":3,"errorMessage":"x"}}"#, 3),
        ] {
            assert_eq!(rejected(answer.as_bytes()), count, "{answer}");
        }
    }
}
