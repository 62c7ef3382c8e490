//! Takes jobs that are due and has them done, a bounded number at a time.

mod attempt;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::join_all;
use kernel::{Error, Timestamp};
use platform::Context;
use platform::telemetry::Recurring;
use platform::telemetry::metrics::{JobSeries, metrics};
use storage::{Database, StoreError};
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinHandle};

pub(super) use self::attempt::job_event;
use self::attempt::tell_unsettled;
use super::{Done, Failed, Lease, MAX_PAUSE, Priority, Queue, Record, Work};
use crate::jobs::table::{Left, Table};

/// How long a job is held without a word of its worker. Those of a worker that died wait so long.
const LEASE: Duration = Duration::from_secs(30);
/// Between two looks, when no commit of this process rings: other processes enqueue too.
const POLL: Duration = Duration::from_millis(250);
/// Between two looks for periodic jobs of long periods.
const LONG_POLL: Duration = Duration::from_secs(5);
/// Between two looks, after one that found nothing.
const COALESCE: Duration = Duration::from_millis(20);
/// How long it may take to give back what was cut off.
const GIVE_BACK: Duration = Duration::from_secs(2);
/// How often it is made sure that periodic jobs are there, and all are due in time.
const ENSURE: Duration = Duration::from_secs(300);

/// The queues of one database, before they are worked on.
pub struct Runner {
    database: Database,
    context: Context,
    source: &'static str,
    lease: Duration,
    lines: Vec<ServedQueue>,
}

/// One queue and who does its jobs.
struct ServedQueue {
    queue: Queue,
    /// Of a periodic one.
    period: Option<Duration>,
    work: Arc<dyn Work>,
    places: Arc<Semaphore>,
    series: JobSeries,
    /// Attempts that failed, and ends that could not be written down.
    failed: Recurring,
    unsettled: Recurring,
}

impl Runner {
    /// `source`: the service, as its events name it.
    pub fn new(database: Database, context: Context, source: &'static str) -> Self {
        Self { database, context, source, lease: LEASE, lines: Vec::new() }
    }

    #[cfg(test)]
    pub(super) fn with_lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// Does the jobs of a queue.
    #[must_use]
    pub fn queue(self, queue: Queue, work: impl Work) -> Self {
        self.line(queue, None, Arc::new(work))
    }

    /// Does something every `period`, after its end, in one process at a time. It is never parked: what fails is tried again
    /// after a pause that is no longer than the period.
    #[must_use]
    pub fn every<F, R>(self, name: &'static str, period: Duration, work: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), Error>> + Send + 'static,
    {
        self.line(Queue { places: 1, ..Queue::new(name) }, Some(period), Arc::new(Periodic(work)))
    }

    fn line(mut self, queue: Queue, period: Option<Duration>, work: Arc<dyn Work>) -> Self {
        let (places, series) = (Arc::new(Semaphore::new(queue.places as usize)), metrics().jobs.queue(queue.name));
        let (failed, unsettled) = (Recurring::new(), Recurring::new());
        self.lines.push(ServedQueue { queue, period, work, places, series, failed, unsettled });
        self
    }

    /// Begins to work.
    pub fn start(self) -> Workers {
        let Self { database, context, source, lease, lines } = self;
        let shared =
            Shared { database, context, source, lease, worker: platform::process_name(), held: Mutex::default() };
        let (shared, lines) = (Arc::new(shared), lines.into_iter().map(Arc::new).collect::<Vec<_>>());
        let stop = watch::Sender::new(false);
        let take =
            |line: &Arc<ServedQueue>| tokio::spawn(take_from(Arc::clone(&shared), Arc::clone(line), stop.subscribe()));
        let takers = lines.iter().map(take).collect();
        let renewal = tokio::spawn(renew(Arc::clone(&shared)));
        Workers { shared, lines, stop, takers: Mutex::new(takers), renewal }
    }
}

struct Periodic<F>(F);

#[async_trait]
impl<F, R> Work for Periodic<F>
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), Error>> + Send + 'static,
{
    async fn run(&self, _: &Record) -> Result<Done, Failed> {
        self.0().await?;
        Ok(Done::Outside)
    }
}

/// Those who work on the jobs of one database.
pub struct Workers {
    shared: Arc<Shared>,
    lines: Vec<Arc<ServedQueue>>,
    stop: watch::Sender<bool>,
    takers: Mutex<Vec<JoinHandle<()>>>,
    renewal: JoinHandle<()>,
}

struct Shared {
    database: Database,
    context: Context,
    source: &'static str,
    lease: Duration,
    worker: String,
    /// What this process works on.
    held: Mutex<HashMap<Lease, Working>>,
}

struct Working {
    record: Record,
    work: AbortHandle,
}

impl Workers {
    /// Takes no more, and waits for what is being worked on. What is not done by then is cut off, and due again at once: its try
    /// does not count.
    pub async fn stop(&self, patience: Duration) {
        let _ = self.stop.send(true);
        let takers = std::mem::take(&mut *lock(&self.takers));
        let finish = async {
            join_all(takers).await;
            for line in &self.lines {
                let _ = line.places.acquire_many(line.queue.places).await;
            }
        };
        let finished = tokio::time::timeout(patience, finish).await.is_ok();
        self.renewal.abort();
        if !finished {
            // What is not given back in time is due again when its lease is over.
            let _ = tokio::time::timeout(GIVE_BACK, self.give_back()).await;
        }
    }

