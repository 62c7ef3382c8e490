//! Logs: one JSON object a line for machines, or readable lines for a terminal. To stderr, through a bounded buffer, so that a
//! slow reader of the logs never slows a request. Beside them, metrics and traces.

mod json;
pub mod metrics;
mod recurring;
mod terminal;
pub mod trace;
mod writer;

use std::time::{Duration, Instant};

use metrics::Operation;
use tracing::Level;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::scope;
pub use metrics::metrics;
pub use recurring::Recurring;
pub use terminal::Colours;
pub use writer::Flush;

/// Starts logging as this service. Keep the result until the end: dropping it writes out what is buffered. `pretty`: for human eyes, with colours or without.
pub fn init(service: &str, pretty: Option<Colours>, level: Level) -> Flush {
    let (writer, flush) = writer::start();
    let registry = tracing_subscriber::registry().with(LevelFilter::from_level(level));
    if let Some(colours) = pretty {
        let format = terminal::Lines { colours };
        registry
            .with(tracing_subscriber::fmt::layer().event_format(format).with_writer(writer.of_visible_lines()))
            .init();
    } else {
        registry
            .with(tracing_subscriber::fmt::layer().event_format(json::Json::new(service)).with_writer(writer))
            .init();
    }
    count_panics();
    flush
}

/// A panic is logged without its payload, which could hold personal data, and counted.
fn count_panics() {
    std::panic::set_hook(Box::new(|panic| {
        metrics().panics.inc();
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(event = "panic", location, "a task panicked");
    }));
}

/// Counts one query that began at `started`, for its request and among its kind.
pub fn record(started: Instant, operation: &Operation) {
    let took = started.elapsed();
    operation.observe(took);
    scope::ask(|scope| {
        if scope.count(took) {
            trace::record_operation(scope.trace(), operation, took);
        }
    });
}

/// Counts as a query of the request what others do for it.
pub fn record_wait(took: Duration) {
    scope::ask(|scope| {
        if scope.count(took) {
            trace::record_shared_write(scope.trace(), took);
        }
    });
}
