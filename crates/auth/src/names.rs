//! Public names of accounts, as other services remember them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kernel::Uuid;
use quick_cache::sync::Cache;

use crate::Accounts;

/// Names that are remembered.
const REMEMBERED: usize = 10_000;
/// How long a name is shown without asking for it again.
const FRESH: Duration = Duration::from_secs(10);
/// How long an answer waits for names.
const PATIENCE: Duration = Duration::from_millis(250);

/// A seller's name; none, if there is no such account.
pub type Name = Option<Arc<str>>;

/// Names by sellers, remembered for a short time.
#[derive(Clone)]
pub struct AccountNames {
    accounts: Option<Arc<dyn Accounts>>,
    known: Arc<Cache<Uuid, (Name, Instant)>>,
}

impl AccountNames {
    /// For commands, which show no names.
    pub fn unknown() -> Self {
        Self { accounts: None, known: Arc::new(Cache::new(0)) }
    }

    pub fn of(accounts: Arc<dyn Accounts>) -> Self {
        Self { accounts: Some(accounts), known: Arc::new(Cache::new(REMEMBERED)) }
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
        let (name, asked) = self.known.get(&seller)?;
        (asked.elapsed() < FRESH).then_some(name)
    }

    async fn ask(&self, sellers: Vec<Uuid>) -> HashMap<Uuid, Name> {
        let Some(accounts) = &self.accounts else { return HashMap::new() };
        // A page of the catalogue does not fail for the want of a name.
        let found = tokio::time::timeout(PATIENCE, accounts.by_ids(&sellers)).await;
        let names: HashMap<Uuid, Name> = match found {
            Ok(Ok(found)) => {
                let named = found.into_iter().map(|account| (account.id, Some(account.username.into())));
                sellers.into_iter().map(|seller| (seller, None)).chain(named).collect()
            }
            _ => {
                let last = |seller: Uuid| (seller, self.known.get(&seller).and_then(|(name, _)| name));
                sellers.into_iter().map(last).collect()
            }
        };
        // Also where it is not known now: who asks next does not wait again.
        let now = Instant::now();
        for (seller, name) in &names {
            self.known.insert(*seller, (name.clone(), now));
        }
        names
    }
}
