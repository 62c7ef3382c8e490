//! Access tokens of API v2, good ones and all kinds of others. The forged ones are signed with the deployment's own key: only
//! what they say is wrong.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as BASE64};
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use testkit::{Server, Topology, on_each, raw};

use crate::people::{PASSWORD, register};
use crate::v1::text;
use crate::v2::{assert_problem, open};

on_each!(malformed_tokens_are_refused_and_never_logged, a_forged_token_is_good_if_nothing_is_wrong_with_it,);

const ME: &str = "/api/v2/me";

/// A key of the deployment's ring, with its id.
struct Key {
    kid: String,
    signing: SigningKey,
}

impl Key {
    fn of(server: &Server, topology: Topology) -> Self {
        let file = match topology {
            Topology::Sqlite => server.data_folder().join("keys.json"),
            Topology::Postgres | Topology::Split => server.folder().join("keys.json"),
        };
        let ring: Value = serde_json::from_slice(&std::fs::read(file).expect("the key ring")).expect("JSON");
        let seed = STANDARD.decode(text(&ring["keys"][0]["seed"])).expect("base64");
        let signing = SigningKey::from_bytes(&seed.try_into().expect("32 bytes"));
        Key { kid: text(&ring["keys"][0]["kid"]), signing }
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    fn sign_text(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
        let signature = self.signing.sign(signed.as_bytes());
        format!("{signed}.{}", BASE64.encode(signature.to_bytes()))
    }
}

/// HMAC-SHA-256 (RFC 2104), for keys of up to a block.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let padded = |byte: u8| (0..64).map(|at| key.get(at).copied().unwrap_or(0) ^ byte).collect::<Vec<u8>>();
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().to_vec()
}

fn now() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "the server under test has the machine's clock")]
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    since_epoch.as_secs().cast_signed()
}

/// The object with one entry more, or another.
fn with(object: &Value, name: &str, value: impl Into<Value>) -> Value {
    let mut changed = object.clone();
    changed[name] = value.into();
    changed
}

fn without(object: &Value, name: &str) -> Value {
    let mut changed = object.clone();
    changed.as_object_mut().expect("an object").remove(name);
    changed
}

/// Header and claims of a good token.
fn parts(server: &Server) -> (String, Value, Value) {
    let tokens = open(&server.client(), &register(server).email, PASSWORD).expect(201).json();
    let token = text(&tokens["access_token"]);
    let read = |part: &str| serde_json::from_slice(&BASE64.decode(part).expect("base64")).expect("JSON");
    let segments: Vec<&str> = token.split('.').collect();
    let (header, claims) = (read(segments[0]), read(segments[1]));
    (token, header, claims)
}

fn wrong_headers(header: &Value) -> Vec<Value> {
    let values = [("alg", "none"), ("alg", "HS256"), ("alg", "RS256"), ("alg", "ES256"), ("alg", "eddsa"), ("alg", "")];
    let types = [("typ", "JWT"), ("typ", "jwt"), ("typ", ""), ("kid", "other"), ("kid", ""), ("kid", "../keys.json")];
    let mut wrong: Vec<Value> = values.iter().chain(&types).map(|(name, value)| with(header, name, *value)).collect();
    wrong.extend(["alg", "typ", "kid"].map(|name| without(header, name)));
    wrong.push(with(header, "crit", json!([])));
    wrong.push(with(header, "crit", json!(["exp"])));
    wrong.push(with(header, "jwk", json!({ "kty": "OKP" })));
    wrong.push(with(header, "jku", "http://127.0.0.1/keys"));
    wrong.push(with(header, "alg", json!(["EdDSA"])));
    wrong.extend([json!([]), json!(null), json!("EdDSA")]);
    wrong
}

fn wrong_claims(claims: &Value) -> Vec<Value> {
    let nobody = "00000000-0000-4000-8000-000000000000";
    let mut wrong: Vec<Value> =
        ["iss", "sub", "sid", "aud", "iat", "exp", "jti"].map(|name| without(claims, name)).to_vec();
    wrong.extend([
        with(claims, "aud", "primetrade-v1"),
        with(claims, "aud", json!(["primetrade-v2"])),
        with(claims, "aud", ""),
        with(claims, "iss", "other"),
        with(claims, "iss", "https://primetrade"),
        with(claims, "sub", nobody),
        with(claims, "sub", "admin"),
        with(claims, "sid", nobody),
        with(claims, "exp", now() - 1),
        with(claims, "exp", 0),
        with(claims, "exp", -1),
        with(claims, "exp", json!(1e300)),
        with(claims, "exp", "9999999999"),
        with(claims, "iat", now() + 3_600),
        with(claims, "iat", json!(null)),
        with(claims, "nbf", now() + 3_600),
        with(claims, "role", "admin"),
        with(&with(claims, "iat", now() - 10), "exp", now() - 20),
        json!([]),
        json!(null),
    ]);
    wrong
}

