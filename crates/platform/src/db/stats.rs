//! How many queries a request made and how long they took, for its log line.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus::Histogram;

/// Counters of one request.
#[derive(Debug, Default)]
pub struct QueryStats {
    queries: AtomicU32,
    micros: AtomicU64,
}

impl QueryStats {
    pub fn queries(&self) -> u32 {
        self.queries.load(Ordering::Relaxed)
    }

    pub fn time(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::Relaxed))
    }
}

tokio::task_local! {
    static CURRENT: Arc<QueryStats>;
}

/// Counts the queries of `future` in `stats`.
pub async fn scope<F: Future>(stats: Arc<QueryStats>, future: F) -> F::Output {
    CURRENT.scope(stats, future).await
}

/// Carries the caller's counters into a future that will run on another task.
pub fn inherit<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let stats = CURRENT.try_with(Arc::clone).unwrap_or_default();
    CURRENT.scope(stats, future)
}

/// Counts one query that began at `started`, for its request and among its kind.
pub(crate) fn record(started: Instant, kind: &Histogram) {
    let took = started.elapsed();
    kind.observe(took.as_secs_f64());
    record_wait(took);
}

/// Counts as a query of the request what others do for it.
pub(crate) fn record_wait(took: Duration) {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    // Outside a request nobody asks.
    let _ = CURRENT.try_with(|stats| {
        stats.queries.fetch_add(1, Ordering::Relaxed);
        stats.micros.fetch_add(micros, Ordering::Relaxed);
    });
}
