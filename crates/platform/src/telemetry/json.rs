//! The production log format: flat JSON, field names as documented.

use std::fmt;

use kernel::{Clock, SystemClock};
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::scope::{self, Scope};

pub struct Json {
    /// As JSON.
    service: String,
}

impl Json {
    /// Every line tells which service wrote it.
    pub fn new(service: &str) -> Self {
        Self { service: Value::from(service).to_string() }
    }
}

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let time = SystemClock.now().to_rfc3339();
        let severity = event.metadata().level();
        let service = &self.service;
        write!(writer, r#"{{"timestamp":"{time}","severity":"{severity}","service.name":{service}"#)?;
        scope::ask(|scope| join(&mut writer, scope, event)).unwrap_or(Ok(()))?;
        let mut fields = Fields { writer: &mut writer, result: Ok(()) };
        event.record(&mut fields);
        fields.result?;
        writer.write_str("}\n")
    }
}

/// What all lines of a request have in common, in this process and in others.
fn join(writer: &mut Writer<'_>, scope: &Scope, event: &Event<'_>) -> fmt::Result {
    let trace = scope.trace();
    write!(writer, r#","trace_id":"{}","span_id":"{}""#, trace.trace_id, trace.span_id)?;
    match scope.request_id().filter(|_| event.metadata().fields().field("request_id").is_none()) {
        // It has no character that JSON escapes.
        Some(id) => write!(writer, r#","request_id":"{}""#, id.as_str()),
        None => Ok(()),
    }
}

struct Fields<'a, 'w> {
    writer: &'a mut Writer<'w>,
    result: fmt::Result,
}

impl Fields<'_, '_> {
    fn put(&mut self, field: &Field, value: impl fmt::Display) {
        if self.result.is_ok() {
            self.result = self.name(field).and_then(|()| write!(self.writer, "{value}"));
        }
    }

    fn name(&mut self, field: &Field) -> fmt::Result {
        [",\"", field.name(), "\":"].iter().try_for_each(|part| self.writer.write_str(part))
    }

    fn text(&mut self, field: &Field, text: &str) -> fmt::Result {
        self.name(field)?;
        // Most is written as it is, without a copy.
        if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
            return write!(self.writer, "{}", Value::from(text));
        }
        ["\"", text, "\""].iter().try_for_each(|part| self.writer.write_str(part))
    }
}

impl Visit for Fields<'_, '_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if self.result.is_ok() {
            self.result = self.text(field, value);
        }
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, if value.is_finite() { value } else { 0.0 });
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
