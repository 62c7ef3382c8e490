//! Signed statements: a process of the deployment vouches for who calls, for the time of one request.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use api::body::{Arrived, BodyError};
use api::caller::TokenCheck;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use kernel::{Error, Timestamp, json};
use platform::Context;
use platform::keys::{FromSeed, KeyError, KeyRing, LiveRing, Seed};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How long a statement is good. It is made for one request, which arrives at once.
const LIFETIME: Duration = Duration::from_secs(30);
/// How far the clocks of two machines may be apart.
const SKEW: Duration = Duration::from_secs(30);
/// Bytes of a statement at most: names and addresses are short.
const MAX: usize = 8 * 1024;

/// What a process vouches for.
#[derive(Debug, Serialize, Deserialize)]
struct Statement {
    /// Microseconds since the epoch.
    made: i64,
    speaker: Speaker,
    #[serde(default)]
    body: BodyDigest,
}

/// What a statement says of the body of its request: SHA-256 in Base64, or nothing of an empty one. None: the release before said nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyDigest(Option<Box<str>>);

impl BodyDigest {
    fn of(body: &[u8]) -> Self {
        let digest = if body.is_empty() { String::new() } else { BASE64.encode(Sha256::digest(body)) };
        Self(Some(digest.into()))
    }

    /// Whether that is the body which the statement was made for.
    pub fn fits(&self, body: &[u8]) -> bool {
        self.0.is_none() || *self == Self::of(body)
    }
}

/// Who speaks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// The gateway, for somebody outside.
    Gateway(Outside),
    /// A service of this name, for itself.
    Service(String),
}

/// Somebody outside, as the gateway found them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outside {
    /// The verdict on their token; none when they sent none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub caller: Option<TokenCheck>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub address: Option<IpAddr>,
    /// Whether they speak TLS with whoever stands in front of the gateway.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub https: bool,
    /// What was wrong with the body that they sent, in whose place there is none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub body: Option<BodyError>,
}

impl Outside {
    /// The body as it is for the endpoint, if it did not come whole.
    pub fn arrived(&self) -> Option<Arrived> {
        self.body.map(|error| Arrived(Err(error)))
    }
}

/// Why a statement is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatementError {
    /// It is signed with no key of ours, or made for another request.
    Key,
    /// It was not made just now.
    Clock,
}

impl StatementError {
    const ALL: [StatementError; 2] = [StatementError::Key, StatementError::Clock];

    /// As it is told in the header [`super::STATEMENT`] of the answer.
    pub fn as_str(self) -> &'static str {
        match self {
            StatementError::Key => "key",
            StatementError::Clock => "clock",
        }
    }

    /// What an answer tells, if our statement was not believed.
    pub fn told(answer: &HeaderMap) -> Option<Self> {
        let told = answer.get(super::STATEMENT)?;
        StatementError::ALL.into_iter().find(|doubt| told == doubt.as_str())
    }

    /// What somebody who needed the answer of `service` is told.
    pub fn refusal(self, service: &str) -> Error {
        let why = match self {
            StatementError::Key => "it has another internal.key_file",
            StatementError::Clock => "its clock and ours are more than half a minute apart",
        };
        Error::Unavailable(format!("{service} does not believe this process: {why}; see `primetrade doctor`"))
    }
}

/// The answer to a statement that is not believed.
impl IntoResponse for StatementError {
    fn into_response(self) -> Response {
        (StatusCode::FORBIDDEN, [(super::STATEMENT, self.as_str())]).into_response()
    }
}

/// Signs and verifies statements, with the key that the processes of a deployment share.
pub struct StatementKeys {
    ring: LiveRing<Code>,
    context: Context,
}

/// A code that has taken in its key, for copies of which more is to come.
struct Code(Option<Hmac<Sha256>>);

impl FromSeed for Code {
    fn from_seed(seed: &Seed) -> Self {
        // Any length of key will do.
        Self(Hmac::new_from_slice(seed).ok())
    }
}

