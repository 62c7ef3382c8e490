//! Jobs of all services, as administrators see them.

pub mod discard;
pub mod get;
pub mod list;
pub mod replay;

use effects::jobs::{Priority, State};
use kernel::{Timestamp, Uuid};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::jobs::Found;

/// Work that is done some time after the change that asks for it. What is done is gone, unless it is done again and again.
#[derive(Serialize, ToSchema)]
#[schema(as = Job)]
pub struct V2Job {
    id: Uuid,
    /// The service whose change asks for it.
    #[schema(example = "auth")]
    service: &'static str,
    /// What is to be done.
    #[schema(example = "mails")]
    queue: String,
    state: State,
    priority: Priority,
    /// What it is about, in the words of its queue.
    payload: Value,
    /// How often it was tried since it was made or replayed.
    attempts: i64,
    /// Why the last attempt failed.
    error: Option<String>,
    /// When it may be tried; while it runs, how long its worker has not to be heard of before another takes over.
    due_at: Timestamp,
    /// Who works on it, or did when it was last heard of: machine and process.
    worker: Option<String>,
    /// Since when it waits for an administrator.
    parked_at: Option<Timestamp>,
    /// Of one that is done again and again: the pause between.
    period_seconds: Option<i64>,
    /// The request that asked for it.
    request_id: Option<String>,
    created_at: Timestamp,
}

impl From<Found> for V2Job {
    fn from(Found { service, job }: Found) -> Self {
        Self {
            id: job.id,
            service,
            state: job.state(),
            priority: job.priority,
            // What cannot be read is why it is parked: shown as the text that it is.
            payload: serde_json::from_str(&job.payload).unwrap_or(Value::String(job.payload)),
            queue: job.queue,
            attempts: job.attempts,
            error: job.error,
            due_at: job.due_at,
            worker: job.worker,
            parked_at: job.parked_at,
            period_seconds: job.period.map(|micros| micros / 1_000_000),
            request_id: job.request_id,
            created_at: job.created_at,
        }
    }
}
