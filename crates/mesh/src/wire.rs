//! Refusals as one process tells them to another: the kind by name, and what the other needs to refuse in its turn.

use std::time::Duration;

use kernel::Violation;
use kernel::error::{Error, More, Needed, Unauthenticated};
use serde::{Deserialize, Serialize};

/// What overload is called that another process told of.
const ELSEWHERE: &str = "another service";

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Refused {
    Unauthenticated {
        reason: Unauthenticated,
    },
    Forbidden {
        /// Releases that do not know it do not say.
        #[serde(default = "owner")]
        needed: Needed,
    },
    NotFound,
    Conflict {
        field: String,
        detail: String,
        taken: bool,
        #[serde(default)]
        value: Option<String>,
        #[serde(default)]
        holder: Option<String>,
    },
    Stale,
    Overloaded {
        retry_after_ms: u64,
    },
    Unavailable {
        detail: String,
        /// Releases that do not know it only know that it is unavailable.
        #[serde(default)]
        disk_full: bool,
    },
    Internal {
        detail: String,
    },
}

fn owner() -> Needed {
    Needed::Owner
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match error {
            Error::Unauthenticated(reason) => Refused::Unauthenticated { reason },
            Error::Forbidden(needed) => Refused::Forbidden { needed },
            Error::NotFound => Refused::NotFound,
            Error::Conflict(Violation { field, detail, code, more }) => {
                let More { value, holder, .. } = more.map(|more| *more).unwrap_or_default();
                Refused::Conflict { field: field.into_owned(), detail, taken: code == "taken", value, holder }
            }
            Error::Stale => Refused::Stale,
            Error::Overloaded { retry_after, .. } | Error::RateLimited { retry_after, .. } => {
                Refused::Overloaded { retry_after_ms: u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX) }
            }
            Error::Unavailable(detail) => Refused::Unavailable { detail, disk_full: false },
            Error::DiskFull(detail) => Refused::Unavailable { detail, disk_full: true },
            // Our own processes ask nothing that these answer.
            error @ (Error::Invalid(_)
            | Error::InsufficientStock(_)
            | Error::ReferenceNotFound(_)
            | Error::IdempotencyInFlight
            | Error::IdempotencyKeyReused
            | Error::Internal(_)) => Refused::Internal { detail: error.to_string() },
        }
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unauthenticated { reason } => Error::Unauthenticated(reason),
            Refused::Forbidden { needed } => Error::Forbidden(needed),
            Refused::NotFound => Error::NotFound,
            Refused::Conflict { field, detail, taken, value, holder } => {
                let code = if taken { "taken" } else { "conflict" };
                let more =
                    (value.is_some() || holder.is_some()).then(|| Box::new(More { value, holder, available: None }));
                Error::Conflict(Violation { more, ..Violation::new(field, code, detail) })
            }
            Refused::Stale => Error::Stale,
            Refused::Overloaded { retry_after_ms } => {
                Error::Overloaded { what: ELSEWHERE, retry_after: Duration::from_millis(retry_after_ms) }
            }
            Refused::Unavailable { detail, disk_full: false } => Error::Unavailable(detail),
            Refused::Unavailable { detail, disk_full: true } => Error::DiskFull(detail),
            Refused::Internal { detail } => Error::Internal(detail),
        }
    }
}
