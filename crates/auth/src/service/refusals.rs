//! How long a refused log-in takes: the same whatever kind of hash the account has, and whether there is an account.

use std::time::{Duration, Instant};

use kernel::Error;

use super::Auth;
use crate::passwords::{self, Verdict};

/// How often the accounts are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// A hash is computed so often to find out how long it takes, of which the shortest time counts.
const MEASUREMENTS: usize = 3;
/// How many times as long as the slowest comparison a refusal takes: a busy processor makes a comparison longer.
const MARGIN: u32 = 3;
/// How many times as long it takes at most, while the processor is busier than that.
const MOST: u32 = 12;

/// What refusals wait for.
#[derive(Debug, Default)]
pub(super) struct Pace {
    looked: Option<Instant>,
    /// The highest cost of a bcrypt hash among the accounts.
    cost: Option<u32>,
    /// How long the slowest comparison takes: nothing where all hashes are of our own kind, which take equally long.
    slowest: Duration,
    /// How long each comparison of a refusal has to take.
    floor: Duration,
}

impl Pace {
    /// Makes room for a comparison that took longer than planned, so that those after it do not tell which are like it.
    fn widen(&mut self, took: Duration) {
        if took > self.floor {
            self.floor = (MARGIN * took).min(MOST * self.slowest).max(self.floor);
        }
    }
}

impl Auth {
    /// Waits as long as makes refusals alike. What counts is the time on the password thread: to wait for one takes equally long for all.
    pub(super) async fn delay_refusal(&self, verdict: &Verdict) {
        let floor = self.floor(verdict.took / verdict.forms).await * verdict.forms;
        tokio::time::sleep(until_multiple(verdict.took, floor)).await;
    }

    async fn floor(&self, took: Duration) -> Duration {
        let mut pace = self.pace.lock().await;
        let is_due = pace.looked.is_none_or(|at| at.elapsed() >= LOOK_AGAIN);
        if is_due {
            // Whether it succeeds or not: others wait for it.
            pace.looked = Some(Instant::now());
        }
        if is_due && let Err(error) = self.look(&mut pace).await {
            tracing::warn!(event = "password.floor.failed", error = %error, "refused log-ins may differ in time");
        }
        pace.widen(took);
        pace.floor
    }

    async fn look(&self, pace: &mut Pace) -> Result<(), Error> {
        let cost = self.store.highest_bcrypt_cost().await?;
        if cost != pace.cost {
            pace.slowest = match cost {
                Some(cost) => self.measure(&passwords::any_bcrypt(cost)).await?,
                None => Duration::ZERO,
            };
            pace.cost = cost;
        }
        pace.floor = MARGIN * pace.slowest;
        Ok(())
    }

    /// How long a comparison takes on this machine, with a hash like this one or of our own kind.
    async fn measure(&self, hash: &str) -> Result<Duration, Error> {
        let mut slowest = Duration::ZERO;
        for stored in [Some(hash), None] {
            let mut fastest = Duration::MAX;
            for _ in 0..MEASUREMENTS {
                let verdict = self.hasher.verify("any".into(), stored.map(str::to_owned)).await?;
                fastest = fastest.min(verdict.took);
            }
            slowest = slowest.max(fastest);
        }
        Ok(slowest)
    }
}

/// What is left until `took` is a multiple of the floor.
fn until_multiple(took: Duration, floor: Duration) -> Duration {
    match took.as_nanos().checked_rem(floor.as_nanos()) {
        Some(over) => floor - Duration::from_nanos(u64::try_from(over).unwrap_or(0)),
        None => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_processor_makes_all_refusals_longer() {
        let ms = Duration::from_millis;
        let mut pace = Pace { slowest: ms(10), floor: ms(30), ..Pace::default() };
        for (took, floor) in [(30, 30), (31, 93), (50, 93), (94, 120), (200, 120)] {
            pace.widen(ms(took));
            assert_eq!(pace.floor, ms(floor), "{took}");
        }
        let mut ours = Pace::default();
        ours.widen(ms(50));
        assert_eq!(ours.floor, Duration::ZERO, "there is nothing to be told");
    }

    #[test]
    fn times_are_rounded_up() {
        let [zero, third, whole] = [0, 50, 150].map(Duration::from_millis);
        assert_eq!(until_multiple(third, zero), zero);
        assert_eq!(until_multiple(third, whole), 2 * third);
        assert_eq!(until_multiple(4 * third, whole), 2 * third);
    }
}
