//! Access tokens: signed JWTs (RFC 7519, RFC 9068) in the one form that we issue. Everything else is refused.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ed25519_dalek::{Signature, Signer};
use kernel::error::Unauthenticated;
use kernel::{Error, Timestamp, Uuid, json};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::keys::{KeyRing, LiveRing};

const ISSUER: &str = "primetrade";
const ALGORITHM: &str = "EdDSA";
const TYPE: &str = "at+jwt";
/// Ours have about 400 bytes; nothing much longer is worth decoding.
pub const MAX_TOKEN: usize = 4_096;
/// How far the clocks of our own servers may differ.
const MAX_SKEW: Duration = Duration::from_secs(60);
/// How many verified tokens are remembered.
const MAX_REMEMBERED: usize = 10_000;

/// Which API a token is for. One API's token is nothing to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    V1,
    V2,
}

impl Audience {
    pub fn as_str(self) -> &'static str {
        match self {
            Audience::V1 => "primetrade-v1",
            Audience::V2 => "primetrade-v2",
        }
    }

    /// The API's word in the database and in answers.
    pub fn api(self) -> &'static str {
        match self {
            Audience::V1 => "v1",
            Audience::V2 => "v2",
        }
    }

    pub fn from_api(word: &str) -> Option<Self> {
        [Audience::V1, Audience::V2].into_iter().find(|audience| audience.api() == word)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// What a token says. Times are seconds since the epoch. A claim that we do not know, such as `nbf`, might forbid what we allow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    pub iss: String,
    /// The account.
    pub sub: Uuid,
    /// The session.
    pub sid: Uuid,
    pub aud: String,
    pub iat: i64,
    pub exp: i64,
    pub jti: Uuid,
}

impl Claims {
    pub fn new(sub: Uuid, sid: Uuid, audience: Audience, now: Timestamp, lifetime: Duration, jti: Uuid) -> Self {
        let iat = now.as_secs();
        Self {
            iss: ISSUER.into(),
            sub,
            sid,
            aud: audience.as_str().into(),
            iat,
            exp: iat.saturating_add(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX)),
            jti,
        }
    }

    /// When the token, and a session that lives as long, is over.
    pub fn expires_at(&self) -> Timestamp {
        Timestamp(self.exp.saturating_mul(1_000_000))
    }
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It is none of ours, or for the other API.
    Invalid,
    /// It is ours, of a time that has not come: somebody's clock is wrong.
    NotYetValid,
    /// It is ours, and its time is over.
    Expired,
}

impl Refused {
    /// As the log tells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Refused::Invalid => "invalid",
            Refused::NotYetValid => "not_yet_valid",
            Refused::Expired => "expired",
        }
    }
}

impl From<Refused> for Unauthenticated {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Invalid | Refused::NotYetValid => Unauthenticated::Invalid,
            Refused::Expired => Unauthenticated::Expired,
        }
    }
}

/// Signs and verifies.
pub struct Tokens {
    pub(crate) ring: LiveRing,
    /// Claims of tokens whose signature was good: checking one takes some 40 µs, most of a request's time here.
    verified: Mutex<Verified>,
}

#[derive(Default)]
struct Verified {
    /// The keys that were known: with others, all has to be checked again.
    ring: Weak<KeyRing>,
    claims: HashMap<[u8; 32], Claims>,
}

impl Tokens {
    pub fn new(ring: LiveRing) -> Self {
        Self { ring, verified: Mutex::default() }
    }

    /// # Errors
    /// `Internal`, which only a defect can cause.
    pub fn sign(&self, claims: &Claims) -> Result<String, Error> {
        let ring = self.ring.current();
        let key = ring.newest().ok_or_else(|| Error::Internal("the key ring is empty".into()))?;
        let header = Header { alg: ALGORITHM.into(), typ: TYPE.into(), kid: key.kid.clone() };
        let mut token = format!("{}.{}", segment(&header)?, segment(claims)?);
        let signature = key.key.signing().sign(token.as_bytes());
        token.push('.');
        BASE64.encode_string(signature.to_bytes(), &mut token);
        Ok(token)
    }

    /// # Errors
    /// See [`Refused`].
    pub fn verify(&self, token: &str, audience: Audience, now: Timestamp) -> Result<Claims, Refused> {
        if token.len() > MAX_TOKEN {
            return Err(Refused::Invalid);
        }
        let fingerprint: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let ring = self.ring.current();
        let known = self.remembered(&ring).claims.get(&fingerprint).cloned();
        let claims = match known {
            Some(claims) => claims,
            None => {
                let claims = self.check(token).ok_or(Refused::Invalid)?;
                self.remember(&self.ring.current(), fingerprint, claims.clone());
                claims
            }
        };
        if claims.aud != audience.as_str() || claims.exp <= claims.iat {
            return Err(Refused::Invalid);
        }
        if claims.iat > now.after(MAX_SKEW).as_secs() {
            return Err(Refused::NotYetValid);
        }
        if now >= claims.expires_at() {
            return Err(Refused::Expired);
        }
        Ok(claims)
    }

