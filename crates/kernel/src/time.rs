//! Time as integer microseconds since the Unix epoch, UTC: one form in memory, in both databases and in cursors.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter as HttpPrinter};
use jiff::fmt::temporal::DateTimePrinter;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// A moment in UTC (RFC 3339).
// Microseconds since 1970-01-01T00:00:00Z.
#[derive(ToSchema, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[schema(value_type = String, format = DateTime, example = "2026-11-25T09:30:00.000000Z")]
pub struct Timestamp(pub i64);

const MILLISECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
const MICROSECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

impl Timestamp {
    /// RFC 3339 with milliseconds and `Z`, the form of API v1.
    pub fn to_rfc3339_millis(self) -> String {
        self.print(&MILLISECONDS)
    }

    /// RFC 3339 with microseconds and `Z`: exactly what is stored.
    pub fn to_rfc3339(self) -> String {
        self.print(&MICROSECONDS)
    }

    fn print(self, printer: &DateTimePrinter) -> String {
        // Years outside -9999..9999 cannot be printed; they can only come from a damaged row, and print as the epoch.
        let timestamp = jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        printer.timestamp_to_string(&timestamp)
    }

    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|t| Timestamp(t.as_microsecond()))
    }

    /// In the form of HTTP's `Date` (RFC 9110 §5.6.7); nothing of a time that it cannot write.
    pub fn to_http(self) -> Option<String> {
        static HTTP: HttpPrinter = HttpPrinter::new();
        HTTP.timestamp_to_rfc9110_string(&jiff::Timestamp::from_microsecond(self.0).ok()?).ok()
    }

    /// From the form of HTTP's `Date`: `Fri, 27 Nov 2026 16:44:58 GMT`.
    pub fn parse_http(text: &str) -> Option<Self> {
        static HTTP: DateTimeParser = DateTimeParser::new();
        HTTP.parse_timestamp(text).ok().map(|t| Timestamp(t.as_microsecond()))
    }

    pub fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    pub fn as_secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This time plus `duration`, saturating at the end of the representable range.
    pub fn after(self, duration: Duration) -> Self {
        Timestamp(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This time minus `duration`, saturating at the start of the representable range.
    pub fn before(self, duration: Duration) -> Self {
        Timestamp(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_rfc3339())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Timestamp::parse(&text).ok_or_else(|| serde::de::Error::custom("expected an RFC 3339 time"))
    }
}

/// Where time comes from, so that tests can set it.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the system clock is read")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_http_is_read() {
        let date = Timestamp::parse_http("Sun, 23 Nov 2025 01:11:06 GMT");
        assert_eq!(date.map(Timestamp::to_rfc3339_millis), Some("2025-11-23T01:11:06.000Z".into()));
        assert_eq!(Timestamp::parse_http("yesterday"), None);
        assert_eq!(date.and_then(Timestamp::to_http).as_deref(), Some("Sun, 23 Nov 2025 01:11:06 GMT"));
    }

    #[test]
    fn prints_and_parses_the_stored_precision() {
        let time = Timestamp(1_763_860_266_898_123);
        assert_eq!(time.to_rfc3339_millis(), "2025-11-23T01:11:06.898Z");
        assert_eq!(time.to_rfc3339(), "2025-11-23T01:11:06.898123Z");
        assert_eq!(Timestamp::parse("2025-11-23T01:11:06.898123Z"), Some(time));
        assert_eq!(Timestamp(-1).to_rfc3339(), "1969-12-31T23:59:59.999999Z");
    }
}