impl StatementKeys {
    /// Reads the shared key; makes it, in a file that only this user may read, if there is none.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn open(file: &Path, context: Context) -> Result<Self, KeyError> {
        Ok(Self { ring: LiveRing::open(file, &context)?, context })
    }

    /// Signs with a new key from now on, and drops those whose last statements are over. Processes that read this file notice by
    /// themselves; those that have a copy must get it before the next rotation, and are not believed until then. Returns how many
    /// older keys still verify.
    ///
    /// # Errors
    /// See [`KeyError`]; the ring is then as it was.
    pub fn rotate(file: &Path, context: &Context) -> Result<usize, KeyError> {
        KeyRing::<Seed>::rotate(file, context, LIFETIME + 2 * SKEW)
    }

    /// A statement for one request: `target` is its path and query.
    pub fn sign(&self, speaker: Speaker, method: &Method, target: &str, body: &[u8]) -> Option<HeaderValue> {
        let statement = Statement { made: self.context.now().0, speaker, body: BodyDigest::of(body) };
        let payload = BASE64.encode(serde_json::to_vec(&statement).ok()?);
        let ring = self.ring.current();
        let code = ring.newest()?.key.of(&payload, method, target)?.finalize().into_bytes();
        let mut statement = payload;
        statement.push('.');
        BASE64.encode_string(code, &mut statement);
        HeaderValue::try_from(statement).ok()
    }

    /// Who speaks in the statement of a request, and which body it has to have.
    ///
    /// # Errors
    /// When it is none of ours, made for this request just now.
    pub fn verify(
        &self,
        statement: &HeaderValue,
        method: &Method,
        target: &str,
    ) -> Result<(Speaker, BodyDigest), StatementError> {
        let statement = self.signed(statement, method, target).ok_or(StatementError::Key)?;
        let (made, now) = (Timestamp(statement.made), self.context.now());
        if made <= now.after(SKEW) && now <= made.after(LIFETIME) {
            Ok((statement.speaker, statement.body))
        } else {
            Err(StatementError::Clock)
        }
    }

    /// A statement that was made with the shared key for this request, whenever that was.
    fn signed(&self, statement: &HeaderValue, method: &Method, target: &str) -> Option<Statement> {
        let (payload, signature) = statement.to_str().ok().filter(|text| text.len() <= MAX)?.split_once('.')?;
        let signature = BASE64.decode(signature).ok()?;
        let good = |key: &Code| {
            let expected = key.of(payload, method, target);
            expected.is_some_and(|expected| expected.verify_slice(&signature).is_ok())
        };
        let known = |ring: &KeyRing<Code>| ring.keys().iter().rev().any(|key| good(&key.key));
        if !known(&self.ring.current()) && !known(&self.ring.latest()) {
            return None;
        }
        json::from_slice(&BASE64.decode(payload).ok()?).ok()
    }
}

impl Code {
    /// Bound to the request, so that one who overhears it cannot ask anything else.
    fn of(&self, payload: &str, method: &Method, target: &str) -> Option<Hmac<Sha256>> {
        let mut code = self.0.clone()?;
        for part in [payload, method.as_str(), target] {
            code.update(part.as_bytes());
            // Between parts, none of which has it.
            code.update(b"\n");
        }
        Some(code)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use kernel::Clock;

    use super::*;

    struct Set(AtomicI64);

    impl Clock for Set {
        fn now(&self) -> Timestamp {
            Timestamp(self.0.load(Ordering::Relaxed))
        }
    }

    const SECOND: i64 = 1_000_000;

    #[test]
    fn a_statement_is_good_for_its_request_and_for_half_a_minute() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(Set(AtomicI64::new(1_000 * SECOND)));
        let open =
            |name: &str| StatementKeys::open(&folder.path().join(name), Context::new(Arc::clone(&clock) as _)).unwrap();
        let (ours, theirs, same) = (open("ours.json"), open("theirs.json"), open("ours.json"));
        let speaker = Speaker::Service("users".into());
        let statement = ours.sign(speaker, &Method::GET, "/internal/accounts?a=1", b"").unwrap();
        let good = |statement_keys: &StatementKeys, method: Method, target| {
            statement_keys.verify(&statement, &method, target).is_ok()
        };
        assert!(good(&same, Method::GET, "/internal/accounts?a=1"), "another process with the same key");
        assert!(!good(&theirs, Method::GET, "/internal/accounts?a=1"), "another key");
        assert!(!good(&ours, Method::PUT, "/internal/accounts?a=1"), "another method");
        assert!(!good(&ours, Method::GET, "/internal/accounts?a=2"), "another target");
        let shifted = |seconds: i64| {
            clock.0.store((1_000 + seconds) * SECOND, Ordering::Relaxed);
            good(&ours, Method::GET, "/internal/accounts?a=1")
        };
        assert_eq!([-31, -30, 30, 31].map(shifted), [false, true, true, false]);
        assert_eq!(ours.verify(&statement, &Method::GET, "/internal/accounts?a=1").unwrap_err(), StatementError::Clock);
    }