    /// Checks everything that does not depend on the time or on who asks.
    fn check(&self, token: &str) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: Header = json::from_slice(&BASE64.decode(header).ok()?).ok()?;
        if header.alg != ALGORITHM || header.typ != TYPE {
            return None;
        }
        let known = self.ring.current();
        let ring = if known.find(&header.kid).is_some() { known } else { self.ring.latest() };
        let key = ring.find(&header.kid)?;
        let signature = Signature::from_slice(&BASE64.decode(signature).ok()?).ok()?;
        key.key.verifying().verify_strict(signed.as_bytes(), &signature).ok()?;
        let claims: Claims = json::from_slice(&BASE64.decode(claims).ok()?).ok()?;
        (claims.iss == ISSUER).then_some(claims)
    }

    /// The keys that verify our tokens, as a JSON Web Key Set (RFC 7517, RFC 8037).
    pub fn key_set(&self) -> serde_json::Value {
        let ring = self.ring.latest();
        let keys: Vec<_> = ring
            .keys()
            .iter()
            .map(|key| {
                let x = BASE64.encode(key.key.verifying().as_bytes());
                serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": ALGORITHM, "kid": key.kid, "x": x })
            })
            .collect();
        serde_json::json!({ "keys": keys })
    }

    fn remember(&self, ring: &Arc<KeyRing>, fingerprint: [u8; 32], claims: Claims) {
        let mut verified = self.remembered(ring);
        if verified.claims.len() >= MAX_REMEMBERED {
            verified.claims.clear();
        }
        verified.claims.insert(fingerprint, claims);
    }

    /// What was verified with the keys of this ring.
    fn remembered(&self, ring: &Arc<KeyRing>) -> MutexGuard<'_, Verified> {
        // Single map operations happen under this lock: a poisoned one is still whole.
        let mut verified = self.verified.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if !std::ptr::eq(verified.ring.as_ptr(), Arc::as_ptr(ring)) {
            *verified = Verified { ring: Arc::downgrade(ring), claims: HashMap::new() };
        }
        verified
    }
}

fn segment<T: Serialize>(value: &T) -> Result<String, Error> {
    let json = serde_json::to_vec(value).map_err(|error| Error::Internal(format!("cannot write a token: {error}")))?;
    Ok(BASE64.encode(json))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

    pub fn tokens() -> Tokens {
        let folder = tempfile::tempdir().unwrap();
        let context = platform::Context::new(Arc::new(kernel::SystemClock));
        Tokens::new(LiveRing::open(&folder.path().join("keys.json"), &context).unwrap())
    }

    fn claims() -> Claims {
        let id = Uuid::from_u128;
        Claims::new(id(1), id(2), Audience::V1, NOW, Duration::from_secs(60), id(3))
    }

    /// A token with a good signature over any header and claims.
    fn forge(tokens: &Tokens, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
        let signature = tokens.ring.current().newest().unwrap().key.signing().sign(signed.as_bytes());
        format!("{signed}.{}", BASE64.encode(signature.to_bytes()))
    }

    /// The claims as a list.
    fn listed(claims: &Claims) -> String {
        let claims = serde_json::to_value(claims).unwrap();
        let list = claims.as_object().unwrap().values().cloned().collect::<Vec<_>>();
        let list = serde_json::Value::from(list).to_string();
        assert!(serde_json::from_str::<Claims>(&list).is_ok(), "{list}");
        list
    }

    #[test]
    fn what_was_signed_verifies_until_it_expires() {
        let tokens = tokens();
        let token = tokens.sign(&claims()).unwrap();
        for _ in 0..2 {
            assert_eq!(tokens.verify(&token, Audience::V1, NOW), Ok(claims()));
            assert_eq!(tokens.verify(&token, Audience::V2, NOW), Err(Refused::Invalid));
            let later = NOW.after(Duration::from_secs(60));
            assert_eq!(tokens.verify(&token, Audience::V1, later), Err(Refused::Expired));
        }
        let early = |seconds: i64| tokens.verify(&token, Audience::V1, Timestamp(NOW.0 - seconds * 1_000_000));
        assert_eq!((early(60), early(61)), (Ok(claims()), Err(Refused::NotYetValid)));
    }

    #[test]
    fn any_changed_character_invalidates() {
        let tokens = tokens();
        let token = tokens.sign(&claims()).unwrap();
        for position in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(tokens.verify(&changed, Audience::V1, NOW), Err(Refused::Invalid), "at {position}");
        }
        for cut in
            ["", ".", "..", "a.b.c", &token[1..], &format!("{token}="), &format!("{token}.x"), &"a".repeat(5_000)]
        {
            assert_eq!(tokens.verify(cut, Audience::V1, NOW), Err(Refused::Invalid), "{cut}");
        }
    }

    #[test]
    fn only_our_own_form_is_read() {
        let tokens = tokens();
        let kid = tokens.ring.current().newest().unwrap().kid.clone();
        let body = serde_json::to_string(&claims()).unwrap();
        let header = |alg: &str, typ: &str, kid: &str| format!(r#"{{"alg":"{alg}","typ":"{typ}","kid":"{kid}"}}"#);
        let good = forge(&tokens, &header("EdDSA", "at+jwt", &kid), &body);
        assert!(tokens.verify(&good, Audience::V1, NOW).is_ok());
        for wrong in [
            forge(&tokens, &header("none", "at+jwt", &kid), &body),
            forge(&tokens, &header("HS256", "at+jwt", &kid), &body),
            forge(&tokens, &header("EdDSA", "JWT", &kid), &body),
            forge(&tokens, &header("EdDSA", "at+jwt", "other"), &body),
            forge(&tokens, &format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{kid}","crit":[]}}"#), &body),
            forge(&tokens, &header("EdDSA", "at+jwt", &kid), &body.replace("primetrade\"", "other\"")),
            forge(&tokens, &header("EdDSA", "at+jwt", &kid), "{}"),
            // The fields in their order, which serde by itself takes for a struct.
            forge(&tokens, &format!(r#"["EdDSA","at+jwt","{kid}"]"#), &body),
            forge(&tokens, &header("EdDSA", "at+jwt", &kid), &listed(&claims())),
        ] {
            assert_eq!(tokens.verify(&wrong, Audience::V1, NOW), Err(Refused::Invalid));
        }
        let other = self::tokens().sign(&claims()).unwrap();
        assert_eq!(tokens.verify(&other, Audience::V1, NOW), Err(Refused::Invalid));
    }
}
