//! Log-in throttling: after so many failures from one address, for one account or for any, further attempts from there are refused for
//! a while. Others, the owner among them, are not held up by them. These windows are one process's own; what fails for one account from
//! all addresses is counted in the database, see [`crate::store`].

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use kernel::{Error, Timestamp, Uuid};
use platform::client::network;

/// A window starts with the first failure.
const WINDOW: Duration = Duration::from_secs(10 * 60);
/// Failures in a window, for one account from one address.
const PER_ACCOUNT: u32 = 10;
/// Failures in a window from one address, whatever the account: many people may share one.
const PER_ADDRESS: u32 = 100;
/// Failures in a window from all devices that one account knows, of which somebody may have collected many.
const PER_DEVICES: u32 = 30;
/// Failures in a window of an hour for one account, from all addresses that it was not logged in to from before.
pub const PER_ACCOUNT_ANYWHERE: i64 = 100;
pub const ANYWHERE_WINDOW: Duration = Duration::from_secs(60 * 60);
/// Passwords are checked more slowly than this many windows could be opened, so that the bound is never felt.
const MAX_WINDOWS: usize = 200_000;

#[derive(Default)]
pub struct Throttle {
    failures: Mutex<Failures>,
}

#[derive(Default)]
struct Failures {
    by_account: Windows<(String, From)>,
    by_origin: Windows<Origin>,
}

/// Where an attempt comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum From {
    Address(IpAddr),
    /// A device that the account's owner has logged in on: what others do from the same address does not hold it up.
    Device(Uuid),
}

impl From {
    /// As it is counted.
    fn counted(self) -> Self {
        match self {
            From::Address(address) => From::Address(network(address)),
            device => device,
        }
    }
}

/// What many attempts have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Origin {
    Address(IpAddr),
    DevicesOf(String),
}

impl Origin {
    fn limit(&self) -> u32 {
        match self {
            Origin::Address(_) => PER_ADDRESS,
            Origin::DevicesOf(_) => PER_DEVICES,
        }
    }
}

/// An attempt under way. It counts as a failure until it is known to be none, so that many at once do not all slip through.
pub struct Attempt<'a> {
    throttle: &'a Throttle,
    account: (String, From),
    origin: Origin,
}

impl Throttle {
    /// # Errors
    /// `RateLimited` when there were too many failures.
    pub fn attempt(&self, email_key: String, from: From, now: Timestamp) -> Result<Attempt<'_>, Error> {
        let from = from.counted();
        let origin = match from {
            From::Address(address) => Origin::Address(address),
            From::Device(_) => Origin::DevicesOf(email_key.clone()),
        };
        let account = (email_key, from);
        let mut failures = self.lock();
        let waits = [
            failures.by_account.wait(&account, PER_ACCOUNT, now),
            failures.by_origin.wait(&origin, origin.limit(), now),
        ];
        if let Some(retry_after) = waits.into_iter().flatten().max() {
            return Err(Error::RateLimited { policy: "log-in".into(), retry_after });
        }
        failures.by_account.count(account.clone(), now);
        failures.by_origin.count(origin.clone(), now);
        drop(failures);
        Ok(Attempt { throttle: self, account, origin })
    }

    fn lock(&self) -> MutexGuard<'_, Failures> {
        // Counters are whole between any two statements under this lock, so a poisoned one is usable.
        self.failures.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Attempt<'_> {
    /// The password was right: the account's failures from here are forgotten.
    pub fn succeeded(self) {
        let mut failures = self.throttle.lock();
        failures.by_account.windows.remove(&self.account);
        failures.by_origin.take_back(&self.origin);
    }

    /// The attempt was not decided, through no fault of the caller's.
    pub fn undecided(self) {
        let mut failures = self.throttle.lock();
        failures.by_account.take_back(&self.account);
        failures.by_origin.take_back(&self.origin);
    }
}

struct Windows<K> {
    windows: HashMap<K, Window>,
}

struct Window {
    failures: u32,
    ends: Timestamp,
}

impl<K> Default for Windows<K> {
    fn default() -> Self {
        Self { windows: HashMap::new() }
    }
}

