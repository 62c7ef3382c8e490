//! Failures that may come many times a second: logged at once, then once in a while with their count.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How often one that goes on is logged, unless something else is said.
const EVERY: Duration = Duration::from_secs(60);

/// One kind of failure, at one place.
#[derive(Debug)]
pub struct Recurring {
    every: Duration,
    state: Mutex<State>,
}

impl Default for Recurring {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Debug, Default)]
struct State {
    logged: Option<Instant>,
    /// Since then.
    failures: u64,
}

impl Recurring {
    pub const fn new() -> Self {
        Self::every(EVERY)
    }

    /// As [`Recurring::new`], logged once in so long.
    pub const fn every(every: Duration) -> Self {
        Self { every, state: Mutex::new(State { logged: None, failures: 0 }) }
    }

    /// Counts a failure. Returns how many there were since the last that was logged, if this one is to be.
    pub fn failed(&self) -> Option<u64> {
        self.failed_at(Instant::now())
    }

    /// The work went well again. Whether that is worth a line: it failed before.
    pub fn recovered(&self) -> bool {
        std::mem::take(&mut *self.state()).logged.is_some()
    }

    fn failed_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.state();
        state.failures += 1;
        if state.logged.is_some_and(|logged| now.duration_since(logged) < self.every) {
            return None;
        }
        state.logged = Some(now);
        Some(std::mem::take(&mut state.failures))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Two plain values: a poisoned lock guards nothing half-made.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_logged_and_then_one_a_minute_with_their_count() {
        let failures = Recurring::new();
        let start = Instant::now();
        let at = |seconds| failures.failed_at(start + Duration::from_secs(seconds));
        assert!(!failures.recovered(), "nothing had failed");
        assert_eq!(at(0), Some(1));
        assert_eq!((1..60).filter_map(at).count(), 0);
        assert_eq!(at(60), Some(60));
        assert_eq!(at(61), None);
        assert!(failures.recovered());
        assert!(!failures.recovered());
        assert_eq!(at(62), Some(1), "the next failure is a new one");
    }
}
