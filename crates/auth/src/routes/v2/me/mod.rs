//! One's own account, one file per endpoint.

pub mod email_verification;
pub mod get;
pub mod password;
pub mod patch;

use axum::http::HeaderValue;
use platform::http::conditional;

use crate::Account;

/// The validator of an account.
pub fn etag(account: &Account) -> HeaderValue {
    conditional::etag(account.version, "account")
}
