//! One's own account, one file per endpoint.

pub mod email_verification;
pub mod get;
pub mod password;
pub mod patch;

use api::conditional;
use axum::http::HeaderValue;

use crate::Account;

/// The validator of an account.
pub fn etag(account: &Account) -> HeaderValue {
    conditional::etag(account.version, "account")
}
