//! Passwords become Argon2id hashes, on threads of their own: a hash takes tens of milliseconds of a core, which the threads
//! that serve requests cannot spare, and 19 MiB, which a burst of log-ins must not multiply.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use kernel::Error;
use tokio::sync::oneshot;

use crate::opaque::normalized;
use crate::strength::weakness;

/// After so long without a job, a thread gives its memory back.
const IDLE: Duration = Duration::from_secs(10);
/// OWASP's first recommendation for Argon2id: memory in KiB, passes, lanes.
const MEMORY: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const HASH_BYTES: usize = 32;
/// Bounds of what a stored hash may ask for, so that a bad row cannot occupy a thread or the memory for long.
const MAX_MEMORY: u32 = 65_536;
const MAX_PASSES: u32 = 10;
const MAX_LANES: u32 = 4;
const MAX_BCRYPT_COST: u32 = 14;

/// The answer to "is this the password?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub matches: bool,
    /// The hash is of an older kind, or of the password as it was sent before passwords had one form: it should be replaced while
    /// the password is at hand.
    pub outdated: bool,
    /// In how many forms the password would be compared if none matched: two if it was not sent in its one form.
    pub forms: u32,
    /// How long the comparison occupied its thread.
    pub took: Duration,
}

/// A bcrypt hash of this cost, which no password matches.
pub fn any_bcrypt(cost: u32) -> String {
    format!("$2b${:02}${}", cost.min(MAX_BCRYPT_COST), ".".repeat(53))
}

/// Whether this is the password of a hash. Blocks for as long as a hash takes: for commands, which have no log-ins to wait for.
pub fn is_password(password: &str, hash: &str) -> bool {
    verify_any_form(password, Some(hash), &mut Vec::new()).is_ok_and(|verdict| verdict.matches)
}

/// A bounded queue in front of a few threads.
pub struct PasswordHasher {
    jobs: SyncSender<Job>,
}

enum Job {
    Hash {
        password: String,
        salt: [u8; 16],
        reply: oneshot::Sender<Result<String, Error>>,
    },
    Verify {
        password: String,
        stored: Option<String>,
        reply: oneshot::Sender<Result<Verdict, Error>>,
    },
    Estimate {
        password: String,
        names: Vec<String>,
        reply: oneshot::Sender<Option<String>>,
    },
    #[cfg(test)]
    Panic,
}

impl PasswordHasher {
    /// # Errors
    /// When the operating system refuses a thread.
    pub fn start(threads: usize, queue: usize) -> std::io::Result<Self> {
        let (jobs, waiting) = sync_channel(queue.max(1));
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..threads.max(1) {
            let waiting = Arc::clone(&waiting);
            std::thread::Builder::new().name(format!("password-{number}")).spawn(move || work(&waiting))?;
        }
        Ok(Self { jobs })
    }

    /// The hash of the password's one form, as a PHC string.
    ///
    /// # Errors
    /// `Overloaded` when the queue is full; `Internal`.
    pub async fn hash(&self, password: String, salt: [u8; 16]) -> Result<String, Error> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Job::Hash { password, salt, reply })?;
        answer.await.map_err(|_| died())?
    }

    /// Compares with a stored hash: the one form of the password, then the password as sent, if it differs, which may have been
    /// hashed so. Without a stored hash (no such account) it takes as long and matches nothing, so that the time of an answer does
    /// not tell which accounts exist.
    ///
    /// # Errors
    /// `Overloaded` when the queue is full; `Internal` when the stored hash cannot be read.
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<Verdict, Error> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Job::Verify { password, stored, reply })?;
        answer.await.map_err(|_| died())?
    }

    /// Why a new password is too easy to guess, for somebody of these names, if it is.
    ///
    /// # Errors
    /// `Overloaded` when the queue is full; `Internal`.
    pub async fn weakness(&self, password: String, names: Vec<String>) -> Result<Option<String>, Error> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Job::Estimate { password, names, reply })?;
        answer.await.map_err(|_| died())
    }

    fn enqueue(&self, job: Job) -> Result<(), Error> {
        self.jobs.try_send(job).map_err(|refused| match refused {
            TrySendError::Full(_) => {
                Error::Overloaded { what: "password hashing", retry_after: Duration::from_secs(1) }
            }
            TrySendError::Disconnected(_) => died(),
        })
    }
}

