//! Stops calling a service that fails most of its calls, whatever was tried, so that its callers fail at once instead of waiting.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::IntGauge;
use tokio::time::Instant;

/// Seconds that are looked at.
const WINDOW: usize = 5;
/// So many calls say nothing yet.
const ENOUGH: u32 = 20;
const OPEN: Duration = Duration::from_secs(1);
/// Calls that may try whether it works again, at a time; so many must succeed.
const TRIALS: u32 = 3;

const CLOSED: u8 = 0;
const HALF_OPEN: u8 = 1;
const OPENED: u8 = 2;

/// Closed while calls succeed. In that state it costs a call two atomic operations.
pub struct Breaker {
    name: &'static str,
    started: Instant,
    /// One of the constants, as the metric has them.
    state: AtomicU8,
    seconds: [Second; WINDOW],
    trials: Mutex<Trials>,
    gauge: IntGauge,
}

/// What happened in one second. Calls that end while it is reused may be lost: this counts by rule of thumb.
#[derive(Default)]
struct Second {
    /// Which one, counted from one. Zero has nothing to tell.
    number: AtomicU64,
    succeeded: AtomicU32,
    failed: AtomicU32,
}

struct Trials {
    open_until: Instant,
    running: u32,
    succeeded: u32,
}

/// Leave for one call. What became of the call is told to it; one that was given up tells nothing.
#[must_use]
pub struct Admission<'a> {
    breaker: &'a Breaker,
    trial: bool,
}

impl Breaker {
    pub fn new(name: &'static str, gauge: IntGauge, now: Instant) -> Self {
        gauge.set(CLOSED.into());
        Self {
            name,
            started: now,
            state: AtomicU8::new(CLOSED),
            seconds: Default::default(),
            trials: Mutex::new(Trials { open_until: now, running: 0, succeeded: 0 }),
            gauge,
        }
    }

