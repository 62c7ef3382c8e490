//! Logs for a terminal: a short line each, in colours if it has them.

use std::fmt::{self, Write};

use kernel::{Clock, SystemClock, text};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Whether a terminal shows colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    Shown,
    None,
}

/// `17:03:38 POST /api/v2/products 201 16 ms` of a request; the message and its fields of all else.
pub struct Lines {
    pub colours: Colours,
}

const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";
const DIM: &str = "2";

impl Lines {
    fn put(&self, to: &mut Writer<'_>, colour: &str, words: &str) -> fmt::Result {
        match self.colours {
            Colours::Shown => write!(to, "\x1b[{colour}m{words}\x1b[0m"),
            Colours::None => to.write_str(words),
        }
    }

    fn request(&self, to: &mut Writer<'_>, fields: &Fields) -> fmt::Result {
        let of = |name| fields.of(name).unwrap_or_default();
        let route = fields.of("http.route").or_else(|| fields.of("url.template")).unwrap_or("?");
        let status = of("http.response.status_code");
        let colour = match status.as_bytes().first() {
            Some(b'2' | b'3') => GREEN,
            Some(b'4') => YELLOW,
            _ => RED,
        };
        write!(to, "{} {route} ", of("http.request.method"))?;
        self.put(to, colour, status)?;
        let took = of("duration_ms").split('.').next().unwrap_or_default();
        self.put(to, DIM, &format!(" {took} ms"))
    }

    fn other(&self, to: &mut Writer<'_>, level: Level, fields: &Fields) -> fmt::Result {
        let (colour, word) = match level {
            Level::ERROR => (RED, "error"),
            Level::WARN => (YELLOW, "warning"),
            Level::INFO => (CYAN, "info"),
            _ => (DIM, "debug"),
        };
        self.put(to, colour, word)?;
        write!(to, " {}", fields.of("message").unwrap_or_default())?;
        let mut others = String::new();
        for (name, value) in fields.0.iter().filter(|(name, _)| !matches!(*name, "message" | "request_id")) {
            let _ = write!(others, " {name}={value}");
        }
        self.put(to, DIM, &others)
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields(Vec::new());
        event.record(&mut fields);
        let now = SystemClock.now().to_rfc3339();
        // The day is known to whoever looks at a terminal.
        let time = now.split(['T', '.', 'Z']).nth(1).unwrap_or_default();
        self.put(&mut writer, DIM, &format!("{time} "))?;
        match fields.of("event") {
            Some("http.request") => self.request(&mut writer, &fields)?,
            _ => self.other(&mut writer, *event.metadata().level(), &fields)?,
        }
        writer.write_char('\n')
    }
}

/// What an event says, in its order, without what would command a terminal.
struct Fields(Vec<(&'static str, String)>);

impl Fields {
    fn of(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| *field == name).map(|(_, value)| value.as_str())
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), text::visible(value).into_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
