//! The `Idempotency-Key` header.

use axum::http::HeaderMap;
use kernel::{Error, Principal, Timestamp};

use crate::idempotency::Claim;

pub const HEADER: &str = "idempotency-key";
/// Says that an answer is a stored one.
pub const REPLAYED: &str = "idempotent-replayed";

/// The claim of a request that carries the header.
///
/// # Errors
/// `Invalid` when the key is not 1 to 255 visible ASCII characters.
pub fn claim(
    headers: &HeaderMap,
    caller: &Principal,
    route: &str,
    body: &[u8],
    now: Timestamp,
) -> Result<Option<Claim>, Error> {
    let Some(value) = headers.get(HEADER) else {
        return Ok(None);
    };
    let key = value.as_bytes();
    let valid = (1..=255).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    let key = std::str::from_utf8(key).ok().filter(|_| valid).ok_or_else(|| {
        Error::invalid(
            "Idempotency-Key",
            "idempotency-key",
            "Idempotency-Key must be 1 to 255 visible ASCII characters",
        )
    })?;
    Ok(Some(Claim::new(caller.account_id, "POST", route, key, body, now)))
}
