//! Work that is done some time after the change that asks for it: a row in the database of that change, enqueued in its transaction
//! ([`Effects::jobs`](crate::Effects)), so that a change that is undone leaves none, and one that is committed loses none.
//!
//! A worker takes a job with a lease that it renews while it works; if it dies or hangs, another takes the job over when the
//! lease is over. A job's end belongs into the transaction of its effect ([`Effects::done`](crate::Effects)): who has lost the
//! lease cannot commit there, so each effect happens once. An effect outside the database may happen twice after a crash, and has
//! to be one that does not mind. A job that fails is tried again, later each time, and parked after its last try, until an
//! administrator has it replayed.

mod admin;
mod runner;
pub mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use kernel::{Error, Timestamp, Uuid};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use admin::{Filter, JobAdmin, JobAdmins, LocalJobAdmin};
pub use runner::{Runner, Workers};

use platform::{Context, scope};

/// Bytes of a payload at most: it names what a job is about, and does not carry it.
const MAX_PAYLOAD: usize = 16 << 10;

/// Which of several jobs that are due goes first. All of a higher priority go before any of a lower one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = JobPriority)]
pub enum Priority {
    High,
    Normal,
    Low,
}

impl Priority {
    pub const ALL: [Priority; 3] = [Priority::High, Priority::Normal, Priority::Low];
}

/// A job to enqueue with a change.
#[derive(Debug, Clone)]
pub struct Job {
    pub id: Uuid,
    /// The kind of work, and the queue of those who do it.
    pub queue: &'static str,
    pub priority: Priority,
    /// JSON. Nothing personal belongs into it: jobs are not erased with a person.
    pub payload: String,
    pub due_at: Timestamp,
    pub created_at: Timestamp,
    /// The request that asks for it, if it is one.
    pub request_id: Option<String>,
    pub traceparent: Option<String>,
}

impl Job {
    /// Due at once, of normal priority, for the current request.
    ///
    /// # Errors
    /// `Internal` when the payload cannot be written or is too large, or without randomness.
    pub fn new(context: &Context, queue: &'static str, payload: &impl Serialize) -> Result<Self, Error> {
        let payload = serde_json::to_string(payload).map_err(|error| Error::Internal(error.to_string()))?;
        if payload.len() > MAX_PAYLOAD {
            return Err(Error::Internal(format!("a job for {queue} carries {} bytes", payload.len())));
        }
        let now = context.now();
        let request_id =
            scope::current().and_then(|scope| scope.request_id().map(|request| request.as_str().to_owned()));
        Ok(Self {
            id: context.id()?,
            queue,
            priority: Priority::Normal,
            payload,
            due_at: now,
            created_at: now,
            request_id,
            traceparent: scope::traceparent(),
        })
    }
}

/// What a worker holds while it works on a job. Another has it as soon as the count is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    pub id: Uuid,
    pub claims: i64,
}

/// A job as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub id: Uuid,
    pub queue: String,
    pub priority: Priority,
    pub payload: String,
    /// Microseconds, of one that is done again and again.
    pub period: Option<i64>,
    /// When it may be taken: of one that is worked on, when its lease is over.
    pub due_at: Timestamp,
    pub worker: Option<String>,
    pub claims: i64,
    /// How often it was taken since it was made or replayed.
    pub attempts: i64,
    /// Why the last attempt failed.
    pub error: Option<String>,
    pub parked_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub request_id: Option<String>,
    pub traceparent: Option<String>,
}

/// `waiting` for its time or for a worker, `running`, or `parked`: it failed too often, and waits to be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = JobState)]
pub enum State {
    Waiting,
    Running,
    Parked,
}

impl State {
    pub const ALL: [State; 3] = [State::Waiting, State::Running, State::Parked];

    pub fn as_str(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Running => "running",
            State::Parked => "parked",
        }
    }
}

impl Record {
    pub fn lease(&self) -> Lease {
        Lease { id: self.id, claims: self.claims }
    }

    pub fn state(&self) -> State {
        match (self.parked_at, &self.worker) {
            (Some(_), _) => State::Parked,
            (None, Some(_)) => State::Running,
            (None, None) => State::Waiting,
        }
    }

    /// Whether it was replayed, and not tried since.
    fn is_replayed(&self) -> bool {
        self.state() == State::Waiting && self.attempts == 0 && self.claims > 0 && self.period.is_none()
    }

    /// What it is about, in the form that its queue knows.
    ///
    /// # Errors
    /// `Park` when it has another form.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Failed> {
        serde_json::from_str(&self.payload).map_err(|error| Failed::Park(format!("its payload: {error}")))
    }
}

/// A job, as events name it.
pub fn subject(id: Uuid) -> String {
    format!("jobs/{id}")
}

/// How a job ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// In the transaction of its effect, by [`Effects::done`](crate::Effects).
    WithEffect,
    /// Its effect is outside the database, or happened before; the runner deletes it.
    Outside,
}

/// Why an attempt failed, for whoever looks at the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failed {
    /// It may succeed later.
    Retry(String),
    /// It never will: the job is parked at once.
    Park(String),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed::Retry(error.to_string())
    }
}

/// Does the jobs of one queue.
#[async_trait]
pub trait Work: Send + Sync + 'static {
    async fn run(&self, job: &Record) -> Result<Done, Failed>;
}

/// How the jobs of one queue are done.
#[derive(Debug, Clone, Copy)]
pub struct Queue {
    /// A label of metrics too.
    pub name: &'static str,
    /// Jobs at a time, in each process.
    pub places: u32,
    /// Attempts before a job is parked.
    pub tries: i64,
    /// How long an attempt may take.
    pub patience: Duration,
    /// The pause after the first failure; it doubles with each, and a part of it is left to chance.
    pub pause: Duration,
}

/// No pause is longer.
const MAX_PAUSE: Duration = Duration::from_secs(3_600);

impl Queue {
    /// Eight jobs at a time, of half a minute at most, tried for about an hour before they are parked.
    pub fn new(name: &'static str) -> Self {
        let (patience, pause) = (Duration::from_secs(30), Duration::from_secs(2));
        Self { name, places: 8, tries: 12, patience, pause }
    }

    /// The pause after so many attempts: between half of it and all, by chance.
    fn pause_after(&self, attempts: i64, random: u64) -> Duration {
        let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(31);
        let longest = self.pause.saturating_mul(1 << doublings).min(MAX_PAUSE);
        longest.mul_f64(0.5 + 0.5 * (random as f64 / u64::MAX as f64))
    }
}
