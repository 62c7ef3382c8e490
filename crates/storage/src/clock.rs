//! The clock of a database. What expires in a database expires by that clock, whatever the clocks of the processes around it say.
//!
//! PostgreSQL has a clock, which is read once a second; in between, time goes on as the machine's uptime does. SQLite has none:
//! there the system's clock is followed for as long as it agrees with the uptime. If it leaps by more than a minute, time goes on as before, and nothing is deleted for its age until somebody confirms the new time.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use kernel::{Clock, SystemClock, Timestamp};
use platform::telemetry::metrics::{ClockSeries, metrics};

use crate::StoreError;

/// Between two readings.
pub const READING: Duration = Duration::from_secs(1);
/// By how much the clocks of a process and of its database may differ without a word.
pub const AGREEMENT: Duration = Duration::from_secs(2);
/// Beyond it, a process takes no requests.
pub const TOLERANCE: Duration = Duration::from_secs(30);
/// By how much a clock may be set at once, beside SQLite, and be followed.
pub const LEAP: Duration = Duration::from_secs(60);

/// One database's clock, as one process reads it.
pub struct StoreClock {
    /// The service whose database it is.
    service: &'static str,
    system: Arc<dyn Clock>,
    /// The time when the machine started, in microseconds since the epoch.
    origin: AtomicI64,
    /// Held by who corrects it: a correction that two make at once would be made twice.
    correcting: Mutex<()>,
    /// Microseconds by which the system's clock is ahead.
    ahead: AtomicI64,
    /// Whether it differs by more than may be.
    differs: AtomicBool,
    series: ClockSeries,
}

impl Clock for StoreClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.origin.load(Ordering::Relaxed).saturating_add(uptime()))
    }
}

impl StoreClock {
    /// Begins with the system's time.
    pub fn start(service: &'static str, system: Arc<dyn Clock>) -> Self {
        let origin = AtomicI64::new(system.now().0 - uptime());
        let series = metrics().databases.clock(service);
        let (ahead, differs) = (AtomicI64::new(0), AtomicBool::new(false));
        Self { service, system, origin, correcting: Mutex::default(), ahead, differs, series }
    }

    /// Takes over a reading of the database's clock, which was asked for at `asked` and is here now. It was read at some time in between:
    /// what may be right is left alone.
    pub fn read(&self, asked: Instant, reading: Timestamp) {
        let _turn = self.turn();
        let took = asked.elapsed();
        self.origin.fetch_sub(ahead(self.now(), reading, took), Ordering::Relaxed);
        let ahead = ahead(self.system.now(), reading, took);
        if self.compare(ahead, AGREEMENT) {
            self.tell_difference(ahead);
        }
    }

    /// Follows the system's clock, unless it has leapt. Returns by how many microseconds it leaps now, if it does.
    pub fn follow(&self) -> Option<i64> {
        let _turn = self.turn();
        let ahead = self.system.now().0 - self.now().0;
        let changed = self.compare(ahead, LEAP);
        if !self.differs() {
            self.set();
        }
        if changed {
            self.tell_leap(ahead);
        }
        (changed && self.differs()).then_some(ahead)
    }

