//! What belongs to one request, wherever in the process something is done for it.

use std::future::Future;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use prometheus::Histogram;

use crate::http::RequestId;

/// Subjects that one request can change and name; what changes more is told by the change feed alone.
const MAX_CHANGED: usize = 16;

/// One request.
#[derive(Debug, Default)]
pub struct Scope {
    pub request_id: Option<RequestId>,
    /// When whoever asked gives up.
    pub deadline: Option<tokio::time::Instant>,
    queries: AtomicU32,
    micros: AtomicU64,
    /// Subjects of the events that were written for it, here or by those who were asked.
    changed: Mutex<Vec<Box<str>>>,
}

impl Scope {
    pub fn new(request_id: RequestId, deadline: tokio::time::Instant) -> Self {
        Self { request_id: Some(request_id), deadline: Some(deadline), ..Self::default() }
    }

    /// Subjects that were changed for it.
    pub fn take_changed(&self) -> Vec<Box<str>> {
        // Whole values are pushed under this lock: a poisoned one is usable.
        std::mem::take(&mut self.changed.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

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

/// The request for which this is done.
pub fn current() -> Option<Arc<Scope>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// Notes that these subjects were changed for the request.
pub fn changed<'a>(subjects: impl Iterator<Item = &'a str>) {
    let _ = CURRENT.try_with(|scope| {
        let mut changed = scope.changed.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let room = MAX_CHANGED.saturating_sub(changed.len());
        changed.extend(subjects.take(room).map(Box::from));
    });
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