    /// `None` when the call is to fail at once.
    pub fn admit(&self, now: Instant) -> Option<Admission<'_>> {
        if self.state.load(Ordering::Relaxed) == CLOSED {
            return Some(Admission { breaker: self, trial: false });
        }
        let mut trials = self.trials();
        // It may have closed meanwhile.
        match self.state.load(Ordering::Relaxed) {
            CLOSED => return Some(Admission { breaker: self, trial: false }),
            OPENED if now >= trials.open_until => self.become_half_open(&mut trials),
            _ => {}
        }
        if self.state.load(Ordering::Relaxed) == OPENED || trials.running >= TRIALS {
            return None;
        }
        trials.running += 1;
        Some(Admission { breaker: self, trial: true })
    }

    /// Something suggests that the service works again: calls may try.
    pub fn hasten(&self) {
        let mut trials = self.trials();
        if self.state.load(Ordering::Relaxed) == OPENED {
            self.become_half_open(&mut trials);
        }
    }

    fn record(&self, now: Instant, succeeded: bool) {
        let number = now.saturating_duration_since(self.started).as_secs() + 1;
        let second = &self.seconds[number as usize % WINDOW];
        let before = second.number.load(Ordering::Relaxed);
        if before != number
            && second.number.compare_exchange(before, number, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            second.succeeded.store(0, Ordering::Relaxed);
            second.failed.store(0, Ordering::Relaxed);
        }
        if succeeded {
            second.succeeded.fetch_add(1, Ordering::Relaxed);
            return;
        }
        second.failed.fetch_add(1, Ordering::Relaxed);
        let (succeeded, failed) = self.counts(number);
        if failed + succeeded >= ENOUGH && failed >= succeeded {
            let mut trials = self.trials();
            if self.state.load(Ordering::Relaxed) == CLOSED {
                self.open(&mut trials, now);
            }
        }
    }

    fn counts(&self, number: u64) -> (u32, u32) {
        let recent = self.seconds.iter().filter(|second| {
            let its = second.number.load(Ordering::Relaxed);
            its > 0 && its + WINDOW as u64 > number
        });
        recent.fold((0, 0), |(succeeded, failed), second| {
            let more = second.succeeded.load(Ordering::Relaxed);
            (succeeded + more, failed + second.failed.load(Ordering::Relaxed))
        })
    }

    fn open(&self, trials: &mut Trials, now: Instant) {
        trials.open_until = now + OPEN;
        self.become_(OPENED);
        tracing::warn!(event = "upstream.breaker.opened", dependency = self.name, "most calls fail, so none are made");
    }

    fn become_half_open(&self, trials: &mut Trials) {
        (trials.running, trials.succeeded) = (0, 0);
        self.become_(HALF_OPEN);
    }

    fn tried(&self, now: Instant, succeeded: Option<bool>) {
        let mut trials = self.trials();
        // Of trials that ended after the state did, nothing is wanted any more.
        if self.state.load(Ordering::Relaxed) != HALF_OPEN {
            return;
        }
        trials.running = trials.running.saturating_sub(1);
        match succeeded {
            Some(true) => trials.succeeded += 1,
            Some(false) => return self.open(&mut trials, now),
            None => {}
        }
        if trials.succeeded >= TRIALS {
            self.seconds.iter().for_each(|second| second.number.store(0, Ordering::Relaxed));
            self.become_(CLOSED);
            tracing::info!(event = "upstream.breaker.closed", dependency = self.name, "calls succeed again");
        }
    }

    fn become_(&self, state: u8) {
        self.state.store(state, Ordering::Relaxed);
        self.gauge.set(state.into());
    }

    /// Nothing panics under this lock, and what it holds is right at any time.
    fn trials(&self) -> MutexGuard<'_, Trials> {
        self.trials.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admission<'_> {
    /// The call was answered, or failed after all that was tried.
    pub fn ended(mut self, now: Instant, succeeded: bool) {
        if std::mem::take(&mut self.trial) {
            self.breaker.tried(now, Some(succeeded));
        } else {
            self.breaker.record(now, succeeded);
        }
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        if self.trial {
            self.breaker.tried(Instant::now(), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker(now: Instant) -> Breaker {
        Breaker::new("test", IntGauge::new("test", "test").unwrap(), now)
    }

    fn calls(breaker: &Breaker, now: Instant, count: usize, succeeded: bool) {
        (0..count).for_each(|_| breaker.admit(now).unwrap().ended(now, succeeded));
    }

    #[test]
    fn it_opens_when_half_of_enough_calls_failed() {
        let now = Instant::now();
        let breaker = breaker(now);
        calls(&breaker, now, 19, false);
        assert!(breaker.admit(now).is_some(), "nineteen say nothing");
        calls(&breaker, now, 1, false);
        assert!(breaker.admit(now).is_none());
        assert_eq!(breaker.gauge.get(), 2);
    }

    #[test]
    fn fewer_failures_do_not_open_it() {
        let now = Instant::now();
        let breaker = breaker(now);
        calls(&breaker, now, 60, true);
        calls(&breaker, now, 59, false);
        assert!(breaker.admit(now).is_some());
        calls(&breaker, now, 1, false);
        assert!(breaker.admit(now).is_none());
    }

    #[test]
    fn what_is_long_ago_does_not_count() {
        let now = Instant::now();
        let breaker = breaker(now);
        calls(&breaker, now, 19, false);
        calls(&breaker, now + Duration::from_secs(5), 1, false);
        assert!(breaker.admit(now).is_some());
        calls(&breaker, now + Duration::from_secs(6), 18, false);
        assert!(breaker.admit(now).is_some());
        calls(&breaker, now + Duration::from_secs(9), 1, false);
        assert!(breaker.admit(now).is_none(), "twenty within five seconds");
    }

    #[test]
    fn a_few_calls_try_whether_it_works_again() {
        let now = Instant::now();
        let breaker = breaker(now);
        calls(&breaker, now, 20, false);
        assert!(breaker.admit(now + OPEN - Duration::from_millis(1)).is_none());
        let later = now + OPEN;
        let trials: Vec<_> = (0..3).map(|_| breaker.admit(later).unwrap()).collect();
        assert!(breaker.admit(later).is_none(), "three at a time");
        assert_eq!(breaker.gauge.get(), 1);
        trials.into_iter().for_each(|trial| trial.ended(later, true));
        assert_eq!(breaker.gauge.get(), 0);
        calls(&breaker, later, 19, false);
        assert!(breaker.admit(later).is_some(), "what was before is forgotten");
    }

    #[test]
    fn a_trial_that_fails_opens_it_again_and_one_that_is_given_up_gives_its_place_back() {
        let now = Instant::now();
        let breaker = breaker(now);
        calls(&breaker, now, 20, false);
        let later = now + OPEN;
        (0..10).for_each(|_| drop(breaker.admit(later).unwrap()));
        calls(&breaker, later, 1, false);
        assert!(breaker.admit(later).is_none());
        breaker.hasten();
        assert!(breaker.admit(later).is_some(), "hastened");
    }
}