    /// Cuts off what is worked on.
    async fn give_back(&self) {
        let cut_off: Vec<Working> = lock(&self.shared.held).drain().map(|(_, held)| held).collect();
        let give_back = cut_off.into_iter().map(|Working { record, work }| async move {
            work.abort();
            let (due_at, attempts) = (self.shared.context.now(), record.attempts - 1);
            let left = Left { due_at, attempts, error: record.error.clone(), parked_at: None };
            if let Err(error) = Table(&self.shared.database).settle(record.lease(), Some(left), Vec::new()).await {
                tell_unsettled(&record, &error, 1);
            }
        });
        join_all(give_back).await;
    }

    /// Tells the metrics what only a look shows.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn measure(&self) -> Result<(), StoreError> {
        for line in self.lines.iter().filter(|line| line.period.is_none()) {
            let counted = Table(&self.shared.database).count(line.queue.name).await?;
            line.series.pending.set(counted.pending);
            line.series.parked.set(counted.parked);
            let age = counted.due_since.map_or(0, |since| self.shared.context.now().0.saturating_sub(since.0).max(0));
            line.series.oldest_due_age_seconds.set(age as f64 / 1e6);
        }
        Ok(())
    }
}

/// Takes what is due and has it done, until told to stop.
async fn take_from(shared: Arc<Shared>, line: Arc<ServedQueue>, mut stopping: watch::Receiver<bool>) {
    let mut rung = shared.database.commits().subscribe();
    let (mut ensured, failing) = (None, Recurring::new());
    loop {
        let place = Arc::clone(&line.places).acquire_owned();
        let place = tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => return,
            place = place => place,
        };
        // Nobody closes the semaphore.
        let Ok(mut places) = place else { return };
        if let Ok(more) = Arc::clone(&line.places).try_acquire_many_owned(free(&line.places)) {
            places.merge(more);
        }
        let taken = shared.take(&line, places.num_permits(), &mut ensured).await;
        let queue = line.queue.name;
        if taken.is_ok() && failing.recovered() {
            tracing::info!(event = "jobs.take.resumed", queue, "jobs are taken again");
        }
        let taken = taken.unwrap_or_else(|error| {
            if let Some(failures) = failing.failed() {
                tracing::warn!(event = "jobs.take.failed", queue, %error, failures, "jobs cannot be taken");
            }
            Vec::new()
        });
        let idle = taken.is_empty();
        for record in taken {
            // No more were asked for than there are places.
            let Some(place) = places.split(1) else { break };
            tokio::spawn(Arc::clone(&shared).run(Arc::clone(&line), record, place));
        }
        drop(places);
        if idle {
            let rest = async {
                match line.period {
                    Some(period) => tokio::time::sleep((period / 10).clamp(COALESCE, LONG_POLL)).await,
                    None => {
                        let _ = tokio::time::timeout(POLL, rung.changed()).await;
                        tokio::time::sleep(COALESCE).await;
                    }
                }
            };
            tokio::select! {
                _ = stopping.wait_for(|stop| *stop) => return,
                () = rest => {}
            }
        }
    }
}

fn free(places: &Semaphore) -> u32 {
    u32::try_from(places.available_permits()).unwrap_or(u32::MAX)
}

/// Holds on to what is being worked on, for as long as the process lives.
async fn renew(shared: Arc<Shared>) {
    let failing = Recurring::new();
    loop {
        tokio::time::sleep(shared.lease / 3).await;
        let leases: Vec<Lease> = lock(&shared.held).keys().copied().collect();
        if leases.is_empty() {
            continue;
        }
        let until = shared.context.now().after(shared.lease);
        match Table(&shared.database).renew(leases, until).await {
            Ok(_) => drop(failing.recovered()),
            Err(error) => {
                if let Some(failures) = failing.failed() {
                    let lost = "jobs that are being worked on could not be held on to";
                    tracing::warn!(event = "jobs.renew.failed", %error, failures, "{lost}");
                }
            }
        }
    }
}

impl Shared {
    /// Takes up to so many due jobs, those of the highest priority first.
    async fn take(
        &self,
        line: &ServedQueue,
        places: usize,
        ensured: &mut Option<Instant>,
    ) -> Result<Vec<Record>, Error> {
        if !self.database.may_lease() {
            return Ok(Vec::new());
        }
        let (queue, now) = (line.queue.name, self.context.now());
        if ensured.is_none_or(|at| at.elapsed() > ENSURE) {
            self.ensure(queue, line.period, now).await?;
            *ensured = Some(Instant::now());
        }
        let mut taken = Vec::new();
        for priority in Table(&self.database).due(queue, now).await? {
            let wanted = i64::try_from(places - taken.len()).unwrap_or(i64::MAX);
            if wanted <= 0 {
                break;
            }
            match self.claim(queue, priority, wanted).await {
                Ok(claimed) => taken.extend(claimed),
                // Those that were taken are to be done.
                Err(_) if !taken.is_empty() => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(taken)
    }

    /// Makes sure that a periodic job is there, and that no job is due later than it can be.
    async fn ensure(&self, queue: &'static str, period: Option<Duration>, now: Timestamp) -> Result<(), Error> {
        let latest = now.after(period.unwrap_or(2 * MAX_PAUSE).max(self.lease));
        match period {
            Some(period) => {
                let id = self.context.id()?;
                Table(&self.database).ensure_periodic(id, queue, micros(period), now, latest).await?;
            }
            None => {
                let hastened = Table(&self.database).hasten(queue, now, latest).await?;
                if hastened > 0 {
                    tracing::warn!(
                        event = "jobs.hastened",
                        queue,
                        hastened,
                        "jobs were put off by a clock that was ahead"
                    );
                }
            }
        }
        Ok(())
    }

    async fn claim(&self, queue: &'static str, priority: Priority, limit: i64) -> Result<Vec<Record>, StoreError> {
        let now = self.context.now();
        Table(&self.database).claim((queue, priority), now, now.after(self.lease), &self.worker, limit).await
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Whole values are put in and taken out under these locks: a poisoned one is usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