fn died() -> Error {
    Error::Internal("password hashing failed".into())
}

fn work(waiting: &Mutex<Receiver<Job>>) {
    // Grows with the first job, and is given back when the log-ins pause: an idle process stays small.
    let mut memory = Vec::new();
    loop {
        // The idle threads queue for this lock, and its holder for the next job. Nothing can panic under it.
        let next = waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).recv_timeout(IDLE);
        let job = match next {
            Ok(job) => job,
            Err(RecvTimeoutError::Timeout) => {
                memory = Vec::new();
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        // The memory is only scratch: whatever a panic leaves in it is overwritten by the next job.
        if catch_unwind(AssertUnwindSafe(|| run(job, &mut memory))).is_err() {
            tracing::error!(event = "password.job.panicked", "a password job panicked");
        }
    }
}

/// Does the job, unless nobody waits for it any more.
fn run(job: Job, memory: &mut Vec<Block>) {
    match job {
        Job::Hash { password, salt, reply } if !reply.is_closed() => {
            let _ = reply.send(hash(&normalized(&password), salt, memory));
        }
        Job::Verify { password, stored, reply } if !reply.is_closed() => {
            let _ = reply.send(verify_any_form(&password, stored.as_deref(), memory));
        }
        Job::Estimate { password, names, reply } if !reply.is_closed() => {
            let _ = reply.send(weakness(&password, &names));
        }
        #[cfg(test)]
        Job::Panic => panic!("a defect in a job"),
        _ => {}
    }
}

fn hash(password: &str, salt: [u8; 16], memory: &mut Vec<Block>) -> Result<String, Error> {
    let hash = argon2id((MEMORY, PASSES, LANES), password, &salt, HASH_BYTES, memory)?;
    let (salt, hash) = (BASE64.encode(salt), BASE64.encode(hash));
    Ok(format!("$argon2id$v=19$m={MEMORY},t={PASSES},p={LANES}${salt}${hash}"))
}

fn verify_any_form(sent: &str, stored: Option<&str>, memory: &mut Vec<Block>) -> Result<Verdict, Error> {
    let started = Instant::now();
    let normal = normalized(sent);
    let forms = if normal == sent { 1 } else { 2 };
    let (mut matches, mut outdated) = verify(&normal, stored, memory)?;
    if !matches && forms == 2 {
        (matches, outdated) = (verify(sent, stored, memory)?.0, true);
    }
    Ok(Verdict { matches, outdated, forms, took: started.elapsed() })
}

/// Whether the password matches, and whether the hash is outdated.
fn verify(password: &str, stored: Option<&str>, memory: &mut Vec<Block>) -> Result<(bool, bool), Error> {
    let Some(stored) = stored else {
        let hash = argon2id((MEMORY, PASSES, LANES), password, &[0; 16], HASH_BYTES, memory)?;
        std::hint::black_box(hash);
        return Ok((false, false));
    };
    if ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| stored.starts_with(prefix)) {
        let cost = stored.get(4..6).and_then(|cost| cost.parse().ok());
        if cost.is_none_or(|cost: u32| cost > MAX_BCRYPT_COST) {
            return Err(unreadable());
        }
        let matches = bcrypt::verify(password, stored).map_err(|_| unreadable())?;
        return Ok((matches, true));
    }
    let phc = Phc::parse(stored).ok_or_else(unreadable)?;
    let hash = argon2id(phc.costs, password, &phc.salt, phc.hash.len(), memory)?;
    Ok((equal(&hash, &phc.hash), phc.costs != (MEMORY, PASSES, LANES)))
}

