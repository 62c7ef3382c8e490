//! How long a refused log-in takes: the same whatever kind of hash the account has, and whether there is an account.

use std::time::{Duration, Instant};

use kernel::Error;

use super::Auth;
use crate::passwords::{self, Verdict};

/// How often the accounts are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// A hash is computed so often to find out how long it takes, of which the shortest time counts.
const MEASUREMENTS: usize = 3;
/// How many times as long as the slowest comparison a refusal takes: a busy processor must rarely make a comparison longer.
const MARGIN: u32 = 2;

/// What refusals wait for.
#[derive(Debug, Default)]
pub(super) struct Pace {
    looked: Option<Instant>,
    /// The highest cost of a bcrypt hash among the accounts.
    cost: Option<u32>,
    /// How long each comparison of a refusal has to take: nothing where all hashes are of our own kind, which take equally long.
    floor: Duration,
}

impl Auth {
    /// Waits as long as makes refusals alike. What counts is the time on the password thread: to wait for one takes equally long for all.
    pub(super) async fn delay_refusal(&self, verdict: &Verdict) {
        let floor = self.floor().await * verdict.forms;
        tokio::time::sleep(until_multiple(verdict.took, floor)).await;
    }

    async fn floor(&self) -> Duration {
        let mut pace = self.pace.lock().await;
        if pace.looked.is_none_or(|at| at.elapsed() >= LOOK_AGAIN) {
            if let Err(error) = self.look(&mut pace).await {
                tracing::warn!(event = "password.floor.failed", error = %error, "refused log-ins may differ in time");
            }
        }
        pace.floor
    }

    async fn look(&self, pace: &mut Pace) -> Result<(), Error> {
        let cost = self.store.highest_bcrypt_cost().await?;
        if cost != pace.cost {
            pace.floor = match cost {
                Some(cost) => MARGIN * self.measure(&passwords::any_bcrypt(cost)).await?,
                None => Duration::ZERO,
            };
            pace.cost = cost;
        }
        pace.looked = Some(Instant::now());
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
    fn times_are_rounded_up() {
        let [zero, third, whole] = [0, 50, 150].map(Duration::from_millis);
        assert_eq!(until_multiple(third, zero), zero);
        assert_eq!(until_multiple(third, whole), 2 * third);
        assert_eq!(until_multiple(4 * third, whole), 2 * third);
    }
}
