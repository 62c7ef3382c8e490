//! How busy an instance is: how long it takes to answer, and how much it has to do.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::budget::nanos;

/// How fast a latency is forgotten. Slow calls stand beside quick ones (a log-in takes a hundred times as long as a read), so this is
/// short: else one of them would send everybody elsewhere for long.
const MEMORY: Duration = Duration::from_secs(2);
/// Differences below are noise.
const LEAST: f64 = 100_000.0;

/// The peak of an instance's latency, which a slower answer raises at once and time lowers, and its calls. All of it is a guess that
/// calls on other threads change meanwhile, so nothing here is exact, or locked.
pub struct Load {
    started: Instant,
    /// Nanoseconds as an `f64`; zero before the first answer.
    peak: AtomicU64,
    /// When it was measured, in nanoseconds from `started`.
    measured: AtomicU64,
    /// When the instance last answered, or was asked after it had nothing to do.
    moved: AtomicU64,
    /// Calls that wait for an answer's head.
    waiting: AtomicUsize,
    /// Calls whose answer's body has not ended.
    in_flight: AtomicUsize,
}

impl Load {
    pub fn start(now: Instant) -> Self {
        Self {
            started: now,
            peak: AtomicU64::new(0),
            measured: AtomicU64::new(0),
            moved: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
        }
    }

    pub fn begin(&self, now: Instant) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        if self.waiting.fetch_add(1, Ordering::Relaxed) == 0 {
            self.moved.store(self.at(now), Ordering::Relaxed);
        }
    }

    /// A call waits no longer, for whatever reason.
    pub fn waited(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    pub fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// An answer's head arrived, or the call was given up after this time.
    pub fn measure(&self, now: Instant, took: Duration) {
        let now = self.at(now);
        let took = nanos(took) as f64;
        let before = f64::from_bits(self.peak.load(Ordering::Relaxed));
        let kept = faded(now.saturating_sub(self.measured.load(Ordering::Relaxed)));
        let peak = if took > before { took } else { before * kept + took * (1.0 - kept) };
        self.peak.store(peak.to_bits(), Ordering::Relaxed);
        self.measured.store(now, Ordering::Relaxed);
        self.moved.store(now, Ordering::Relaxed);
    }

    /// Nothing is known of an instance that was away.
    pub fn forget(&self) {
        self.peak.store(0, Ordering::Relaxed);
    }

    /// The latency to expect, if anything is known. One that owes answers and gives none is at least as slow as that lasts; one that is
    /// not asked gets its chance again with time.
    fn latency(&self, now: Instant) -> Option<f64> {
        let now = self.at(now);
        let peak = f64::from_bits(self.peak.load(Ordering::Relaxed));
        if self.waiting.load(Ordering::Relaxed) > 0 {
            let still = now.saturating_sub(self.moved.load(Ordering::Relaxed)) as f64;
            return (peak > 0.0 || still > LEAST).then(|| peak.max(still).max(LEAST));
        }
        let kept = faded(now.saturating_sub(self.measured.load(Ordering::Relaxed)));
        (peak > 0.0).then(|| (peak * kept).max(LEAST))
    }

    fn at(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.started))
    }
}

/// What is left of a measurement after so many nanoseconds.
fn faded(nanoseconds: u64) -> f64 {
    (-(nanoseconds as f64) / nanos(MEMORY) as f64).exp()
}

/// Whether the first has less to do than the second. One that nothing is known of is taken to be as fast as the other.
pub fn is_less(first: &Load, second: &Load, now: Instant) -> bool {
    let (one, other) = (first.latency(now), second.latency(now));
    let cost = |load: &Load, latency: Option<f64>, instead: Option<f64>| {
        latency.or(instead).unwrap_or(LEAST) * (load.in_flight() + 1) as f64
    };
    cost(first, one, other) < cost(second, other, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn answer(load: &Load, now: Instant, took: Duration) {
        load.begin(now);
        load.waited();
        load.measure(now, took);
        load.end();
    }

    #[test]
    fn a_slow_answer_counts_at_once_and_is_forgotten_with_time() {
        let now = Instant::now();
        let (quick, slow) = (Load::start(now), Load::start(now));
        answer(&quick, now, MS);
        answer(&slow, now, MS);
        answer(&slow, now, 50 * MS);
        assert!(is_less(&quick, &slow, now));
        answer(&quick, now + 30 * 1_000 * MS, MS);
        assert!(is_less(&slow, &quick, now + 30 * 1_000 * MS), "it gets a chance again");
        let later = now + 30 * 1_000 * MS;
        (1..6).for_each(|second| answer(&slow, later + second * 1_000 * MS, 2 * MS));
        let latency = slow.latency(later + 5_000 * MS).unwrap();
        assert!((1.9e6..2.6e6).contains(&latency), "{latency}");
    }

    #[test]
    fn of_equally_quick_ones_the_one_with_less_to_do_is_taken() {
        let now = Instant::now();
        let (idle, busy) = (Load::start(now), Load::start(now));
        answer(&idle, now, MS);
        answer(&busy, now, MS);
        busy.begin(now);
        assert!(is_less(&idle, &busy, now) && !is_less(&busy, &idle, now));
        busy.waited();
        assert!(is_less(&idle, &busy, now), "an answer that is not taken whole is work too");
        busy.end();
        assert!(!is_less(&idle, &busy, now));
    }

    #[test]
    fn one_that_owes_answers_grows_slower_while_it_gives_none() {
        let now = Instant::now();
        let (hung, other) = (Load::start(now), Load::start(now));
        answer(&hung, now, MS);
        answer(&other, now, 10 * MS);
        hung.begin(now);
        assert!(is_less(&hung, &other, now + MS));
        assert!(is_less(&other, &hung, now + 40 * MS));
        hung.waited();
        hung.measure(now + 40 * MS, MS);
        hung.end();
        assert!(is_less(&hung, &other, now + 40 * MS));
    }

    #[test]
    fn one_that_nothing_is_known_of_is_not_flooded() {
        let now = Instant::now();
        let (known, fresh) = (Load::start(now), Load::start(now));
        answer(&known, now, 5 * MS);
        assert!(!is_less(&fresh, &known, now), "taken to be as fast");
        fresh.begin(now);
        assert!(is_less(&known, &fresh, now));
    }
}
