//! Refusals as one process tells them to another: the kind by name, and what the other needs to refuse in its turn.

use std::borrow::Cow;
use std::time::Duration;

use kernel::Violation;
use kernel::error::{Error, More, Needed, Unauthenticated};
use serde::{Deserialize, Serialize};

/// What overload is called that another process told of.
const ELSEWHERE: &str = "another service";

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Refused {
    Invalid {
        violations: Vec<Broken>,
    },
    Unauthenticated {
        reason: Unauthenticated,
    },
    Forbidden {
        /// Releases that do not know it do not say.
        #[serde(default = "owner")]
        needed: Needed,
    },
    NotFound,
    ReferenceNotFound {
        violations: Vec<Broken>,
    },
    Conflict {
        #[serde(flatten)]
        broken: Broken,
        /// For releases that read no `code`.
        #[serde(default)]
        taken: bool,
    },
    InsufficientStock {
        violations: Vec<Broken>,
    },
    Stale,
    IdempotencyInFlight,
    IdempotencyKeyReused,
    Overloaded {
        retry_after_ms: u64,
    },
    RateLimited {
        policy: String,
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

/// A [`Violation`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Broken {
    field: String,
    detail: String,
    /// Releases that do not know it do not say.
    #[serde(default)]
    code: Cow<'static, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    holder: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    available: Option<i64>,
}

impl From<Violation> for Broken {
    fn from(Violation { field, detail, code, more }: Violation) -> Self {
        let More { value, holder, available } = more.map(|more| *more).unwrap_or_default();
        Self { field: field.into_owned(), detail, code, value, holder, available }
    }
}

impl From<Broken> for Violation {
    fn from(Broken { field, detail, code, value, holder, available }: Broken) -> Self {
        let more = More { value, holder, available };
        Violation { more: (more != More::default()).then(|| Box::new(more)), ..Violation::new(field, code, detail) }
    }
}

fn owner() -> Needed {
    Needed::Owner
}

fn all<A, B: From<A>>(from: Vec<A>) -> Vec<B> {
    from.into_iter().map(B::from).collect()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(violations) => Refused::Invalid { violations: all(violations) },
            Error::Unauthenticated(reason) => Refused::Unauthenticated { reason },
            Error::Forbidden(needed) => Refused::Forbidden { needed },
            Error::NotFound => Refused::NotFound,
            Error::ReferenceNotFound(violations) => Refused::ReferenceNotFound { violations: all(violations) },
            Error::Conflict(violation) => {
                Refused::Conflict { taken: violation.code == "taken", broken: violation.into() }
            }
            Error::InsufficientStock(violations) => Refused::InsufficientStock { violations: all(violations) },
            Error::Stale => Refused::Stale,
            Error::IdempotencyInFlight => Refused::IdempotencyInFlight,
            Error::IdempotencyKeyReused => Refused::IdempotencyKeyReused,
            Error::Overloaded { retry_after, .. } => Refused::Overloaded { retry_after_ms: millis(retry_after) },
            Error::RateLimited { policy, retry_after } => {
                Refused::RateLimited { policy: policy.into_owned(), retry_after_ms: millis(retry_after) }
            }
            Error::Unavailable(detail) => Refused::Unavailable { detail, disk_full: false },
            Error::DiskFull(detail) => Refused::Unavailable { detail, disk_full: true },
            Error::Internal(detail) => Refused::Internal { detail },
        }
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Invalid { violations } => Error::Invalid(all(violations)),
            Refused::Unauthenticated { reason } => Error::Unauthenticated(reason),
            Refused::Forbidden { needed } => Error::Forbidden(needed),
            Refused::NotFound => Error::NotFound,
            Refused::ReferenceNotFound { violations } => Error::ReferenceNotFound(all(violations)),
            Refused::Conflict { mut broken, taken } => {
                if broken.code.is_empty() {
                    broken.code = if taken { "taken" } else { "conflict" }.into();
                }
                Error::Conflict(broken.into())
            }
            Refused::InsufficientStock { violations } => Error::InsufficientStock(all(violations)),
            Refused::Stale => Error::Stale,
            Refused::IdempotencyInFlight => Error::IdempotencyInFlight,
            Refused::IdempotencyKeyReused => Error::IdempotencyKeyReused,
            Refused::Overloaded { retry_after_ms } => {
                Error::Overloaded { what: ELSEWHERE, retry_after: Duration::from_millis(retry_after_ms) }
            }
            Refused::RateLimited { policy, retry_after_ms } => {
                Error::RateLimited { policy: policy.into(), retry_after: Duration::from_millis(retry_after_ms) }
            }
            Refused::Unavailable { detail, disk_full: false } => Error::Unavailable(detail),
            Refused::Unavailable { detail, disk_full: true } => Error::DiskFull(detail),
            Refused::Internal { detail } => Error::Internal(detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use api::v2::Refusal;
    use axum::response::IntoResponse;
    use http_body_util::BodyExt;
    use kernel::json::{self, Object};

    use super::*;

    /// One of each kind. A new kind has to be added: the match names all.
    fn every_kind() -> Vec<Error> {
        let line = Violation::new("lines/0/quantity", "insufficient-stock", "2 units are left").with_value("3");
        let lines = || {
            let mut line = line.clone();
            line.more().available = Some(2);
            vec![line, Violation::new("lines/1", "not-found", "There is no such variant")]
        };
        let wait = Duration::from_millis(2_500);
        let all = vec![
            Error::Invalid(lines()),
            Error::Unauthenticated(Unauthenticated::TooLongAgo),
            Error::Forbidden(Needed::Admin),
            Error::NotFound,
            Error::ReferenceNotFound(lines()),
            Error::Conflict(line.clone().held_by("products/7".into())),
            Error::InsufficientStock(lines()),
            Error::Stale,
            Error::IdempotencyInFlight,
            Error::IdempotencyKeyReused,
            Error::Overloaded { what: ELSEWHERE, retry_after: wait },
            Error::RateLimited { policy: "log-in".into(), retry_after: wait },
            Error::Unavailable("the database does not answer".into()),
            Error::DiskFull("no place".into()),
            Error::Internal("a row is broken".into()),
        ];
        let mut kinds: Vec<u8> = all.iter().map(kind).collect();
        kinds.dedup();
        assert_eq!(kinds, (0..15).collect::<Vec<_>>());
        all
    }

    fn kind(error: &Error) -> u8 {
        match error {
            Error::Invalid(_) => 0,
            Error::Unauthenticated(_) => 1,
            Error::Forbidden(_) => 2,
            Error::NotFound => 3,
            Error::ReferenceNotFound(_) => 4,
            Error::Conflict(_) => 5,
            Error::InsufficientStock(_) => 6,
            Error::Stale => 7,
            Error::IdempotencyInFlight => 8,
            Error::IdempotencyKeyReused => 9,
            Error::Overloaded { .. } => 10,
            Error::RateLimited { .. } => 11,
            Error::Unavailable(_) => 12,
            Error::DiskFull(_) => 13,
            Error::Internal(_) => 14,
        }
    }

    fn heard(wire: &[u8]) -> Error {
        json::from_slice::<Object<Refused>>(wire).unwrap().0.into()
    }

    #[tokio::test]
    async fn every_refusal_crosses_as_it_is() {
        for error in every_kind() {
            let heard = heard(&serde_json::to_vec(&Refused::from(error.clone())).unwrap());
            assert_eq!(format!("{heard:?}"), format!("{error:?}"));
            let [before, after] = [Refusal::from(error), Refusal::from(heard)].map(IntoResponse::into_response);
            assert_eq!((before.status(), before.headers()), (after.status(), after.headers()));
            let whole = async |answer: axum::response::Response| answer.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(whole(before).await, whole(after).await);
        }
    }

    /// What releases wrote before all kinds crossed.
    #[test]
    fn conflicts_of_the_release_before_are_understood() {
        let wire =
            br#"{"kind":"conflict","field":"email","detail":"It is taken","taken":true,"value":"a","holder":null}"#;
        let Error::Conflict(taken) = heard(wire) else { panic!("a conflict") };
        assert_eq!((&*taken.field, &*taken.code), ("email", "taken"));
        assert_eq!(taken.more.unwrap().value.as_deref(), Some("a"));
        let wire = br#"{"kind":"conflict","field":"","detail":"This is the last administrator.","taken":false}"#;
        let Error::Conflict(last) = heard(wire) else { panic!("a conflict") };
        assert_eq!((&*last.code, last.more), ("conflict", None));
        let shown = serde_json::to_value(Refused::from(Error::taken("email", "a", "It is taken"))).unwrap();
        assert_eq!((&shown["taken"], &shown["value"]), (&true.into(), &"a".into()), "the release before reads these");
    }
}