impl<K: Hash + Eq> Windows<K> {
    /// How long to wait, if the limit is reached.
    fn wait(&self, key: &K, limit: u32, now: Timestamp) -> Option<Duration> {
        let window = self.windows.get(key).filter(|window| window.failures >= limit && now < window.ends)?;
        Some(Duration::from_micros(u64::try_from(window.ends.0 - now.0).unwrap_or(0)))
    }

    fn count(&mut self, key: K, now: Timestamp) {
        if self.windows.len() >= MAX_WINDOWS {
            self.windows.retain(|_, window| now < window.ends);
        }
        if self.windows.len() >= MAX_WINDOWS {
            self.windows.clear();
        }
        let window = self.windows.entry(key).or_insert(Window { failures: 0, ends: now.after(WINDOW) });
        if now >= window.ends {
            *window = Window { failures: 0, ends: now.after(WINDOW) };
        }
        window.failures += 1;
    }

    fn take_back(&mut self, key: &K) {
        if let Some(window) = self.windows.get_mut(key) {
            window.failures = window.failures.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

    fn fail(throttle: &Throttle, email: &str, address: &str, now: Timestamp) -> bool {
        throttle.attempt(email.into(), From::Address(address.parse().unwrap()), now).is_ok()
    }

    #[test]
    fn an_account_is_held_back_from_the_guessers_address_only_and_for_a_while() {
        let throttle = Throttle::default();
        assert!((0..PER_ACCOUNT).all(|_| fail(&throttle, "ada", "192.0.2.1", NOW)));
        assert!(!fail(&throttle, "ada", "192.0.2.1", NOW));
        assert!(!fail(&throttle, "ada", "::ffff:192.0.2.1", NOW), "another way to write the address");
        assert!(fail(&throttle, "ada", "192.0.2.2", NOW) && fail(&throttle, "bob", "192.0.2.1", NOW));
        let later = NOW.after(WINDOW / 2);
        let Err(Error::RateLimited { retry_after, .. }) =
            throttle.attempt("ada".into(), From::Address("192.0.2.1".parse().unwrap()), later)
        else {
            panic!("not refused");
        };
        assert_eq!(retry_after, WINDOW / 2);
        assert!(fail(&throttle, "ada", "192.0.2.1", NOW.after(WINDOW)));
    }

    #[test]
    fn an_address_is_held_back_whatever_it_guesses() {
        let throttle = Throttle::default();
        assert!((0..PER_ADDRESS).all(|n| fail(&throttle, &format!("user{n}"), &format!("2001:db8::{n:x}"), NOW)));
        assert!(!fail(&throttle, "another", "2001:db8::ffff", NOW), "one subscriber has all of these addresses");
        assert!(fail(&throttle, "another", "2001:db8:0:1::1", NOW));
    }

    #[test]
    fn a_success_forgets_and_an_undecided_attempt_does_not_count() {
        let throttle = Throttle::default();
        let address = From::Address("192.0.2.1".parse().unwrap());
        for _ in 0..PER_ACCOUNT * 3 {
            throttle.attempt("ada".into(), address, NOW).ok().unwrap().undecided();
        }
        for _ in 0..PER_ACCOUNT - 1 {
            assert!(fail(&throttle, "ada", "192.0.2.1", NOW));
        }
        throttle.attempt("ada".into(), address, NOW).ok().unwrap().succeeded();
        assert!((0..PER_ACCOUNT).all(|_| fail(&throttle, "ada", "192.0.2.1", NOW)));
        assert!(!fail(&throttle, "ada", "192.0.2.1", NOW));
    }

    #[test]
    fn a_known_device_is_not_held_up_by_others_at_its_address() {
        let throttle = Throttle::default();
        assert!((0..PER_ACCOUNT).all(|_| fail(&throttle, "ada", "192.0.2.1", NOW)));
        let device = |n| throttle.attempt("ada".into(), From::Device(Uuid::from_u128(n)), NOW).is_ok();
        assert!((0..PER_ACCOUNT).all(|_| device(1)));
        assert!(!device(1) && device(2), "each has its own allowance");
        assert!((0..PER_DEVICES - PER_ACCOUNT - 1).all(|n| device(3 + u128::from(n))));
        assert!(!device(1_000), "and all together have one");
        assert!(!fail(&throttle, "ada", "192.0.2.1", NOW));
    }
}
