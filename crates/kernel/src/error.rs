//! Why a use case refused. A short closed list: the HTTP layer maps each kind to one status, once per API version.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One broken input rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field, as the client names it (`price`), or the way to it (`variants/0/price`).
    pub field: Cow<'static, str>,
    /// A sentence for people.
    pub detail: String,
    /// A stable word for programs.
    pub code: Cow<'static, str>,
    /// Of a few.
    pub more: Option<Box<More>>,
}

/// What else is told of a broken rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct More {
    /// Of a conflict about what only one may have: what was asked for,
    pub value: Option<String>,
    /// and what has it, as events name it (`products/<id>`), if the caller may know.
    pub holder: Option<String>,
    /// Of a line that asks for too many units: how many there are, if the seller lets buyers know.
    pub available: Option<i64>,
}

impl Violation {
    pub fn new(
        field: impl Into<Cow<'static, str>>,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        Self { field: field.into(), detail: detail.into(), code: code.into(), more: None }
    }

    #[must_use]
    pub fn with_value(mut self, value: impl Into<String>) -> Self {
        self.more().value = Some(value.into());
        self
    }

    #[must_use]
    pub fn held_by(mut self, holder: String) -> Self {
        self.more().holder = Some(holder);
        self
    }

    pub fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }
}

/// What a caller has to be for what they may not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Needed {
    /// An administrator.
    Admin,
    /// The owner of the resource, or an administrator.
    Owner,
    /// A process of the deployment.
    Process,
}

/// Why there is no authenticated caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unauthenticated {
    /// No credentials at all.
    Missing,
    /// Credentials that are not of the form of a bearer token.
    Malformed,
    /// The token is not one of ours, or not meant for this API version.
    Invalid,
    /// The token was ours, and its time is over.
    Expired,
    /// The session ended, or the account is deactivated or gone.
    Ended,
    /// The token is good, but what is asked for needs a recent log-in.
    TooLongAgo,
    /// The credentials presented at log-in do not match an account.
    WrongCredentials,
    /// The credentials are right, and the account is deactivated.
    Deactivated,
}

/// The closed list of refusals.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error("validation failed: {}", .0.iter().map(|v| v.detail.as_str()).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<Violation>),
    #[error("unauthenticated: {0:?}")]
    Unauthenticated(Unauthenticated),
    /// Visible to the caller, but not theirs to act on.
    #[error("forbidden")]
    Forbidden(Needed),
    /// Absent, or invisible to the caller.
    #[error("not found")]
    NotFound,
    /// What the input names is absent, or invisible to the caller; each violation names where.
    #[error("what the input names is not found")]
    ReferenceNotFound(Vec<Violation>),
    /// In conflict with the present state; the sentence says with what. The field is empty when there is no one field to change.
    #[error("conflict: {}", .0.detail)]
    Conflict(Violation),
    /// Fewer units are available than were asked for; each violation names a line.
    #[error("insufficient stock")]
    InsufficientStock(Vec<Violation>),
    /// The caller acts on a version that is not the present one.
    #[error("stale version")]
    Stale,
    /// Another request holds this idempotency key.
    #[error("a request with this idempotency key is in flight")]
    IdempotencyInFlight,
    /// The idempotency key was used with another request body.
    #[error("this idempotency key was used with another request")]
    IdempotencyKeyReused,
    /// A bounded queue is full; try again after the given time.
    #[error("overloaded: {what}")]
    Overloaded { what: &'static str, retry_after: Duration },
    /// The caller asked too often; try again after the given time.
    #[error("rate limited: {policy}")]
    RateLimited { policy: Cow<'static, str>, retry_after: Duration },
    /// Something we depend on cannot be reached or refuses to write.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The disk of a database is full: nothing can be written, and what is there can be read.
    #[error("the disk is full: {0}")]
    DiskFull(String),
    /// A defect of ours or of the stored data. Clients only learn that it happened.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    pub fn invalid(field: impl Into<Cow<'static, str>>, code: &'static str, detail: impl Into<String>) -> Self {
        Error::Invalid(vec![Violation::new(field, code, detail)])
    }

    pub fn conflict(detail: impl Into<String>) -> Self {
        Error::Conflict(Violation::new("", "conflict", detail))
    }

    /// A conflict about what only one may have.
    pub fn taken(field: impl Into<Cow<'static, str>>, value: impl Into<String>, detail: impl Into<String>) -> Self {
        Error::Conflict(Violation::new(field, "taken", detail).with_value(value))
    }
}
