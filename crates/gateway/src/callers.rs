//! Who sends a token: asked of auth in this process, or of auth elsewhere and remembered for as long as nothing changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use auth::{Audience, Auth, Authenticated};
use effects::log::{Follower, Moment};
use kernel::{Error, Principal, Timestamp};
use platform::Context;
use sha2::{Digest, Sha256};

/// Tokens that are remembered.
const MAX_KNOWN: usize = 1 << 16;

/// Where tokens are checked.
#[derive(Clone)]
pub enum Callers {
    /// By one read of the database each time.
    Here(Arc<Auth>),
    Elsewhere(Arc<Remembered>),
}

impl Callers {
    /// Who a token speaks for.
    ///
    /// # Errors
    /// As [`Auth::authenticate`].
    pub async fn find(&self, token: &str, audience: Audience) -> Result<Principal, Error> {
        match self {
            Callers::Here(auth) => auth.authenticate(token, audience).await.map(|found| found.principal),
            Callers::Elsewhere(remembered) => {
                let key = Sha256::new().chain_update(audience.as_str()).chain_update(token).finalize().into();
                match remembered.remembered(&key) {
                    Some(principal) => Ok(principal),
                    // In a box of its own, for most are remembered.
                    None => Box::pin(remembered.ask(key, token, audience)).await,
                }
            }
        }
    }

    /// Forgets what it knew of these subjects: a request that went through here has changed them.
    pub fn forget<'a>(&self, subjects: impl Iterator<Item = &'a str>) {
        if let Callers::Elsewhere(remembered) = self {
            subjects.for_each(|subject| remembered.feed.tags().changed(subject));
        }
    }
}

/// What auth said of tokens. It counts while auth's change feed is heard, and names neither the session nor the account.
pub struct Remembered {
    auth: auth::Remote,
    feed: Arc<Follower>,
    context: Context,
    known: Mutex<HashMap<[u8; 32], Known>>,
}

struct Known {
    principal: Principal,
    until: Timestamp,
    since: Moment,
    subjects: [Box<str>; 2],
}

impl Remembered {
    pub fn new(auth: auth::Remote, feed: Arc<Follower>, context: Context) -> Self {
        Self { auth, feed, context, known: Mutex::default() }
    }

    async fn ask(&self, key: [u8; 32], token: &str, audience: Audience) -> Result<Principal, Error> {
        let since = self.feed.tags().now();
        let Authenticated { principal, until } = self.auth.authenticate(token, audience).await?;
        let subjects = [auth::account_subject(principal.account_id), auth::session_subject(principal.session_id)];
        let subjects = subjects.map(Box::from);
        let mut known = self.known();
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(key, Known { principal: principal.clone(), until, since, subjects });
        Ok(principal)
    }

    fn remembered(&self, key: &[u8; 32]) -> Option<Principal> {
        if !self.feed.is_fresh() {
            return None;
        }
        let mut all = self.known();
        let known = all.get(key)?;
        if self.feed.tags().hold(&known.subjects, known.since) && self.context.now() < known.until {
            return Some(known.principal.clone());
        }
        all.remove(key);
        None
    }

    fn known(&self) -> MutexGuard<'_, HashMap<[u8; 32], Known>> {
        // Single map operations happen under this lock: a poisoned one is still whole.
        self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