fn malformed_tokens_are_refused_and_never_logged(topology: Topology) {
    let server = Server::start(topology);
    let key = Key::of(&server, topology);
    let (token, header, claims) = parts(&server);
    let segments: Vec<&str> = token.split('.').collect();
    let mut bad: Vec<String> = wrong_headers(&header).iter().map(|header| key.sign(header, &claims)).collect();
    bad.extend(wrong_claims(&claims).iter().map(|claims| key.sign(&header, claims)));
    bad.push(key.sign_text("{", &claims.to_string()));
    bad.push(key.sign_text(&header.to_string(), "not JSON"));
    let twice = claims.to_string().replacen('{', "{\"sub\":\"00000000-0000-4000-8000-000000000000\",", 1);
    bad.push(key.sign_text(&header.to_string(), &twice));
    // Another key, under our key's id.
    let other = Key { kid: key.kid.clone(), signing: SigningKey::from_bytes(&[7; 32]) };
    bad.push(other.sign(&header, &claims));
    // The public key as a secret.
    let confused = format!("{}.{}", BASE64.encode(with(&header, "alg", "HS256").to_string()), segments[1]);
    bad.push(format!(
        "{confused}.{}",
        BASE64.encode(hmac(key.signing.verifying_key().as_bytes(), confused.as_bytes()))
    ));
    bad.extend([
        format!("{}.{}.", segments[0], segments[1]),
        format!("{}.{}", segments[0], segments[1]),
        format!("{token}."),
        format!("{token}.x"),
        format!("{token}="),
        format!("{}=.{}.{}", segments[0], segments[1], segments[2]),
        format!("{}.{}.{}", segments[0], segments[1], "!".repeat(86)),
        format!("{}.{}.{}", segments[1], segments[0], segments[2]),
        token[1..].to_owned(),
        token.to_lowercase(),
        "x".repeat(100),
        "a".repeat(7_000),
    ]);
    assert!(bad.len() >= 60, "{}", bad.len());
    for bad in &bad {
        let answer = server.client().with_token(bad).get(ME);
        let told = bad.get(..500).unwrap_or(bad);
        assert_eq!(answer.status, 401, "{told}");
        assert_problem(&answer, 401, "unauthenticated");
        assert!(answer.header("www-authenticate").is_some(), "{told}");
    }
    // Before anything is said of what was asked for.
    for path in ["/api/v2/products/none", "/api/v2/variants/none"] {
        assert_problem(&server.client().with_token("nonsense").get(path), 401, "unauthenticated");
    }
    let megabyte = format!(
        "GET {ME} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
        "a".repeat(1 << 20)
    );
    let answer = String::from_utf8_lossy(&raw(server.url(), megabyte.as_bytes())).into_owned();
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("\r\nwww-authenticate: Bearer"), "{answer}");
    for header in ["", "Bearer", "Bearer ", "Basic YTpi", "bearer", "Token x", "Bearer a b"] {
        let answer = server.client().send("GET", ME, &[("authorization", header)], None);
        assert_problem(&answer, 401, "unauthenticated");
    }
    server.client().with_token(&token).get(ME).expect(200);
    let log = server.stderr();
    for secret in bad.iter().chain([&token]).flat_map(|token| token.split('.')).filter(|part| part.len() > 40) {
        assert!(!log.contains(secret), "a token is in the log");
    }
}

/// The forger knows how: otherwise the refusals above would prove nothing.
fn a_forged_token_is_good_if_nothing_is_wrong_with_it(topology: Topology) {
    let server = Server::start(topology);
    let (_, header, claims) = parts(&server);
    let forged = Key::of(&server, topology).sign(&header, &with(&claims, "exp", now() + 60));
    server.client().with_token(&forged).get(ME).expect(200);
}
