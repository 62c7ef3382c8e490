//! The feed's side in a process that remembers something.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use storage::Database;
use storage::commits::Listener;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Changes, Source, Tags};

/// What was heard at last counts for so long: a second, less what a request may take that has passed the check already.
const FRESH: Duration = Duration::from_millis(800);
/// Nobody has asked for so long whether something still holds: changes need not be followed.
const IDLE: Duration = Duration::from_secs(2);
/// How long one question waits for a change.
const WAIT: Duration = Duration::from_millis(200);
/// Between questions that are not answered.
const PAUSE: Duration = Duration::from_millis(50);

/// What is known of the changes of one service. Who drives it asks that service's [`Source`], here or elsewhere.
pub struct Follower {
    tags: Tags,
    started: Instant,
    /// Everything that happened before is known, in microseconds since `started`; negative: nothing is.
    known: AtomicI64,
    /// When it was last asked whether something holds, likewise.
    asked: AtomicI64,
    wanted: Notify,
}

impl Default for Follower {
    fn default() -> Self {
        let nothing = || AtomicI64::new(-1);
        Self {
            tags: Tags::default(),
            started: Instant::now(),
            known: nothing(),
            asked: nothing(),
            wanted: Notify::new(),
        }
    }
}

impl Follower {
    /// Follows the changes of a database of this process, while somebody asks; those that this process commits are heard before they
    /// are answered.
    pub fn beside(database: &Database, source: Arc<Source>) -> Arc<Self> {
        let follower = Arc::<Self>::default();
        let weak: Weak<Self> = Arc::downgrade(&follower);
        database.commits().listen(weak.clone());
        tokio::spawn(async move {
            let mut position = None;
            while let Some(follower) = weak.upgrade() {
                follower.is_wanted().await;
                let asked = Instant::now();
                match source.changes(position, WAIT).await {
                    Ok(changes) => {
                        position = Some(changes.position);
                        follower.hear(asked, &changes);
                    }
                    // The source has it logged.
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
            }
        });
        follower
    }

    /// What changed, as far as is known.
    pub fn tags(&self) -> &Tags {
        &self.tags
    }

    /// Whether what is remembered, and did not change as far as [`Follower::tags`] know, may be used.
    pub fn is_fresh(&self) -> bool {
        let now = self.micros(Instant::now());
        if is_idle(self.asked.swap(now, Ordering::Relaxed), now) {
            self.wanted.notify_one();
        }
        let known = self.known.load(Ordering::Acquire);
        known >= 0 && now - known <= micros(FRESH)
    }

    /// Waits until somebody asks whether something holds, if nobody has for a while.
    pub async fn is_wanted(&self) {
        if is_idle(self.asked.load(Ordering::Relaxed), self.micros(Instant::now())) {
            self.wanted.notified().await;
        }
    }

    /// Takes over the answer to a question that was sent then.
    pub fn hear(&self, sent: Instant, changes: &Changes) {
        match changes.reset {
            true => self.tags.all_changed(),
            false => changes.subjects.iter().for_each(|tag| self.tags.changed(tag)),
        }
        // Only now: whoever sees this sees the changes too. The question did not arrive before it was sent.
        let known = self.micros(sent).saturating_add(changes.looked_ms.saturating_mul(1_000));
        self.known.fetch_max(known, Ordering::Release);
    }

    fn micros(&self, at: Instant) -> i64 {
        micros(at.saturating_duration_since(self.started))
    }
}

impl Listener for Follower {
    fn hear(&self, stale: &[Box<str>]) {
        stale.iter().for_each(|tag| self.tags.changed(tag));
    }
}

fn is_idle(asked: i64, now: i64) -> bool {
    asked < 0 || now - asked > micros(IDLE)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
