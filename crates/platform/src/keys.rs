//! Key rings: secret keys in a file that only this user may read, never in the database that they protect.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use kernel::{Error, Timestamp, json};
use serde::{Deserialize, Serialize};

use crate::Context;
use crate::files::{self, folder_of};

/// A ring is a few hundred bytes; anything larger is some other file.
const MAX_FILE: u64 = 1 << 20;

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("key file {path}: {error}")]
    Io { path: PathBuf, error: io::Error },
    #[error("key file {path} can be read or written by others (mode {mode:03o}): run `chmod 600 {path}`")]
    Exposed { path: PathBuf, mode: u32 },
    #[error("key file {path} is not a key ring: {detail}")]
    Malformed { path: PathBuf, detail: String },
    #[error("cannot make a key: {0}")]
    NoRandomness(Error),
}

/// 32 random bytes, which is all that a file holds of a key.
pub type Seed = [u8; 32];

/// What a key is used as.
pub trait FromSeed {
    fn from_seed(seed: &Seed) -> Self;
}

/// For message authentication codes, which take the bytes themselves.
impl FromSeed for Seed {
    fn from_seed(seed: &Seed) -> Self {
        *seed
    }
}

/// The keys of this deployment for one purpose. The newest signs; all verify.
pub struct KeyRing<K> {
    keys: Vec<Key<K>>,
}

pub struct Key<K> {
    pub kid: String,
    pub created_at: Timestamp,
    seed: Seed,
    pub key: K,
}

#[derive(Serialize, Deserialize)]
struct Ring {
    keys: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize)]
struct StoredKey {
    kid: String,
    created_at: Timestamp,
    seed: String,
}

impl<K: FromSeed> KeyRing<K> {
    /// Reads the ring; makes it, with one new key, if there is none. Processes that start together agree on one.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn open(path: &Path, context: &Context) -> Result<Self, KeyError> {
        match Self::load(path) {
            Err(KeyError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                create(path, context)?;
                Self::load(path)
            }
            loaded => loaded,
        }
    }

    /// Reads the ring, and makes none.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let io = |error| io_error(path, error);
        let malformed = |detail: String| KeyError::Malformed { path: path.to_owned(), detail };
        let file = File::open(path).map_err(io)?;
        let mode = file.metadata().map_err(io)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed { path: path.to_owned(), mode });
        }
        // Whoever put it there may not have come to sync its name, and what a forgotten key signed would be worth nothing. Where
        // the folder may not be opened, its whole file system is synced.
        files::sync_folder(folder_of(path)).or_else(|_| Ok(rustix::fs::syncfs(&file)?)).map_err(io)?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE).read_to_end(&mut bytes).map_err(io)?;
        let ring: Ring = json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
        let keys = ring.keys.into_iter().map(|stored| {
            let seed = BASE64.decode(&stored.seed).ok().and_then(|seed| Seed::try_from(seed).ok());
            let seed =
                seed.ok_or_else(|| malformed(format!("the seed of key {} is not 32 bytes in base64", stored.kid)))?;
            Ok(Key { kid: stored.kid, created_at: stored.created_at, key: K::from_seed(&seed), seed })
        });
        let mut keys = keys.collect::<Result<Vec<Key<K>>, KeyError>>()?;
        keys.sort_by_key(|key| key.created_at);
        if keys.is_empty() { Err(malformed("it has no keys".into())) } else { Ok(Self { keys }) }
    }

    pub fn find(&self, kid: &str) -> Option<&Key<K>> {
        self.keys.iter().find(|key| key.kid == kid)
    }

    /// The key that signs.
    pub fn newest(&self) -> Option<&Key<K>> {
        self.keys.last()
    }

    /// All keys, oldest first.
    pub fn keys(&self) -> &[Key<K>] {
        &self.keys
    }

    /// Adds a key, which signs from now on, and drops those whose last tokens, which live for `lifetime`, are over. Servers notice
    /// within a second. Makes the ring if there is none. Returns how many keys still verify beside the new one.
    ///
    /// # Errors
    /// See [`KeyError`]; the ring is then as it was.
    pub fn rotate(path: &Path, context: &Context, lifetime: Duration) -> Result<usize, KeyError> {
        let io = |error| io_error(path, error);
        let folder = folder_of(path);
        files::make_folder(folder).map_err(io)?;
        // One at a time: the last of two would drop the key of the first.
        let turn = File::open(folder).map_err(io)?;
        turn.lock().map_err(io)?;
        let now = context.now();
        let mut keys = Vec::new();
        if path.exists() {
            let ring = Self::load(path)?.keys;
            let replaced = ring.iter().skip(1).map(|next| next.created_at).chain([now]);
            let lives = |(_, replaced_at): &(&Key<K>, Timestamp)| now < replaced_at.after(lifetime);
            keys.extend(ring.iter().zip(replaced).filter(lives).map(|(key, _)| key.stored()));
        }
        let older = keys.len();
        keys.push(new_key(context)?);
        put_beside(path, &Ring { keys }, |beside| std::fs::rename(beside, path))?;
        Ok(older)
    }
}

