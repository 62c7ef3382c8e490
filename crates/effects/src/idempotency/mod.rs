//! Idempotency keys: the first request's answer, stored with its effect and replayed byte for byte.

pub mod records;

use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use kernel::{Error, Timestamp, Uuid};
use platform::telemetry::metrics::{Idempotency, metrics};
use sha2::{Digest, Sha256};
use storage::{Database, StoreError};

use crate::Effects;

/// How long a key is kept.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Larger answers are not stored, unless nothing else has them; they are rendered again from the subject's event at that version.
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
    pub fn lock_key(&self) -> i64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.scope[..8]);
        i64::from_be_bytes(bytes)
    }
}

/// A request that may be repeated.
pub struct Repeat {
    pub claim: Claim,
    /// Writes the answer of a refusal that is final, and so kept like any other answer; `None` of the others, after which the
    /// key is free again.
    pub refusal: Box<Refusal>,
}

/// Status and body of an error's answer.
type Refusal = dyn Fn(&Error) -> Option<(u16, Bytes)> + Send + Sync;

impl Repeat {
    /// Of whose refusals none is final.
    pub fn of_success(claim: Claim) -> Self {
        Self { claim, refusal: Box::new(|_| None) }
    }
}

/// The finished answer of a write that may be repeated.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub body: Bytes,
    /// What it tells of (`products/<id>`), and in which version. Of a refusal: nothing, and zero.
    pub subject: String,
    pub version: i64,
    pub replayed: bool,
    whole: bool,
}

impl Answer {
    /// The first answer to a request.
    pub fn new(status: u16, body: Bytes, subject: String, version: i64) -> Self {
        Self { status, body, subject, version, replayed: false, whole: false }
    }

    /// Nothing can render it again, so that it is stored though it is large.
    #[must_use]
    pub fn stored_whole(self) -> Self {
        Self { whole: true, ..self }
    }

    /// Whether any answer of its size is stored.
    pub fn is_small(&self) -> bool {
        self.body.len() <= MAX_BODY
    }

    /// To be stored under a claim.
    pub fn under(self, claim: Claim) -> Answered {
        let Self { status, body, subject, version, whole, .. } = self;
        Answered { claim, status, body, subject, version, whole }
    }
}

/// How what was written is answered, with the name of its seller. Kept with the idempotency key, so it must depend on nothing else.
pub type Render<T> = fn(&T, Option<&str>) -> Bytes;

/// For answers that are bounded well below what is stored of one, or stored whole: none is rendered again.
///
/// # Errors
/// `Internal`.
pub async fn never_too_large(stored: Stored) -> Result<Bytes, Error> {
    Err(Error::Internal(format!("the answer about {} was not stored", stored.subject)))
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
    whole: bool,
}

impl Answered {
    pub fn stored_body(&self) -> Option<&[u8]> {
        (self.whole || self.body.len() <= MAX_BODY).then_some(&self.body[..])
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
        if self.fingerprint == claim.fingerprint { Ok(self) } else { Err(Error::IdempotencyKeyReused) }
    }
}

/// The keys of one service, which lie in the database of what they answer for.
#[derive(Clone)]
pub struct Keys {
    database: Database,
    in_flight: InFlight,
}

impl Keys {
    pub fn new(database: Database) -> Self {
        Self { database, in_flight: InFlight::default() }
    }

    /// Does `write` once per key, and tells its answer as often as it is asked for. `write` stores its answer under the claim,
    /// in the transaction of its effect; a final refusal, which has no effect, is stored here. `again` renders an answer that
    /// was too large to store.
    ///
    /// # Errors
    /// `IdempotencyInFlight`, `IdempotencyKeyReused`; refusals of `write` that are not final.
    pub async fn once<W, A>(
        &self,
        repeat: Option<Repeat>,
        write: impl FnOnce(Option<Claim>) -> W,
        again: impl FnOnce(Stored) -> A,
    ) -> Result<Answer, Error>
    where
        W: Future<Output = Result<Answer, Error>>,
        A: Future<Output = Result<Bytes, Error>>,
    {
        let Some(repeat) = repeat else { return write(None).await };
        let result = self.once_per_key(repeat, write, again).await;
        metrics().idempotency.count(match &result {
            Ok(answer) if answer.replayed => Idempotency::Replayed,
            Ok(_) => Idempotency::Stored,
            Err(Error::IdempotencyInFlight) => Idempotency::InFlight,
            Err(Error::IdempotencyKeyReused) => Idempotency::KeyReused,
            Err(_) => Idempotency::NotKept,
        });
        result
    }

    async fn once_per_key<W, A>(
        &self,
        Repeat { claim, refusal }: Repeat,
        write: impl FnOnce(Option<Claim>) -> W,
        again: impl FnOnce(Stored) -> A,
    ) -> Result<Answer, Error>
    where
        W: Future<Output = Result<Answer, Error>>,
        A: Future<Output = Result<Bytes, Error>>,
    {
        let _held = self.in_flight.hold(&claim)?;
        if let Some(stored) = records::find(&self.database, &claim).await? {
            let mut stored = stored.check(&claim)?;
            let (status, subject, version) = (stored.status, stored.subject.clone(), stored.version);
            let body = match stored.body.take() {
                Some(body) => body.into(),
                None => again(stored).await?,
            };
            return Ok(Answer { replayed: true, ..Answer::new(status, body, subject, version) });
        }
        let error = match write(Some(claim.clone())).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let Some((status, body)) = refusal(&error) else { return Err(error) };
        let answer = Answer::new(status, body, String::new(), 0);
        let effects = Effects { answered: Some(answer.clone().under(claim)), ..Effects::default() };
        effects.write(&self.database).await.map_err(claimed)?;
        Ok(answer)
    }
}

/// The error of a write, if need be because another process took the key meanwhile.
pub fn claimed(error: StoreError) -> Error {
    if error.is_conflict_on(records::CONFLICT) { Error::IdempotencyInFlight } else { error.into() }
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
        if lock(&self.scopes).insert(claim.scope) {
            Ok(Held { scopes: Arc::clone(&self.scopes), scope: claim.scope })
        } else {
            Err(Error::IdempotencyInFlight)
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