    /// Takes the system's time for right.
    pub fn confirm(&self) {
        let _turn = self.turn();
        self.set();
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        // It guards atomics, each of which is whole.
        self.correcting.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn set(&self) {
        self.origin.fetch_add(self.system.now().0 - self.now().0, Ordering::Relaxed);
        self.compare(0, LEAP);
    }

    /// Whether the system's clock differs by more than may be.
    pub fn differs(&self) -> bool {
        self.differs.load(Ordering::Relaxed)
    }

    /// # Errors
    /// `Clock` when the two are too far apart for requests to be answered.
    pub fn check(&self) -> Result<(), StoreError> {
        let ahead = self.ahead.load(Ordering::Relaxed);
        if u128::from(ahead.unsigned_abs()) > TOLERANCE.as_micros() {
            Err(StoreError::Clock(words(ahead)))
        } else {
            Ok(())
        }
    }

    /// Whether it begins or ceases to differ.
    fn compare(&self, ahead: i64, most: Duration) -> bool {
        self.ahead.store(ahead, Ordering::Relaxed);
        self.series.ahead_seconds.set(ahead as f64 / 1e6);
        let differs = ahead.unsigned_abs() > most.as_micros().try_into().unwrap_or(u64::MAX);
        self.differs.swap(differs, Ordering::Relaxed) != differs
    }

    fn tell_difference(&self, ahead: i64) {
        let (service, ahead_ms) = (self.service, ahead / 1_000);
        if self.differs() {
            tracing::error!(
                event = "clock.differs",
                service,
                ahead_ms,
                "this machine's clock is not its database's: correct it; until then this process deletes nothing for its age, and takes no jobs"
            )
        } else {
            tracing::info!(event = "clock.agrees", service, ahead_ms, "this machine's clock is its database's again")
        }
    }

    fn tell_leap(&self, ahead: i64) {
        let (service, ahead_ms) = (self.service, ahead / 1_000);
        if self.differs() {
            tracing::error!(
                event = "clock.leapt",
                service,
                ahead_ms,
                "this machine's clock leapt: correct it, or say that it is right with `primetrade clock confirm`; until then nothing is deleted for its age"
            )
        } else {
            tracing::info!(
                event = "clock.agrees",
                service,
                ahead_ms,
                "this machine's clock is as it was before it leapt"
            )
        }
    }
}

/// Microseconds by which a time is ahead of another clock, whose reading took so long.
pub fn ahead(time: Timestamp, reading: Timestamp, took: Duration) -> i64 {
    time.0 - time.clamp(reading, reading.after(took)).0
}

/// The clock of a process: that of its first database, as soon as it has one.
#[derive(Default)]
pub struct ProcessClock(OnceLock<Arc<StoreClock>>);

impl ProcessClock {
    /// Goes by this clock, unless it goes by one already.
    pub fn follow(&self, clock: &Arc<StoreClock>) {
        self.0.get_or_init(|| Arc::clone(clock));
    }
}

impl Clock for ProcessClock {
    fn now(&self) -> Timestamp {
        self.0.get().map_or_else(|| SystemClock.now(), |clock| clock.now())
    }
}

/// How far ahead a clock is of another, in words: `25 h 0 min ahead of`, `1.5 s behind`.
pub fn words(ahead: i64) -> String {
    let seconds = ahead.unsigned_abs() / 1_000_000;
    let size = match seconds {
        0..120 => format!("{:.1} s", ahead.unsigned_abs() as f64 / 1e6),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    };
    format!("{size} {}", if ahead < 0 { "behind" } else { "ahead of" })
}

/// Microseconds since the machine started, those that it slept included: a machine that wakes up has no clock that leapt.
#[cfg(target_os = "linux")]
fn uptime() -> i64 {
    let up = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    up.tv_sec.saturating_mul(1_000_000).saturating_add(up.tv_nsec / 1_000)
}

/// As on Linux, but for the time that the machine slept.
#[cfg(not(target_os = "linux"))]
fn uptime() -> i64 {
    static STARTED: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    i64::try_from(STARTED.elapsed().as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_800_000_000_000_000);
    const HOUR: i64 = 3_600_000_000;
    /// What a test takes, in microseconds.
    const MOMENT: i64 = 1_000_000;

    /// A clock that is set by hand.
    #[derive(Default)]
    struct Hand(AtomicI64);

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            START.plus(self.0.load(Ordering::Relaxed))
        }
    }

    trait Plus {
        fn plus(self, micros: i64) -> Self;
    }

    impl Plus for Timestamp {
        fn plus(self, micros: i64) -> Self {
            Timestamp(self.0 + micros)
        }
    }

    fn clock() -> (Arc<Hand>, StoreClock) {
        let hand = Arc::new(Hand::default());
        let clock = StoreClock::start("auth", Arc::clone(&hand) as Arc<dyn Clock>);
        (hand, clock)
    }

    #[track_caller]
    fn assert_about(found: Timestamp, expected: Timestamp) {
        assert!((found.0 - expected.0).abs() < MOMENT, "{found:?}, not {expected:?}");
    }

    #[test]
    fn the_databases_clock_decides_and_a_process_that_differs_says_so() {
        let (hand, clock) = clock();
        for ahead in [0, 25 * HOUR, -HOUR / 6, 31 * 24 * HOUR, 0] {
            hand.0.store(ahead, Ordering::Relaxed);
            clock.read(Instant::now(), START);
            assert_about(clock.now(), START);
            assert_eq!(clock.check().is_ok(), ahead == 0, "{ahead}");
            assert_eq!(clock.differs(), ahead != 0, "{ahead}");
        }
    }

    #[test]
    fn a_reading_that_took_long_moves_nothing_that_may_be_right() {
        let (_, clock) = clock();
        let asked = Instant::now().checked_sub(Duration::from_secs(5)).unwrap();
        // It was read somewhere within these five seconds: perhaps five seconds ago.
        clock.read(asked, START.plus(-4_000_000));
        assert_about(clock.now(), START);
        assert!(!clock.differs());
        clock.read(asked, START.plus(-HOUR));
        assert_about(clock.now(), START.plus(5_000_000 - HOUR));
        assert!(clock.differs());
    }

    #[test]
    fn beside_sqlite_small_steps_are_followed_and_leaps_only_once_confirmed() {
        let (hand, clock) = clock();
        hand.0.store(30_000_000, Ordering::Relaxed);
        assert_eq!(clock.follow(), None);
        assert_about(clock.now(), START.plus(30_000_000));
        hand.0.store(25 * HOUR, Ordering::Relaxed);
        assert!(clock.follow().is_some());
        assert_eq!(clock.follow(), None, "told once");
        assert!(clock.differs());
        assert_about(clock.now(), START.plus(30_000_000));
        hand.0.store(0, Ordering::Relaxed);
        assert_eq!(clock.follow(), None);
        assert!(!clock.differs(), "it is back");
        hand.0.store(-25 * HOUR, Ordering::Relaxed);
        assert!(clock.follow().is_some());
        clock.confirm();
        assert!(!clock.differs());
        assert_about(clock.now(), START.plus(-25 * HOUR));
    }

    #[test]
    fn differences_have_words() {
        assert_eq!(words(2_500_000), "2.5 s ahead of");
        assert_eq!(words(-10 * 60 * 1_000_000), "10 min behind");
        assert_eq!(words(25 * HOUR), "25 h 0 min ahead of");
        assert_eq!(words(31 * 24 * HOUR), "31 d 0 h ahead of");
    }
}