impl<K> Key<K> {
    fn stored(&self) -> StoredKey {
        let seed = BASE64.encode(self.seed);
        StoredKey { kid: self.kid.clone(), created_at: self.created_at, seed }
    }
}

/// The ring of a running server, read again when the file changes.
pub struct LiveRing<K> {
    /// None for a ring that never changes.
    path: Option<PathBuf>,
    seen: Mutex<Seen<K>>,
}

struct Seen<K> {
    ring: Arc<KeyRing<K>>,
    /// The file that it was read from, by its inode and time of change.
    file: Option<(u64, i64, i64)>,
    looked: Instant,
}

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(1);

impl<K: FromSeed> LiveRing<K> {
    /// Signs nothing and verifies nothing.
    pub fn empty() -> Self {
        let seen = Seen { ring: Arc::new(KeyRing { keys: Vec::new() }), file: None, looked: Instant::now() };
        Self { path: None, seen: Mutex::new(seen) }
    }

    /// As [`KeyRing::open`].
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn open(path: &Path, context: &Context) -> Result<Self, KeyError> {
        // Asked before the ring is read: a change in between is seen at the next look.
        let file = identity(path);
        let ring = Arc::new(KeyRing::open(path, context)?);
        Ok(Self { path: Some(path.to_owned()), seen: Mutex::new(Seen { ring, file, looked: Instant::now() }) })
    }

    /// The ring, as of a second ago at most.
    pub fn current(&self) -> Arc<KeyRing<K>> {
        self.look(LOOK)
    }

    /// The ring as it is now: for a key that [`LiveRing::current`] does not know.
    pub fn latest(&self) -> Arc<KeyRing<K>> {
        self.look(Duration::ZERO)
    }

    fn look(&self, every: Duration) -> Arc<KeyRing<K>> {
        // Whole values are put in under this lock: a poisoned one is usable.
        let mut seen = self.seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let Some(path) = self.path.as_deref().filter(|_| seen.looked.elapsed() >= every) else {
            return Arc::clone(&seen.ring);
        };
        seen.looked = Instant::now();
        let file = identity(path);
        if file.is_some() && file != seen.file {
            match KeyRing::load(path) {
                Ok(ring) => (seen.ring, seen.file) = (Arc::new(ring), file),
                Err(error) => {
                    tracing::error!(event = "keys.reload.failed", error = %error, "the keys known before stay in use");
                }
            }
        }
        Arc::clone(&seen.ring)
    }
}

fn identity(path: &Path) -> Option<(u64, i64, i64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.mtime(), metadata.mtime_nsec()))
}

fn new_key(context: &Context) -> Result<StoredKey, KeyError> {
    let kid: [u8; 8] = context.random().map_err(KeyError::NoRandomness)?;
    let seed: [u8; 32] = context.random().map_err(KeyError::NoRandomness)?;
    let kid = kid.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(StoredKey { kid, created_at: context.now(), seed: BASE64.encode(seed) })
}

