//! The key ring: signing keys in a file that only this user may read, never in the database that they protect.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{SigningKey, VerifyingKey};
use kernel::{Error, Timestamp};
use platform::Context;
use serde::{Deserialize, Serialize};

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

/// The keys of this deployment. The newest signs; all verify.
pub struct KeyRing {
    keys: Vec<Key>,
}

pub struct Key {
    pub kid: String,
    pub created_at: Timestamp,
    signing: SigningKey,
    verifying: VerifyingKey,
}

impl Key {
    pub fn signing(&self) -> &SigningKey {
        &self.signing
    }

    pub fn verifying(&self) -> &VerifyingKey {
        &self.verifying
    }
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

impl KeyRing {
    /// Signs nothing and verifies nothing.
    pub const EMPTY: KeyRing = KeyRing { keys: Vec::new() };

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

    fn load(path: &Path) -> Result<Self, KeyError> {
        let io = |error| io_error(path, error);
        let malformed = |detail: String| KeyError::Malformed { path: path.to_owned(), detail };
        let file = File::open(path).map_err(io)?;
        let mode = file.metadata().map_err(io)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed { path: path.to_owned(), mode });
        }
        let mut bytes = Vec::new();
        file.take(MAX_FILE).read_to_end(&mut bytes).map_err(io)?;
        let ring: Ring = serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
        let keys = ring.keys.into_iter().map(|stored| {
            let seed = BASE64.decode(&stored.seed).ok().and_then(|seed| <[u8; 32]>::try_from(seed).ok());
            let seed =
                seed.ok_or_else(|| malformed(format!("the seed of key {} is not 32 bytes in base64", stored.kid)))?;
            let signing = SigningKey::from_bytes(&seed);
            Ok(Key { kid: stored.kid, created_at: stored.created_at, verifying: signing.verifying_key(), signing })
        });
        let mut keys = keys.collect::<Result<Vec<Key>, KeyError>>()?;
        keys.sort_by_key(|key| key.created_at);
        match keys.is_empty() {
            true => Err(malformed("it has no keys".into())),
            false => Ok(Self { keys }),
        }
    }

    pub fn find(&self, kid: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.kid == kid)
    }

    /// The key that signs.
    pub fn newest(&self) -> Option<&Key> {
        self.keys.last()
    }

    /// All keys, oldest first.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }
}

/// Writes a whole ring beside the path and links it there: the link fails if another process was first, and a crash leaves no
/// half-written ring.
fn create(path: &Path, context: &Context) -> Result<(), KeyError> {
    let random = |n: [u8; 8]| n.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let kid = random(context.random().map_err(KeyError::NoRandomness)?);
    let seed: [u8; 32] = context.random().map_err(KeyError::NoRandomness)?;
    let ring =
        Ring { keys: vec![StoredKey { kid: kid.clone(), created_at: context.now(), seed: BASE64.encode(seed) }] };
    let text = serde_json::to_vec_pretty(&ring).map_err(|error| io_error(path, error.into()))?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let io = |error| io_error(path, error);
    std::fs::create_dir_all(folder).map_err(io)?;
    let beside = folder.join(format!(".keys-{kid}.new"));
    let written = write_private(&beside, &text).and_then(|()| std::fs::hard_link(&beside, path));
    let _ = std::fs::remove_file(&beside);
    match written {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(io(error)),
        _ => {}
    }
    // The folder too, or a power cut could forget the name, and with it the key that tokens were signed with.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn io_error(path: &Path, error: io::Error) -> KeyError {
    KeyError::Io { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

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
        for text in
            ["", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kid":"a","created_at":"2026-01-01T00:00:00Z","seed":"AAAA"}]}"#]
        {
            let _ = std::fs::remove_file(&path);
            write_private(&path, text.as_bytes()).unwrap();
            assert!(matches!(KeyRing::open(&path, &context()), Err(KeyError::Malformed { .. })), "{text}");
        }
    }
}
