//! Log-in throttling: which allowance an attempt to prove a password has, and what becomes of its count.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use kernel::{Error, Timestamp, Uuid};
use platform::client::network;
use platform::telemetry::metrics;
use sha2::{Digest, Sha256};

use super::{Auth, outcomes};
use crate::store::{CountedAttempt, Tally};
use crate::throttle::{Attempt, From};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a network is known after the last log-in from there.
const KNOWN: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Where an attempt comes from, and when the account was last logged in to from there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whereabouts {
    address: IpAddr,
    last_log_in: Option<Timestamp>,
}

impl Whereabouts {
    fn are_known(&self, now: Timestamp) -> bool {
        self.last_log_in.is_some_and(|last| now < last.after(KNOWN))
    }

    /// The network, unless it was recorded within a day: few log-ins write it.
    pub(super) fn unrecorded(&self, now: Timestamp) -> Option<IpAddr> {
        let recorded = self.last_log_in.is_some_and(|last| now < last.after(DAY));
        (!recorded).then(|| network(self.address))
    }
}

/// An attempt that may be made. It is counted as a failure until it is known to be none.
pub(super) struct Admitted<'a> {
    here: Attempt<'a>,
    /// The account's key, and the end of the window in which all processes count its failures; not from where it is known.
    anywhere: Option<([u8; 32], Timestamp)>,
}

/// What an attempt was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Right,
    Wrong,
    /// Nobody knows, through no fault of the caller's.
    Undecided,
}

impl Auth {
    /// Where from an account, if there is one, is tried. `None`: nothing is counted.
    pub(super) async fn whereabouts(
        &self,
        account: Option<Uuid>,
        address: Option<IpAddr>,
    ) -> Result<Option<Whereabouts>, Error> {
        let Some(address) = address.filter(|_| self.throttle.is_some()) else { return Ok(None) };
        // Where there is no account the nil id is looked up, so that this takes as long.
        let last_log_in = self.store.last_log_in(account.unwrap_or_default(), network(address)).await?;
        Ok(Some(Whereabouts { address, last_log_in }))
    }

    /// Admits an attempt on the account of an address, or refuses it after too many failures. `device` is one that the account knows.
    ///
    /// # Errors
    /// `RateLimited`, `Unavailable`, `Overloaded`.
    pub(super) async fn admit(
        &self,
        email_key: &str,
        whereabouts: Option<Whereabouts>,
        device: Option<Uuid>,
    ) -> Result<Option<Admitted<'_>>, Error> {
        let Some(whereabouts) = whereabouts else { return Ok(None) };
        let admitted = self.try_to_admit(email_key, whereabouts, device).await;
        if let Ok(_) | Err(Error::RateLimited { .. }) = admitted {
            metrics().rate_limits.log_in.count(outcomes::decision(&admitted));
        }
        if let Err(Error::RateLimited { .. }) = admitted {
            tracing::warn!(event = "rate_limit.exceeded", policy = "log-in", "too many failed log-ins");
        }
        admitted
    }

    async fn try_to_admit(
        &self,
        email_key: &str,
        whereabouts: Whereabouts,
        device: Option<Uuid>,
    ) -> Result<Option<Admitted<'_>>, Error> {
        let Some(throttle) = &self.throttle else { return Ok(None) };
        let now = self.context.now();
        let attempt = |from| throttle.attempt(email_key.to_owned(), from, now);
        if let Some(here) = device.and_then(|device| attempt(From::Device(device)).ok()) {
            return Ok(Some(Admitted { here, anywhere: None }));
        }
        // A device that failed too often is as good as any other.
        let here = attempt(From::Address(whereabouts.address))?;
        if whereabouts.are_known(self.context.now()) {
            return Ok(Some(Admitted { here, anywhere: None }));
        }
        let account_key = Sha256::digest(email_key).into();
        let store = Arc::clone(&self.store);
        let count = async move { Ok(store.count_attempt(CountedAttempt { account_key, now }).await?) };
        match self.tasks.run(count).await {
            Ok(Tally::Counted(window)) => Ok(Some(Admitted { here, anywhere: Some((account_key, window)) })),
            Ok(Tally::Refused(window)) => {
                here.undecided();
                let retry_after = Duration::from_micros(u64::try_from(window.0 - now.0).unwrap_or(0));
                Err(Error::RateLimited { policy: "log-in".into(), retry_after })
            }
            Err(error) => {
                here.undecided();
                Err(error)
            }
        }
    }

    /// Says what an admitted attempt was. The failures of an account from anywhere stay when its owner comes from somewhere new.
    pub(super) async fn settle(&self, admitted: Option<Admitted<'_>>, outcome: Outcome) {
        let Some(Admitted { here, anywhere }) = admitted else { return };
        match outcome {
            Outcome::Wrong => return,
            Outcome::Right => here.succeeded(),
            Outcome::Undecided => here.undecided(),
        }
        let Some((account_key, window)) = anywhere else { return };
        let store = Arc::clone(&self.store);
        let taken_back = self.tasks.run(async move { Ok(store.take_attempt_back(account_key, window).await?) }).await;
        if let Err(error) = taken_back {
            tracing::warn!(event = "log_in.count.failed", error = %error, "a log-in that was no failure counts as one");
        }
    }

    /// Deletes up to `limit` windows that are over, and as many networks that are forgotten; returns how many of what there were
    /// more of.
    ///
    /// # Errors
    /// `Unavailable`, `Overloaded`.
    pub async fn sweep_attempts(&self, time: Timestamp, limit: i64) -> Result<u64, Error> {
        let known = i64::try_from(KNOWN.as_micros()).unwrap_or(i64::MAX);
        let forgotten = Timestamp(time.0.saturating_sub(known));
        Ok(self.store.sweep_attempts(time, forgotten, limit).await?)
    }
}