/// Links a new ring to its name, which fails if another process was first.
fn create(path: &Path, context: &Context) -> Result<(), KeyError> {
    let link = |beside: &Path| match std::fs::hard_link(beside, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    };
    put_beside(path, &Ring { keys: vec![new_key(context)?] }, link)
}

/// Writes a whole ring beside the path and brings it there: a crash leaves no half-written ring.
fn put_beside(path: &Path, ring: &Ring, bring: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), KeyError> {
    let io = |error| io_error(path, error);
    let text = serde_json::to_vec_pretty(ring).map_err(|error| io(error.into()))?;
    let newest = ring.keys.last().map_or("none", |key| key.kid.as_str());
    let beside = folder_of(path).join(format!(".keys-{newest}.new"));
    files::put_whole(&beside, &text, bring).map_err(io)
}

fn io_error(path: &Path, error: io::Error) -> KeyError {
    KeyError::Io { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use super::*;

    type KeyRing = super::KeyRing<Seed>;
    type LiveRing = super::LiveRing<Seed>;

    fn context() -> Context {
        Context::new(Arc::new(kernel::SystemClock))
    }

    #[test]
    fn a_ring_is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/keys.json");
        let kids: Vec<String> = std::thread::scope(|scope| {
            let open = || KeyRing::open(&path, &context()).unwrap().newest().unwrap().kid.clone();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(kids.iter().all(|kid| *kid == kids[0]), "{kids:?}");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let names = std::fs::read_dir(path.parent().unwrap()).unwrap();
        assert_eq!(names.count(), 1, "temporary files are removed");
    }

    #[test]
    fn a_running_server_follows_the_rotation_of_its_keys() {
        let folder = tempfile::tempdir().unwrap();
        let (path, context) = (folder.path().join("keys.json"), context());
        let live = LiveRing::open(&path, &context).unwrap();
        let kids = || live.latest().keys().iter().map(|key| key.kid.clone()).collect::<Vec<_>>();
        let first = kids();
        assert_eq!(KeyRing::rotate(&path, &context, Duration::from_secs(60)).unwrap(), 1);
        let second = kids();
        assert_eq!((second.len(), &second[0]), (2, &first[0]), "the old key still verifies, the new one signs");
        assert_eq!(KeyRing::rotate(&path, &context, Duration::ZERO).unwrap(), 0, "whose tokens are over is dropped");
        assert_eq!(kids().len(), 1);
        std::fs::write(&path, "damaged").unwrap();
        assert_eq!(kids().len(), 1, "what was known stays in use");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "temporary files are removed");
    }

    #[test]
    fn rotations_at_once_lose_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| KeyRing::rotate(&path, &context(), Duration::from_secs(60)).unwrap());
            }
        });
        assert_eq!(KeyRing::open(&path, &context()).unwrap().keys().len(), 8);
    }

    #[test]
    fn a_ring_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        KeyRing::open(&path, &context()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = KeyRing::open(&path, &context()).err().unwrap();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_malformed_ring_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let seed = BASE64.encode([7; 32]);
        let time = serde_json::to_string(&Timestamp(1)).unwrap();
        let list = format!(r#"[[{{"kid":"a","created_at":{time},"seed":"{seed}"}}]]"#);
        let of_lists = format!(r#"{{"keys":[["a",{time},"{seed}"]]}}"#);
        for list in [&list, &of_lists] {
            assert!(serde_json::from_str::<Ring>(list).is_ok(), "{list}");
        }
        for text in [
            "",
            "{}",
            r#"{"keys":[]}"#,
            r#"{"keys":[{"kid":"a","created_at":"2026-01-01T00:00:00Z","seed":"AAAA"}]}"#,
            &list,
            &of_lists,
        ] {
            files::put_whole(&path.with_extension("new"), text.as_bytes(), |beside| std::fs::rename(beside, &path))
                .unwrap();
            assert!(matches!(KeyRing::open(&path, &context()), Err(KeyError::Malformed { .. })), "{text}");
        }
    }
}
