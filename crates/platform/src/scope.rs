//! What belongs to one request, wherever in the process something is done for it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::http::RequestId;
use crate::telemetry::metrics::Operation;
use crate::telemetry::trace::{self, TraceContext};

/// Operations of databases that are recorded in one trace at most; all are counted.
const RECORDED: u32 = 128;

/// One request: its names and its counts.
#[derive(Debug)]
pub struct Scope {
    request_id: Option<RequestId>,
    trace: TraceContext,
    queries: AtomicU32,
    micros: AtomicU64,
}

impl Scope {
    pub fn new(request_id: Option<RequestId>, trace: TraceContext) -> Self {
        Self { request_id, trace, queries: AtomicU32::new(0), micros: AtomicU64::new(0) }
    }

    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_ref().map(RequestId::as_str)
    }

    /// The request itself, as a span.
    pub fn trace(&self) -> &TraceContext {
        &self.trace
    }

    /// Database queries that were made for it, and how long they took.
    pub fn queries(&self) -> u32 {
        self.queries.load(Ordering::Relaxed)
    }

    pub fn query_time(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::Relaxed))
    }

    /// Counts a query, and tells whether it is one of those that are recorded.
    fn count(&self, took: Duration) -> bool {
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.queries.fetch_add(1, Ordering::Relaxed) < RECORDED
    }
}

tokio::task_local! {
    static CURRENT: Option<Arc<Scope>>;
}

/// Runs `future` as a part of this request.
pub async fn within<F: Future>(scope: Arc<Scope>, future: F) -> F::Output {
    CURRENT.scope(Some(scope), future).await
}

/// Runs `work`, which does not wait, as a part of this request.
pub fn speak<T>(scope: &Arc<Scope>, work: impl FnOnce() -> T) -> T {
    CURRENT.sync_scope(Some(Arc::clone(scope)), work)
}

/// Carries the caller's request, if there is one, into a future that will run on another task.
pub fn inherit<F: Future>(future: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(current(), future)
}

/// The request that the caller works for, if it is one.
pub fn current() -> Option<Arc<Scope>> {
    ask(Arc::clone)
}

/// The current request as events name it.
pub fn traceparent() -> Option<String> {
    ask(|scope| scope.trace.traceparent())
}

/// Asks the current request, if there is one.
pub(crate) fn ask<T>(question: impl FnOnce(&Arc<Scope>) -> T) -> Option<T> {
    CURRENT.try_with(|current| current.as_ref().map(question)).ok().flatten()
}

/// Counts one query that began at `started`, for its request and among its kind.
pub(crate) fn record(started: Instant, operation: &Operation) {
    let took = started.elapsed();
    operation.observe(took);
    ask(|scope| {
        if scope.count(took) {
            trace::record_operation(&scope.trace, operation, took);
        }
    });
}

/// Counts as a query of the request what others do for it.
pub(crate) fn record_wait(took: Duration) {
    ask(|scope| {
        if scope.count(took) {
            trace::record_shared_write(&scope.trace, took);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_inherits_its_request() {
        assert!(current().is_none());
        let scope = Arc::new(Scope::new(None, TraceContext::root()));
        let inherited = async { tokio::spawn(inherit(async { traceparent() })).await.unwrap() };
        assert_eq!(within(Arc::clone(&scope), inherited).await, Some(scope.trace().traceparent()));
        let alone = async { tokio::spawn(async { current().is_none() }).await.unwrap() };
        assert!(within(scope, alone).await);
        assert!(tokio::spawn(inherit(async { current().is_none() })).await.unwrap());
    }
}
