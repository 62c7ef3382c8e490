//! The side of the feed that remembers something.

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
pub const WAIT: Duration = Duration::from_millis(200);
/// Between questions that are not answered.
const PAUSE: Duration = Duration::from_millis(50);

/// When changes are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Who asks whether something holds must not wait for the first answer.
    Always,
    /// While somebody asks.
    Wanted,
}

/// What is known of the changes of one service.
pub struct Follower {
    tags: Tags,
    started: Instant,
    /// Everything that happened before is known, in microseconds since `started`; negative: nothing is.
    known: AtomicI64,
    /// When it was last asked whether something holds, likewise.
    asked: AtomicI64,
    wanted: Arc<Notify>,
}

impl Follower {
    /// Follows the changes of a database of this process, while somebody asks; those that this process commits are heard before they
    /// are answered.
    pub fn beside(database: &Database, source: Arc<Source>) -> Arc<Self> {
        let follower = Self::start(When::Wanted, move |position| {
            let source = Arc::clone(&source);
            // The source has it logged when it cannot answer.
            async move { source.changes(position, WAIT).await.ok() }
        });
        let listener: Weak<Self> = Arc::downgrade(&follower);
        database.commits().listen(listener);
        follower
    }

    /// Follows a service's [`Source`] until it is dropped. `ask` waits for changes after a position, and returns none when it was not
    /// answered.
    pub fn start<A, R>(when: When, ask: A) -> Arc<Self>
    where
        A: Fn(Option<i64>) -> R + Send + 'static,
        R: Future<Output = Option<Changes>> + Send,
    {
        let nothing = || AtomicI64::new(-1);
        let follower = Arc::new(Self {
            tags: Tags::default(),
            started: Instant::now(),
            known: nothing(),
            asked: nothing(),
            wanted: Arc::default(),
        });
        let (weak, wanted) = (Arc::downgrade(&follower), Arc::clone(&follower.wanted));
        tokio::spawn(async move {
            let mut position = None;
            // Not held while it waits, or nobody else could drop it.
            while let Some(is_idle) = weak.upgrade().map(|follower| follower.is_idle()) {
                if is_idle && when == When::Wanted {
                    wanted.notified().await;
                    continue;
                }
                let sent = Instant::now();
                match ask(position).await {
                    Some(changes) => {
                        position = Some(changes.position);
                        if let Some(follower) = weak.upgrade() {
                            follower.take_over(sent, &changes);
                        }
                    }
                    None => tokio::time::sleep(PAUSE).await,
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

    fn is_idle(&self) -> bool {
        is_idle(self.asked.load(Ordering::Relaxed), self.micros(Instant::now()))
    }

    /// Takes over the answer to a question that was sent then.
    fn take_over(&self, sent: Instant, changes: &Changes) {
        if changes.reset {
            self.tags.all_changed()
        } else {
            changes.subjects.iter().for_each(|tag| self.tags.changed(tag))
        }
        // Only now: whoever sees this sees the changes too. The question did not arrive before it was sent.
        let known = self.micros(sent).saturating_add(changes.looked_ms.saturating_mul(1_000));
        self.known.fetch_max(known, Ordering::Release);
    }

    fn micros(&self, at: Instant) -> i64 {
        micros(at.saturating_duration_since(self.started))
    }
}

impl Drop for Follower {
    /// Ends who follows for it.
    fn drop(&mut self) {
        self.wanted.notify_one();
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
