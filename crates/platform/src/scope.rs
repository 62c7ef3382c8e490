//! What belongs to one request, wherever in the process something is done for it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus::Histogram;

/// One request's counts.
#[derive(Debug, Default)]
pub struct Scope {
    queries: AtomicU32,
    micros: AtomicU64,
}

impl Scope {
    /// Database queries that were made for it, and how long they took.
    pub fn queries(&self) -> u32 {
        self.queries.load(Ordering::Relaxed)
    }

    pub fn query_time(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::Relaxed))
    }
}

tokio::task_local! {
    static CURRENT: Arc<Scope>;
}

/// Runs `future` as a part of this request.
pub async fn within<F: Future>(scope: Arc<Scope>, future: F) -> F::Output {
    CURRENT.scope(scope, future).await
}

/// Carries the caller's request into a future that will run on another task.
pub fn inherit<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let scope = CURRENT.try_with(Arc::clone).unwrap_or_default();
    CURRENT.scope(scope, future)
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
    let _ = CURRENT.try_with(|scope| {
        scope.queries.fetch_add(1, Ordering::Relaxed);
        scope.micros.fetch_add(micros, Ordering::Relaxed);
    });
}
