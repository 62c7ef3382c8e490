//! One attempt at a job, and what comes of it.

use std::sync::Arc;
use std::time::Instant;

use axum::http::HeaderValue;
use kernel::event::EventHead;
use kernel::{Actor, Error, Event};
use platform::scope::{self, Scope};
use platform::telemetry::metrics::Ran;
use platform::telemetry::trace;
use platform::trace_context::TraceContext;
use platform::{Context, RequestId, random_u64};
use tokio::sync::OwnedSemaphorePermit;

use super::{ServedQueue, Shared, Working, lock};
use crate::jobs::table::{Left, Table};
use crate::jobs::{Done, Failed, Record, subject};

/// Characters that are kept of why an attempt failed.
const MAX_ERROR: usize = 500;

impl Shared {
    /// Has one job done, and writes down what came of it, as a part of the request that asked for it.
    pub(super) async fn run(self: Arc<Self>, line: Arc<ServedQueue>, record: Record, _place: OwnedSemaphorePermit) {
        let trace = record.traceparent.as_deref().map_or_else(TraceContext::root, TraceContext::resume);
        let request_id = record.request_id.as_deref().and_then(|id| HeaderValue::from_str(id).ok());
        let request_id = request_id.as_ref().and_then(RequestId::sent);
        let deadline = tokio::time::Instant::now() + line.queue.patience;
        let scope = Arc::new(Scope::new(request_id, trace, Some(deadline)));
        scope::within(scope, self.run_within(&line, &record)).await;
    }

    async fn run_within(&self, line: &ServedQueue, record: &Record) {
        let died = || Failed::Park("those who worked on it died, or were not heard of any more".into());
        let worn_out = record.attempts > line.queue.tries && line.period.is_none();
        let result = if worn_out { Some(Err(died())) } else { self.attempt(line, record).await };
        let Some(result) = result else { return };
        match self.settle(line, record, result).await {
            Ok(ran) => line.series.outcomes.count(ran),
            Err(error) => {
                if let Some(failures) = line.unsettled.failed() {
                    tell_unsettled(record, &error, failures);
                }
            }
        }
    }

    /// An attempt; nothing if it was cut off by [`super::Workers::stop`], which settles it.
    async fn attempt(&self, line: &ServedQueue, record: &Record) -> Option<Result<Done, Failed>> {
        let (patience, started) = (line.queue.patience, Instant::now());
        let (work, job) = (Arc::clone(&line.work), record.clone());
        // On a task of its own, so that a panic costs one try.
        let mut task = tokio::spawn(scope::inherit(async move { work.run(&job).await }));
        let held = Working { record: record.clone(), work: task.abort_handle() };
        lock(&self.held).insert(record.lease(), held);
        let result = match tokio::time::timeout(patience, &mut task).await {
            Ok(ended) => ended.unwrap_or_else(|panicked| Err(Failed::Retry(panicked.to_string()))),
            Err(_) => {
                task.abort();
                Err(Failed::Retry(format!("it took longer than {} s", patience.as_secs_f64())))
            }
        };
        scope::ask(|scope| {
            trace::record_job(scope.trace(), line.queue.name, result.is_ok(), started.elapsed());
        });
        lock(&self.held).remove(&record.lease()).map(|_| result)
    }

    async fn settle(&self, line: &ServedQueue, record: &Record, result: Result<Done, Failed>) -> Result<Ran, Error> {
        let now = self.context.now();
        let later = |pause| Left { due_at: now.after(pause), attempts: 0, error: None, parked_at: None };
        let failed = match (result, line.period) {
            (Ok(Done::WithEffect), _) => return Ok(Ran::Done),
            (Ok(Done::Outside), period) => {
                let held = Table(&self.database).settle(record.lease(), period.map(later), Vec::new()).await?;
                return Ok(if held { Ran::Done } else { Ran::Lost });
            }
            (Err(failed), _) => failed,
        };
        let (error, hopeless) = match failed {
            Failed::Retry(error) => (error, false),
            Failed::Park(error) => (error, true),
        };
        let error: String = error.chars().take(MAX_ERROR).collect();
        let (id, queue, attempts) = (record.id, line.queue.name, record.attempts);
        let parked = line.period.is_none() && (hopeless || attempts >= line.queue.tries);
        let pause = line.queue.pause_after(attempts, random_u64()?);
        let pause = line.period.map_or(pause, |period| pause.min(period));
        let left = Left { attempts, error: Some(error.clone()), parked_at: parked.then_some(now), ..later(pause) };
        let told = parked.then(|| {
            let request_id = record.request_id.as_deref();
            job_event(&self.context, self.source, "job.parked", record, Actor::System, request_id)
        });
        let told = told.transpose()?.into_iter().collect();
        if !Table(&self.database).settle(record.lease(), Some(left), told).await? {
            return Ok(Ran::Lost);
        }
        Ok(if parked {
            tracing::error!(event = "job.parked", job = %id, queue, attempts, error, "a job is parked");
            Ran::Parked
        } else {
            if let Some(failures) = line.failed.failed() {
                tracing::warn!(event = "job.failed", job = %id, queue, attempts, error, failures, "a job failed");
            }
            Ran::Retried
        })
    }
}

/// Nothing is lost: the job is taken again when its lease is over.
pub(super) fn tell_unsettled(record: &Record, error: &impl std::fmt::Display, failures: u64) {
    let (id, queue) = (record.id, &record.queue);
    let unsettled = "what came of a job could not be written down";
    tracing::warn!(event = "job.unsettled", job = %id, queue, %error, failures, "{unsettled}");
}

/// What happened to a job, for the log.
pub(crate) fn job_event(
    context: &Context,
    source: &'static str,
    kind: &'static str,
    record: &Record,
    actor: Actor,
    request_id: Option<&str>,
) -> Result<Event, Error> {
    #[derive(serde::Serialize)]
    struct About<'a> {
        queue: &'a str,
        attempts: i64,
    }
    let head = EventHead {
        id: context.id()?,
        source,
        kind,
        subject: subject(record.id),
        version: record.claims,
        time: context.now(),
        actor,
        request_id,
        traceparent: scope::traceparent().or_else(|| record.traceparent.clone()),
    };
    Event::new(head, About { queue: &record.queue, attempts: record.attempts }, None)
        .map_err(|error| Error::Internal(error.to_string()))
}
