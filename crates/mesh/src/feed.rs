//! The feed's side in a process that remembers what another service told.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use effects::log::{Changes, Tags};
use platform::telemetry::Recurring;
use storage::clock::StoreClock;
use tokio::time::Instant;

use crate::Peer;

/// How long one question waits for a change, and for its answer. What is asked of a process that hangs is soon asked of another.
const WAIT: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_millis(450);
/// What was heard at last counts for so long: a second, less what a request may take that has passed the check already.
const FRESH: Duration = Duration::from_millis(800);
/// Between questions that are not answered.
const PAUSE: Duration = Duration::from_millis(50);

/// Follows the changes of one service.
pub struct Follower {
    tags: Tags,
    started: Instant,
    /// Everything that happened before is known, in microseconds since `started`; negative: nothing is.
    known: AtomicI64,
}

impl Follower {
    /// Follows until it is dropped. `target` is where the service answers; `clock` is read from what it says.
    pub fn start(peer: Peer, target: &'static str, clock: Option<Arc<StoreClock>>) -> Arc<Self> {
        let follower = Arc::new(Self { tags: Tags::default(), started: Instant::now(), known: AtomicI64::new(-1) });
        let weak = Arc::downgrade(&follower);
        tokio::spawn(async move {
            let (mut position, failing) = (None, Recurring::new());
            while let Some(follower) = weak.upgrade() {
                let question = match position {
                    Some(position) => format!("{target}?wait_ms={}&after={position}", WAIT.as_millis()),
                    None => format!("{target}?wait_ms={}", WAIT.as_millis()),
                };
                let sent = Instant::now();
                match peer.get::<Changes>(&question, PATIENCE).await {
                    Ok(changes) => {
                        position = Some(changes.position);
                        if let Some((clock, time)) = clock.as_ref().zip(changes.time) {
                            clock.read(sent.into_std(), time);
                        }
                        follower.hear(sent, changes);
                        failing.recovered();
                    }
                    Err(error) => {
                        if let Some(failures) = failing.failed() {
                            tracing::warn!(event = "feed.lost", %error, failures, "changes are not heard of; nothing remembered counts");
                        }
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        });
        follower
    }

    pub fn tags(&self) -> &Tags {
        &self.tags
    }

    /// Whether what is remembered, and did not change as far as [`Follower::tags`] know, may be used.
    pub fn is_fresh(&self) -> bool {
        let now = self.micros(Instant::now());
        let known = self.known.load(Ordering::Acquire);
        known >= 0 && now - known <= i64::try_from(FRESH.as_micros()).unwrap_or(i64::MAX)
    }

    fn hear(&self, sent: Instant, changes: Changes) {
        match changes.reset {
            true => self.tags.all_changed(),
            false => changes.subjects.iter().for_each(|subject| self.tags.changed(subject)),
        }
        // Only now: whoever sees this sees the changes too. The question did not arrive before it was sent.
        let known = self.micros(sent).saturating_add(changes.looked_ms.saturating_mul(1_000));
        self.known.fetch_max(known, Ordering::Release);
    }

    fn micros(&self, at: Instant) -> i64 {
        i64::try_from(at.saturating_duration_since(self.started).as_micros()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests;
