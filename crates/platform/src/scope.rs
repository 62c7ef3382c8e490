//! What belongs to one request, wherever in the process something is done for it.

use std::future::Future;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::RequestId;
use crate::trace_context::TraceContext;

/// Operations of databases that are recorded in one trace at most; all are counted.
const RECORDED: u32 = 128;
/// Subjects that one request can change and name; what changes more is told by the change feed alone.
const MAX_CHANGED: usize = 64;

/// One request: its names, its time and its counts.
#[derive(Debug)]
pub struct Scope {
    request_id: Option<RequestId>,
    trace: TraceContext,
    /// When whoever asked gives up.
    pub deadline: Option<tokio::time::Instant>,
    queries: AtomicU32,
    micros: AtomicU64,
    /// Subjects of the events that were written for it, here or by those who were asked.
    changed: Mutex<Vec<Box<str>>>,
}

impl Scope {
    pub fn new(request_id: Option<RequestId>, trace: TraceContext, deadline: Option<tokio::time::Instant>) -> Self {
        let (queries, micros, changed) = (AtomicU32::new(0), AtomicU64::new(0), Mutex::default());
        Self { request_id, trace, deadline, queries, micros, changed }
    }

    /// Subjects that were changed for it.
    pub fn take_changed(&self) -> Vec<Box<str>> {
        std::mem::take(&mut self.changed())
    }

    fn changed(&self) -> MutexGuard<'_, Vec<Box<str>>> {
        // Whole values are pushed under this lock: a poisoned one is usable.
        self.changed.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn request_id(&self) -> Option<&RequestId> {
        self.request_id.as_ref()
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
    pub fn count(&self, took: Duration) -> bool {
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.queries.fetch_add(1, Ordering::Relaxed) < RECORDED
    }
}

tokio::task_local! {
    static CURRENT: Option<Arc<Scope>>;
}

/// Runs `future` as a part of this request.
pub fn within<F: Future>(scope: Arc<Scope>, future: F) -> impl Future<Output = F::Output> {
    // No async function, which would have room for the future twice.
    CURRENT.scope(Some(scope), future)
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
pub fn ask<T>(question: impl FnOnce(&Arc<Scope>) -> T) -> Option<T> {
    CURRENT.try_with(|current| current.as_ref().map(question)).ok().flatten()
}

/// Notes that these subjects were changed for the request.
pub fn changed<'a>(subjects: impl Iterator<Item = &'a str>) {
    ask(|scope| {
        let mut changed = scope.changed();
        let room = MAX_CHANGED.saturating_sub(changed.len());
        changed.extend(subjects.take(room).map(Box::from));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_inherits_its_request() {
        assert!(current().is_none());
        let scope = Arc::new(Scope::new(None, TraceContext::root(), None));
        let inherited = async { tokio::spawn(inherit(async { traceparent() })).await.unwrap() };
        assert_eq!(within(Arc::clone(&scope), inherited).await, Some(scope.trace().traceparent()));
        let alone = async { tokio::spawn(async { current().is_none() }).await.unwrap() };
        assert!(within(scope, alone).await);
        assert!(tokio::spawn(inherit(async { current().is_none() })).await.unwrap());
    }
}
