//! How many calls may be tried again. Without a bound, retries multiply the load of a service just when it has too much.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// A retry costs a thousand of these, and each call earns a tenth of that.
const RETRY: i64 = 1_000;
const EARNED: i64 = RETRY / 10;
/// Retries that may be saved up: enough for the calls that one instance can lose at once.
const SAVED: i64 = 500 * RETRY;
/// So that few calls can be tried again too: ten retries a second are free.
const RESERVE_EVERY: Duration = Duration::from_millis(100);
const RESERVE: Duration = Duration::from_secs(1);

/// A tenth of the calls, and a small reserve.
pub struct Budget {
    started: Instant,
    saved: AtomicI64,
    /// The time, in nanoseconds from `started`, at which all of the reserve is there again.
    reserve_full: AtomicU64,
}

impl Budget {
    pub fn start(now: Instant) -> Self {
        Self { started: now, saved: AtomicI64::new(0), reserve_full: AtomicU64::new(0) }
    }

    /// A call was made.
    pub fn earn(&self) {
        // Calls that come at once may save a little too much: that does no harm.
        if self.saved.load(Ordering::Relaxed) < SAVED {
            self.saved.fetch_add(EARNED, Ordering::Relaxed);
        }
    }

    /// Whether one more retry is within the budget; it is taken from it then.
    pub fn spend(&self, now: Instant) -> bool {
        let spend = |saved: i64| (saved >= RETRY).then(|| saved - RETRY);
        self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend).is_ok() || self.spend_reserve(now)
    }

    fn spend_reserve(&self, now: Instant) -> bool {
        let now = nanos(now.saturating_duration_since(self.started));
        let spend = |full: u64| {
            let then = full.max(now) + nanos(RESERVE_EVERY);
            (then <= now + nanos(RESERVE)).then_some(then)
        };
        self.reserve_full.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend).is_ok()
    }
}

/// Five hundred years fit.
pub fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(budget: &Budget, now: Instant) -> usize {
        (0..10_000).take_while(|_| budget.spend(now)).count()
    }

    #[test]
    fn a_tenth_of_the_calls_may_be_tried_again() {
        let now = Instant::now();
        let budget = Budget::start(now);
        assert_eq!(spent(&budget, now), 10, "the reserve");
        (0..1_000).for_each(|_| budget.earn());
        assert_eq!(spent(&budget, now), 100);
        (0..1_000_000).for_each(|_| budget.earn());
        assert_eq!(spent(&budget, now), 500, "what is saved has a bound");
    }

    #[test]
    fn the_reserve_comes_back_with_time() {
        let now = Instant::now();
        let budget = Budget::start(now);
        assert_eq!(spent(&budget, now), 10);
        assert_eq!(spent(&budget, now + RESERVE_EVERY * 3), 3);
        assert_eq!(spent(&budget, now + Duration::from_secs(60)), 10, "it does not pile up");
    }
}