    #[test]
    fn a_statement_is_good_for_its_body() {
        let folder = tempfile::tempdir().unwrap();
        let context = Context::new(Arc::new(kernel::SystemClock));
        let statement_keys = StatementKeys::open(&folder.path().join("k.json"), context).unwrap();
        for (body, others) in [(&b"one"[..], [&b"two"[..], b""]), (b"", [b"one", b"\0"])] {
            let speaker = Speaker::Service("users".into());
            let statement = statement_keys.sign(speaker, &Method::POST, "/", body).unwrap();
            let (_, digest) = statement_keys.verify(&statement, &Method::POST, "/").unwrap();
            assert!(digest.fits(body) && !others.iter().any(|other| digest.fits(other)), "{digest:?}");
        }
        // Of the release before.
        let old: Statement = serde_json::from_str(r#"{"made":1,"speaker":{"service":"users"}}"#).unwrap();
        assert!(old.body.fits(b"one") && old.body.fits(b""));
    }

    #[test]
    fn what_is_no_statement_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let statement_keys =
            StatementKeys::open(&folder.path().join("k.json"), Context::new(Arc::new(kernel::SystemClock))).unwrap();
        let good = statement_keys.sign(Speaker::Service("users".into()), &Method::GET, "/", b"").unwrap();
        let good = good.to_str().unwrap();
        let (payload, code) = good.split_once('.').unwrap();
        let forged =
            BASE64.encode(String::from_utf8(BASE64.decode(payload).unwrap()).unwrap().replace("users", "nobody"));
        for text in
            ["", ".", payload, &format!("{payload}."), &format!("{forged}.{code}"), &format!("{payload}.{payload}")]
        {
            let statement = HeaderValue::from_str(text).unwrap();
            assert_eq!(
                statement_keys.verify(&statement, &Method::GET, "/").unwrap_err(),
                StatementError::Key,
                "{text}"
            );
        }
    }

    /// Signed with our own key, and of another form than ours.
    #[test]
    fn a_statement_is_an_object_of_objects() {
        let folder = tempfile::tempdir().unwrap();
        let statement_keys =
            StatementKeys::open(&folder.path().join("k.json"), Context::new(Arc::new(kernel::SystemClock))).unwrap();
        let made = statement_keys.context.now().0;
        let good = format!(r#"{{"made":{made},"speaker":{{"gateway":{{"address":null}}}}}}"#);
        let of_lists = [
            format!(r#"[{made},{{"service":"users"}}]"#),
            format!(r#"{{"made":{made},"speaker":{{"gateway":[null,null,false,null]}}}}"#),
        ];
        for (text, taken) in [(&good, true), (&of_lists[0], false), (&of_lists[1], false)] {
            assert!(serde_json::from_str::<Statement>(text).is_ok(), "{text}");
            let payload = BASE64.encode(text);
            let ring = statement_keys.ring.current();
            let code = ring.newest().unwrap().key.of(&payload, &Method::GET, "/").unwrap().finalize().into_bytes();
            let statement = HeaderValue::try_from(format!("{payload}.{}", BASE64.encode(code))).unwrap();
            assert_eq!(statement_keys.verify(&statement, &Method::GET, "/").is_ok(), taken, "{text}");
        }
    }
}
