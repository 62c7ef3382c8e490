//! The `Idempotency-Key` header.

use axum::http::HeaderMap;
use effects::idempotency::Claim;
use kernel::{Error, Principal, Timestamp};

use super::header::MalformedHeader;

pub const HEADER: &str = "idempotency-key";
/// Says that an answer is a stored one.
pub const REPLAYED: &str = "idempotent-replayed";

/// As answers and documents name the header.
const NAME: &str = "Idempotency-Key";

/// Why there is no claim, though there is the header.
#[derive(Debug)]
pub enum KeyRefused {
    /// More than one key: nobody knows which of them the client will repeat.
    Several(MalformedHeader),
    /// It is no key.
    Invalid(Error),
}

/// The claim of a request that carries the header. The same key twice is one.
///
/// # Errors
/// When the key is not 1 to 255 visible ASCII characters, or there are several.
pub fn claim(
    headers: &HeaderMap,
    caller: &Principal,
    route: &str,
    body: &[u8],
    now: Timestamp,
) -> Result<Option<Claim>, KeyRefused> {
    let mut sent = headers.get_all(HEADER).iter();
    let Some(value) = sent.next() else {
        return Ok(None);
    };
    if sent.any(|other| other != value) {
        let detail = "Send one Idempotency-Key: the request has several that differ";
        return Err(KeyRefused::Several(MalformedHeader::new(NAME, "several", detail)));
    }
    let key = value.as_bytes();
    let valid = (1..=255).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    let key = std::str::from_utf8(key).ok().filter(|_| valid).ok_or_else(|| {
        let detail = "Idempotency-Key must be 1 to 255 visible ASCII characters";
        KeyRefused::Invalid(Error::invalid(NAME, "idempotency-key", detail))
    })?;
    Ok(Some(Claim::new(caller.account_id, "POST", route, key, body, now)))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use kernel::{Role, Uuid};

    use super::*;

    fn of(keys: &[&'static str]) -> Result<Option<Claim>, KeyRefused> {
        let mut headers = HeaderMap::new();
        for key in keys {
            headers.append(HEADER, HeaderValue::from_static(key));
        }
        let caller = Principal {
            account_id: Uuid::from_u128(1),
            session_id: Uuid::from_u128(2),
            username: "ada".into(),
            email: "ada@example.com".into(),
            role: Role::User,
            logged_in_at: Timestamp(0),
        };
        claim(&headers, &caller, "/", b"", Timestamp(0))
    }

    #[test]
    fn one_key_is_a_claim_and_several_are_none() {
        assert!(matches!(of(&[]), Ok(None)));
        assert!(matches!((of(&["a"]), of(&["a", "a", "a"])), (Ok(Some(_)), Ok(Some(_)))));
        for several in [&["a", "b"][..], &["a", "a", "b"], &["", "a"], &["a b", "a"]] {
            assert!(matches!(of(several), Err(KeyRefused::Several(_))), "{several:?}");
        }
        for invalid in [&[""][..], &["a b"], &["a, a"], &["a b", "a b"]] {
            assert!(matches!(of(invalid), Err(KeyRefused::Invalid(_))), "{invalid:?}");
        }
    }
}