/// Never with the hash itself: errors are logged.
fn unreadable() -> Error {
    Error::Internal("malformed row in accounts, column password_hash: not a hash that this release reads".into())
}

fn argon2id(
    (memory_kib, passes, lanes): (u32, u32, u32),
    password: &str,
    salt: &[u8],
    length: usize,
    memory: &mut Vec<Block>,
) -> Result<Vec<u8>, Error> {
    #[cfg(test)]
    HASHES.set(HASHES.get() + 1);
    let failed = |error: argon2::Error| Error::Internal(format!("password hashing failed: {error}"));
    let params = Params::new(memory_kib, passes, lanes, Some(length)).map_err(failed)?;
    let needed = params.block_count();
    if memory.len() < needed {
        memory.resize(needed, Block::new());
    }
    let mut hash = vec![0; length];
    let result = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into_with_memory(
        password.as_bytes(),
        salt,
        &mut hash,
        &mut memory[..needed],
    );
    // What a foreign hash needed beyond our own size goes back.
    memory.truncate(blocks(MEMORY));
    memory.shrink_to_fit();
    result.map_err(failed)?;
    Ok(hash)
}

#[cfg(test)]
thread_local! {
    /// That this thread has computed.
    static HASHES: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

const fn blocks(memory_kib: u32) -> usize {
    memory_kib as usize
}

/// Compares without telling by its time where the first difference is.
fn equal(left: &[u8], right: &[u8]) -> bool {
    let difference = left.iter().zip(right).fold(0, |difference, (l, r)| difference | (l ^ r));
    left.len() == right.len() && std::hint::black_box(difference) == 0
}

/// `$argon2id$v=19$m=…,t=…,p=…$salt$hash`.
struct Phc {
    costs: (u32, u32, u32),
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Phc {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("$argon2id$v=19$")?.split('$');
        let (costs, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
        let mut costs = costs.split(',');
        let mut cost = |name: &str| costs.next()?.strip_prefix(name)?.parse::<u32>().ok();
        let phc = Self {
            costs: (cost("m=")?, cost("t=")?, cost("p=")?),
            salt: BASE64.decode(salt).ok()?,
            hash: BASE64.decode(hash).ok()?,
        };
        let (memory, passes, lanes) = phc.costs;
        let bounded = memory <= MAX_MEMORY && passes <= MAX_PASSES && lanes <= MAX_LANES;
        let whole = parts.next().is_none() && (16..=64).contains(&phc.hash.len()) && phc.salt.len() <= 64;
        (bounded && whole).then_some(phc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hashes_verify_and_are_current() {
        let hasher = PasswordHasher::start(1, 4).unwrap();
        let stored = hasher.hash("Secret1".into(), [7; 16]).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$"), "{stored}");
        let right = hasher.verify("Secret1".into(), Some(stored.clone())).await.unwrap();
        assert_eq!((right.matches, right.outdated), (true, false));
        assert!(!hasher.verify("Secret2".into(), Some(stored)).await.unwrap().matches);
        assert!(!hasher.verify("Secret2".into(), None).await.unwrap().matches);
    }

    const COMPOSED: &str = "Caf\u{e9} 123";
    const DECOMPOSED: &str = "Cafe\u{301}\u{a0}123";

    #[tokio::test]
    async fn a_password_is_one_however_it_is_written() {
        let hasher = PasswordHasher::start(1, 4).unwrap();
        for (first, second) in [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)] {
            let stored = hasher.hash(first.into(), [7; 16]).await.unwrap();
            for password in [first, second] {
                let right = hasher.verify(password.into(), Some(stored.clone())).await.unwrap();
                assert_eq!((right.matches, right.outdated), (true, false), "{password:?}");
            }
            assert!(!hasher.verify("Cafe 123".into(), Some(stored)).await.unwrap().matches);
        }
    }

    #[tokio::test]
    async fn a_password_that_was_hashed_as_sent_is_good_and_outdated() {
        let hasher = PasswordHasher::start(1, 4).unwrap();
        for stored in [hash(DECOMPOSED, [7; 16], &mut Vec::new()).unwrap(), bcrypt::hash(DECOMPOSED, 4).unwrap()] {
            let right = hasher.verify(DECOMPOSED.into(), Some(stored.clone())).await.unwrap();
            assert_eq!((right.matches, right.outdated), (true, true));
            assert!(!hasher.verify("Cafe\u{301} 124".into(), Some(stored)).await.unwrap().matches);
        }
    }

    /// The time of an answer tells nothing: an account that is not there costs as many hashes as one that is.
    #[test]
    fn an_unknown_account_costs_as_much_as_a_known_one() {
        let stored = hash("Another1", [7; 16], &mut Vec::new()).unwrap();
        for (password, hashes) in [("Secret1", 1), (COMPOSED, 1), (DECOMPOSED, 2)] {
            for stored in [Some(stored.as_str()), None] {
                let before = HASHES.get();
                assert!(!verify_any_form(password, stored, &mut Vec::new()).unwrap().matches);
                assert_eq!(HASHES.get() - before, hashes, "{password:?} {stored:?}");
            }
        }
    }

    #[tokio::test]
    async fn bcrypt_hashes_verify_and_are_outdated() {
        let hasher = PasswordHasher::start(1, 4).unwrap();
        let stored = bcrypt::hash("Secret1", 4).unwrap();
        for prefix in ["$2a$", "$2b$", "$2y$"] {
            let stored = format!("{prefix}{}", &stored[4..]);
            let right = hasher.verify("Secret1".into(), Some(stored.clone())).await.unwrap();
            assert_eq!((right.matches, right.outdated), (true, true));
            assert!(!hasher.verify("Secret2".into(), Some(stored)).await.unwrap().matches);
        }
    }

    #[tokio::test]
    async fn a_made_up_bcrypt_hash_costs_what_it_says() {
        let hasher = PasswordHasher::start(1, 4).unwrap();
        let verify = async |cost| hasher.verify("Secret1".into(), Some(any_bcrypt(cost))).await.unwrap();
        let (cheap, dear) = (verify(4).await, verify(9).await);
        assert!(!cheap.matches && !dear.matches && dear.took > cheap.took);
    }

    #[tokio::test]
    async fn malformed_hashes_are_errors_and_the_thread_goes_on() {
        let hasher = PasswordHasher::start(1, 4).unwrap();
        for stored in [
            "",
            "plain",
            "$2b$10$short",
            "$2b$31$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234",
            "$argon2id$v=19$m=4000000000,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$BwcHBwcHBwcHBwcHBwcHBw",
            "$argon2id$v=19$m=1,t=0,p=0$BwcHBwcHBwcHBwcHBwcHBw$BwcHBwcHBwcHBwcHBwcHBw",
        ] {
            let result = hasher.verify("Secret1".into(), Some(stored.into())).await;
            assert!(matches!(result, Err(Error::Internal(_))), "{stored}");
        }
        assert!(hasher.hash("Secret1".into(), [1; 16]).await.is_ok());
    }

    #[tokio::test]
    async fn a_full_queue_refuses() {
        let hasher = Arc::new(PasswordHasher::start(1, 1).unwrap());
        let jobs = (0..8).map(|_| hasher.hash("Secret1".into(), [1; 16]));
        let results = futures_util::future::join_all(jobs).await;
        let refused = results.iter().filter(|result| matches!(result, Err(Error::Overloaded { .. })));
        assert!(refused.count() >= 5);
        assert!(results.iter().any(Result::is_ok));
    }

    #[tokio::test]
    async fn a_panic_in_a_job_leaves_the_thread_alive() {
        let hasher = PasswordHasher::start(1, 4).unwrap();
        assert!(hasher.enqueue(Job::Panic).is_ok());
        assert!(hasher.hash("Secret1".into(), [1; 16]).await.is_ok());
    }
}
