//! The feed's side at the database. One look at the log serves all who ask at the time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kernel::{Clock, Error, Timestamp};
use platform::telemetry::Recurring;
use storage::clock::StoreClock;
use storage::{Database, StoreError};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::{Changes, events};
use crate::log::events::Tail;

/// Between two looks, when no commit of this process rings: other processes write too.
const POLL: Duration = Duration::from_millis(50);
/// Gathers the commits of a moment into one look.
const COALESCE: Duration = Duration::from_millis(2);
/// Nobody has asked for so long: the log is left alone.
const IDLE: Duration = Duration::from_secs(2);
/// Changes that are kept for those who come late, and events without position that are told at a time.
const KEPT: usize = 4_096;
const BATCH: i64 = 1_000;
/// How long a look may take. A database that hangs must not hang the next look too.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a question waits for a change at most.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// Tells what changes in one service's database.
pub struct Source {
    clock: Arc<StoreClock>,
    looks: watch::Receiver<Option<Arc<Snapshot>>>,
    asked: Arc<Demand>,
}

struct Demand {
    last: Mutex<Option<Instant>>,
    rung: Notify,
}

/// The log as it was at one time.
struct Snapshot {
    at: Instant,
    /// Changes after this position are all in `recent`.
    floor: i64,
    head: i64,
    recent: Arc<VecDeque<(i64, Arc<str>)>>,
    /// Of events that have no position yet.
    pending: Vec<Arc<str>>,
}

impl Source {
    /// Looks at the log for as long as somebody asks.
    pub fn start(database: Database) -> Arc<Self> {
        let (sender, looks) = watch::channel(None);
        let asked = Arc::new(Demand { last: Mutex::new(None), rung: Notify::new() });
        let clock = Arc::clone(database.clock());
        tokio::spawn(look_on(database, sender, Arc::clone(&asked)));
        Arc::new(Self { clock, looks, asked })
    }

    /// What changed after a position; waits, but not for ever, until something did. Without a position, where the log ends now.
    ///
    /// # Errors
    /// `Unavailable` when the log could not be looked at yet.
    pub async fn changes(&self, after: Option<i64>, wait: Duration) -> Result<Changes, Error> {
        let arrived = Instant::now();
        self.asked.ring(arrived);
        let until = arrived + wait.min(MAX_WAIT);
        let mut looks = self.looks.clone();
        loop {
            let look = looks.borrow_and_update().clone();
            if let Some(look) = look.filter(|look| look.tells(after, arrived)) {
                return Ok(look.changes(after, arrived, self.clock.now()));
            }
            if !matches!(tokio::time::timeout_at(until, looks.changed()).await, Ok(Ok(()))) {
                let look = looks.borrow().clone();
                let unseen = || Error::Unavailable("the event log cannot be looked at".into());
                return Ok(look.ok_or_else(unseen)?.changes(after, arrived, self.clock.now()));
            }
        }
    }
}

impl Demand {
    fn ring(&self, now: Instant) {
        *self.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(now);
        self.rung.notify_one();
    }

    fn is_idle(&self) -> bool {
        self.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).is_none_or(|last| last.elapsed() > IDLE)
    }
}

impl Snapshot {
    /// Whether there is something to tell.
    fn tells(&self, after: Option<i64>, arrived: Instant) -> bool {
        match after {
            // Where the log ended before is of no use: what changed since would never be told.
            None => self.at >= arrived,
            Some(after) if after < self.head => true,
            // One who is ahead heard of it from another process, which looked later. Or the log was put back, which a new look tells.
            Some(after) => self.at >= arrived && (after > self.head || !self.pending.is_empty()),
        }
    }

    fn changes(&self, after: Option<i64>, arrived: Instant, time: Timestamp) -> Changes {
        // Who begins may have read before this look. A log that ends before was put back to an earlier state, unless the look is old.
        let put_back = |after| after > self.head && self.at >= arrived;
        let reset = after.is_none_or(|after| after < self.floor || put_back(after));
        let after = after.unwrap_or(self.head);
        let recent = self.recent.iter().filter(|(position, _)| *position > after).map(|(_, stale)| stale);
        let mut subjects: Vec<String> = if reset {
            Vec::new()
        } else {
            recent.chain(&self.pending).flat_map(|stale| stale.split(' ')).map(str::to_owned).collect()
        };
        subjects.sort_unstable();
        subjects.dedup();
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let looked_ms = if self.at >= arrived {
            millis(self.at.duration_since(arrived))
        } else {
            // Rounded towards the past.
            -millis(arrived.duration_since(self.at)) - 1
        };
        let position = if reset { self.head } else { self.head.max(after) };
        Changes { position, looked_ms, time: Some(time), reset, subjects }
    }

    /// The next look, made at `at`; and whether there is more to see at once.
    async fn next(before: Option<&Snapshot>, database: &Database, at: Instant) -> Result<(Snapshot, bool), StoreError> {
        let from = before.map_or(i64::MAX, |before| before.head);
        let Tail { head, new, pending } =
            tokio::time::timeout(PATIENCE, events::tail(database, from, BATCH))
                .await
                .map_err(|_| StoreError::Unavailable("the event log did not answer in time".into()))??;
        let more = new.len() >= BATCH as usize;
        // What was not seen as a whole tells nothing of the time of the look.
        let at = match before {
            Some(before) if more || pending.len() >= BATCH as usize => before.at,
            _ => at,
        };
        let Some(before) = before.filter(|before| before.head <= head) else {
            return Ok((Snapshot { at, floor: head, head, recent: Arc::default(), pending }, false));
        };
        let Some((head, _)) = new.last().cloned() else {
            return Ok((Snapshot { at, recent: Arc::clone(&before.recent), pending, ..*before }, false));
        };
        let (mut recent, mut floor) = (VecDeque::clone(&before.recent), before.floor);
        recent.extend(new);
        while recent.len() > KEPT
            && let Some((position, _)) = recent.pop_front()
        {
            floor = position;
        }
        Ok((Snapshot { at, floor, head, recent: Arc::new(recent), pending }, more))
    }
}

async fn look_on(database: Database, looks: watch::Sender<Option<Arc<Snapshot>>>, asked: Arc<Demand>) {
    let mut rung = database.commits().subscribe();
    let failing = Recurring::new();
    loop {
        if looks.is_closed() {
            return;
        }
        if asked.is_idle() {
            asked.rung.notified().await;
            // Too old to tell anything of.
            looks.send_replace(None);
        }
        let before = looks.borrow().clone();
        match Snapshot::next(before.as_deref(), &database, Instant::now()).await {
            Ok((look, more)) => {
                looks.send_replace(Some(Arc::new(look)));
                failing.recovered();
                if more {
                    continue;
                }
            }
            Err(error) => {
                if let Some(failures) = failing.failed() {
                    tracing::warn!(event = "feed.failed", %error, failures, "changes cannot be told until the log can be read");
                }
            }
        }
        let _ = tokio::time::timeout(POLL, rung.changed()).await;
        tokio::time::sleep(COALESCE).await;
    }
}
