//! Public names of accounts, as other services remember them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use effects::log::{Follower, Moment};
use kernel::Uuid;
use quick_cache::sync::Cache;

use crate::{Accounts, account_subject};

/// Names that are remembered.
const REMEMBERED: usize = 10_000;
/// How long a name is shown without asking for it again.
const FRESH: Duration = Duration::from_secs(10);
/// How long an answer waits for names.
const PATIENCE: Duration = Duration::from_millis(250);

/// A seller's name; none, if there is no such account.
pub type Name = Option<Arc<str>>;

/// A name as it was told.
#[derive(Clone)]
struct Known {
    name: Name,
    asked: Instant,
    /// Of the changes that were heard of before it was asked for.
    since: Option<Moment>,
}

/// Names by sellers, remembered until they change; for a short time, where changes are not heard of.
#[derive(Clone)]
pub struct AccountNames {
    accounts: Option<Arc<dyn Accounts>>,
    /// Hears of accounts that change.
    changes: Option<Arc<Follower>>,
    known: Arc<Cache<Uuid, Known>>,
}

impl AccountNames {
    /// For commands, which show no names.
    pub fn unknown() -> Self {
        Self { accounts: None, changes: None, known: Arc::new(Cache::new(0)) }
    }

    /// `changes` are those of accounts.
    pub fn of(accounts: Arc<dyn Accounts>, changes: Option<Arc<Follower>>) -> Self {
        Self { accounts: Some(accounts), changes, known: Arc::new(Cache::new(REMEMBERED)) }
    }

    pub async fn name(&self, seller: Uuid) -> Name {
        match self.fresh(seller) {
            Some(name) => name,
            None => self.ask(vec![seller]).await.remove(&seller).flatten(),
        }
    }

    /// The names of all of them. While auth cannot be reached, those that it told last.
    pub async fn names(&self, sellers: impl IntoIterator<Item = Uuid>) -> HashMap<Uuid, Name> {
        let (mut names, mut unknown) = (HashMap::new(), Vec::new());
        for seller in sellers {
            if names.contains_key(&seller) {
                continue;
            }
            let fresh = self.fresh(seller);
            if fresh.is_none() {
                unknown.push(seller);
            }
            names.insert(seller, fresh.flatten());
        }
        if !unknown.is_empty() {
            names.extend(self.ask(unknown).await);
        }
        names
    }

    fn fresh(&self, seller: Uuid) -> Option<Name> {
        let Known { name, asked, since } = self.known.get(&seller)?;
        let heard = self.changes.as_ref().zip(since);
        let is_unchanged =
            heard.is_none_or(|(changes, since)| changes.tags().hold(&[account_subject(seller).into()], since));
        // Where changes are not heard of at this moment, for a short time.
        let is_heard = || heard.is_some_and(|(changes, _)| changes.is_fresh());
        let holds = is_unchanged && (is_heard() || asked.elapsed() < FRESH);
        holds.then_some(name)
    }

    async fn ask(&self, sellers: Vec<Uuid>) -> HashMap<Uuid, Name> {
        let Some(accounts) = &self.accounts else { return HashMap::new() };
        let since = self.changes.as_ref().map(|changes| changes.tags().now());
        // A page of the catalogue does not fail for the want of a name.
        let found = tokio::time::timeout(PATIENCE, accounts.by_ids(&sellers)).await;
        let names: HashMap<Uuid, Name> = match found {
            Ok(Ok(found)) => {
                let named = found.into_iter().map(|account| (account.id, Some(account.username.into())));
                sellers.into_iter().map(|seller| (seller, None)).chain(named).collect()
            }
            _ => {
                let last = |seller: Uuid| (seller, self.known.get(&seller).and_then(|known| known.name));
                sellers.into_iter().map(last).collect()
            }
        };
        // Also where it is not known now: who asks next does not wait again.
        let now = Instant::now();
        for (seller, name) in &names {
            self.known.insert(*seller, Known { name: name.clone(), asked: now, since });
        }
        names
    }
}
