//! The keys that sign tokens.

use ed25519_dalek::{SigningKey, VerifyingKey};
use platform::keys::{FromSeed, Seed};

pub type KeyRing = platform::keys::KeyRing<TokenKey>;
pub(crate) type LiveRing = platform::keys::LiveRing<TokenKey>;

/// A pair of keys. The second is kept because making it of the first takes longer than a signature.
pub struct TokenKey {
    signing: SigningKey,
    verifying: VerifyingKey,
}

impl FromSeed for TokenKey {
    fn from_seed(seed: &Seed) -> Self {
        let signing = SigningKey::from_bytes(seed);
        Self { verifying: signing.verifying_key(), signing }
    }
}

impl TokenKey {
    pub fn signing(&self) -> &SigningKey {
        &self.signing
    }

    pub fn verifying(&self) -> &VerifyingKey {
        &self.verifying
    }
}
