//! Idempotency keys: the first request's answer, stored with its effect and replayed byte for byte.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use kernel::{Error, Timestamp, Uuid};
use sha2::{Digest, Sha256};

/// How long a key is kept.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Larger answers are not stored; they are rendered again from the subject's event at that version.
const MAX_BODY: usize = 16 * 1024;

/// A request's key with what it is bound to.
#[derive(Debug, Clone)]
pub struct Claim {
    /// SHA-256 of caller, method, route and key.
    pub scope: [u8; 32],
    /// SHA-256 of the request body.
    pub fingerprint: [u8; 32],
    pub now: Timestamp,
}

impl Claim {
    pub fn new(caller: Uuid, method: &str, route: &str, key: &str, body: &[u8], now: Timestamp) -> Self {
        let scope = Sha256::new()
            .chain_update(caller.as_bytes())
            .chain_update(method)
            .chain_update([0])
            .chain_update(route)
            .chain_update([0])
            .chain_update(key)
            .finalize();
        Self { scope: scope.into(), fingerprint: Sha256::digest(body).into(), now }
    }

    pub fn expires_at(&self) -> Timestamp {
        self.now.after(KEPT)
    }

    /// 64 bits of the scope, for PostgreSQL's advisory locks.
    pub(crate) fn lock_key(&self) -> i64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.scope[..8]);
        i64::from_be_bytes(bytes)
    }
}

/// A claim with the answer to store.
#[derive(Debug, Clone)]
pub struct Answered {
    pub claim: Claim,
    pub status: u16,
    pub body: Bytes,
    /// What to render again when the body is too large to store.
    pub subject: String,
    pub version: i64,
}

impl Answered {
    pub(crate) fn stored_body(&self) -> Option<&[u8]> {
        (self.body.len() <= MAX_BODY).then_some(&self.body[..])
    }
}

/// What was found under a key.
#[derive(Debug, Clone)]
pub struct Stored {
    pub fingerprint: Vec<u8>,
    pub status: u16,
    /// `None`: too large to store.
    pub body: Option<Vec<u8>>,
    pub subject: String,
    pub version: i64,
}

impl Stored {
    /// # Errors
    /// `IdempotencyKeyReused` when the key came with another body.
    pub fn check(self, claim: &Claim) -> Result<Self, Error> {
        match self.fingerprint == claim.fingerprint {
            true => Ok(self),
            false => Err(Error::IdempotencyKeyReused),
        }
    }
}

/// Keys that requests of this process hold right now. Other processes meet at the database.
#[derive(Debug, Clone, Default)]
pub struct InFlight {
    scopes: Arc<Mutex<HashSet<[u8; 32]>>>,
}

/// Holds a key until dropped.
pub struct Held {
    scopes: Arc<Mutex<HashSet<[u8; 32]>>>,
    scope: [u8; 32],
}

impl InFlight {
    /// # Errors
    /// `IdempotencyInFlight` when another request holds the key.
    pub fn hold(&self, claim: &Claim) -> Result<Held, Error> {
        match lock(&self.scopes).insert(claim.scope) {
            true => Ok(Held { scopes: Arc::clone(&self.scopes), scope: claim.scope }),
            false => Err(Error::IdempotencyInFlight),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        lock(&self.scopes).remove(&self.scope);
    }
}

/// Only an insert or a removal happens under this lock: a poisoned one is still whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
