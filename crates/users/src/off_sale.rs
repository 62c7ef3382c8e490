//! Whoever is deactivated or erased sells nothing any more when the answer comes, and sells again when that of their return does.
//!
//! The catalogue is told first: if it cannot be, nothing has happened. Then the account is changed, and the catalogue's entry ended
//! if the account is active after all. An entry that a crash left behind is found by [`Repair`].

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use auth::{AccountFilter, Accounts};
use kernel::{Error, Timestamp, Uuid};
use products::Catalogue;

/// No change of an account takes so long: an entry that is older waits for none.
const UNDER_WAY: Duration = Duration::from_secs(2 * 60);
/// How often all are compared anew.
const COMPARE_AGAIN: Duration = Duration::from_secs(60 * 60);
const ALWAYS: Timestamp = Timestamp(0);
/// Accounts that are read at a time.
const PAGE: usize = 100;

/// Changes an account while nothing of it is for sale. Afterwards it is, if the account is active then. Beside a process of the release
/// before, [`Repair`] takes it off sale once that is gone.
///
/// # Errors
/// As the change; `Unavailable` also when the catalogue does not answer.
pub async fn during<T>(
    accounts: &dyn Accounts,
    products: &dyn Catalogue,
    missed: &Missed,
    (id, erased): (Uuid, bool),
    change: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let mark = products.take_off_sale(id, erased).await?;
    let changed = change.await;
    if mark.is_none() {
        missed.0.store(true, Ordering::Release);
    }
    // As it is now, whoever else has changed it. If that cannot be asked, nothing is for sale until the repair.
    let ended = match (mark, accounts.get(id).await) {
        (Some(mark), Ok(Some(account))) if account.active => products.put_on_sale(id, mark).await,
        _ => Ok(()),
    };
    changed.and_then(|changed| ended.map(|()| changed))
}

/// Whether somebody could not be taken off sale, because a process of the release before has the catalogue.
#[derive(Debug, Clone, Default)]
pub struct Missed(Arc<AtomicBool>);

/// Compares entries with accounts, for as long as the process lives.
pub struct Repair {
    missed: Missed,
    /// When everyone who is not active was looked at, and every entry: releases that know no entries make and end none.
    compared: Option<Instant>,
    /// Entries before this time are those that should be.
    until: Timestamp,
}

impl Repair {
    /// Compares them with a catalogue in which those are missing.
    pub fn new(missed: Missed) -> Self {
        Self { missed, compared: None, until: ALWAYS }
    }

    /// # Errors
    /// `Unavailable`; it goes on there the next time.
    pub async fn run(
        &mut self,
        accounts: &dyn Accounts,
        products: &dyn Catalogue,
        now: Timestamp,
    ) -> Result<(), Error> {
        if self.missed.0.swap(false, Ordering::AcqRel) {
            self.compared = None;
        }
        if self.compared.is_none_or(|compared| compared.elapsed() >= COMPARE_AGAIN) {
            complete(accounts, products).await?;
            (self.compared, self.until) = (Some(Instant::now()), ALWAYS);
        }
        let settled = now.before(UNDER_WAY);
        let mut after = Uuid::nil();
        loop {
            let entries = products.off_sale(self.until, after).await?;
            let Some(last) = entries.last() else { break };
            after = last.seller_id;
            let ids: Vec<Uuid> = entries.iter().map(|entry| entry.seller_id).collect();
            let accounts = accounts.by_ids(&ids).await?;
            for entry in entries.into_iter().filter(|entry| entry.since < settled) {
                if accounts.iter().any(|account| account.id == entry.seller_id && account.active) {
                    products.put_on_sale(entry.seller_id, entry.mark).await?;
                }
            }
        }
        // Clocks differ.
        self.until = settled.before(UNDER_WAY);
        Ok(())
    }
}

/// Takes off sale whoever is not active and has no entry.
async fn complete(accounts: &dyn Accounts, products: &dyn Catalogue) -> Result<(), Error> {
    let mut known = HashSet::new();
    let mut after = Uuid::nil();
    loop {
        let entries = products.off_sale(ALWAYS, after).await?;
        let Some(last) = entries.last() else { break };
        after = last.seller_id;
        known.extend(entries.iter().map(|entry| entry.seller_id));
    }
    let inactive = AccountFilter { active: Some(false), ..AccountFilter::default() };
    let mut place = None;
    loop {
        let (found, next) = accounts.list(&inactive, place, PAGE).await?;
        for account in found.iter().filter(|account| !known.contains(&account.id)) {
            let mark = products.take_off_sale(account.id, account.is_erased()).await?;
            // Who came back meanwhile.
            if let Some(mark) = mark
                && accounts.get(account.id).await?.is_some_and(|account| account.active)
            {
                products.put_on_sale(account.id, mark).await?;
            }
        }
        match next {
            Some(next) => place = Some(next),
            None => return Ok(()),
        }
    }
}
