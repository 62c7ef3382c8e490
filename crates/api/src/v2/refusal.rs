//! API v2's errors: `application/problem+json` (RFC 9457), from the one list of error kinds and the few that are HTTP's own.
//!
//! An endpoint answers with a [`Refusal`]; the edge, which knows the request, makes the document of it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use kernel::error::{Needed, Unauthenticated};
use kernel::{Error, Violation};
use platform::RequestId;
use platform::telemetry::metrics;

use super::problem::{InputError, Kind, Problem};
use crate::conditional::NoIfMatch;
use crate::header::MalformedHeader;
use crate::idempotency::KeyRefused;
use crate::{log_full_disk, seconds};

pub(super) const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Why a request is not answered as asked.
#[derive(Debug)]
pub enum Refusal {
    /// A use case refused.
    Because(Error),
    /// The body is not JSON; the sentence says why.
    MalformedBody(String),
    /// The body is larger than so many bytes.
    PayloadTooLarge(usize),
    /// The body is of another type than this one.
    UnsupportedMediaType(&'static str),
    /// The version that is to be changed has to be named.
    PreconditionRequired,
    MethodNotAllowed,
    UnknownPath,
    /// A header is not of its form.
    MalformedHeader(MalformedHeader),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Because(error)
    }
}

/// A refusal in a response that has no words yet.
#[derive(Clone)]
struct Unexplained(Arc<Refusal>);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.kind().status;
        response.extensions_mut().insert(Unexplained(Arc::new(self)));
        response
    }
}

/// The refusal that a response stands for.
pub fn of(response: &Response) -> Option<Arc<Refusal>> {
    response.extensions().get::<Unexplained>().map(|Unexplained(refusal)| Arc::clone(refusal))
}

impl Refusal {
    pub fn status(&self) -> StatusCode {
        self.kind().status
    }

    fn kind(&self) -> Kind {
        use StatusCode as S;
        let (status, code, title) = match self {
            Refusal::MalformedBody(_) => (S::BAD_REQUEST, "malformed-body", "Malformed body"),
            Refusal::MalformedHeader(_) => (S::BAD_REQUEST, "malformed-header", "Malformed header"),
            Refusal::PayloadTooLarge(_) => (S::PAYLOAD_TOO_LARGE, "payload-too-large", "Body too large"),
            Refusal::UnsupportedMediaType(_) => {
                (S::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported media type")
            }
            Refusal::PreconditionRequired => {
                (S::PRECONDITION_REQUIRED, "precondition-required", "Precondition required")
            }
            Refusal::MethodNotAllowed => (S::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed"),
            Refusal::UnknownPath => return Self::kind_of(&Error::NotFound),
            Refusal::Because(error) => return Self::kind_of(error),
        };
        Kind { status, code, title }
    }

    /// The one place where error kinds become v2 answers: status, stable slug, title.
    pub(super) fn kind_of(error: &Error) -> Kind {
        use StatusCode as S;
        let (status, code, title) = match error {
            Error::Invalid(_) => (S::UNPROCESSABLE_ENTITY, "validation-failed", "Validation failed"),
            Error::Unauthenticated(_) => (S::UNAUTHORIZED, "unauthenticated", "Not authenticated"),
            Error::Forbidden(_) => (S::FORBIDDEN, "forbidden", "Forbidden"),
            Error::NotFound | Error::ReferenceNotFound(_) => (S::NOT_FOUND, "not-found", "Not found"),
            Error::Conflict(_) => (S::CONFLICT, "conflict", "Conflict"),
            Error::InsufficientStock(_) => (S::CONFLICT, "insufficient-stock", "Insufficient stock"),
            Error::Stale => (S::PRECONDITION_FAILED, "stale-version", "Stale version"),
            Error::IdempotencyInFlight => (S::CONFLICT, "idempotency-in-flight", "In progress"),
            Error::IdempotencyKeyReused => (S::UNPROCESSABLE_ENTITY, "idempotency-key-reused", "Key used before"),
            Error::Overloaded { .. } => (S::SERVICE_UNAVAILABLE, "overloaded", "Overloaded"),
            Error::RateLimited { .. } => (S::TOO_MANY_REQUESTS, "rate-limited", "Too many requests"),
            Error::Unavailable(_) | Error::DiskFull(_) => (S::SERVICE_UNAVAILABLE, "unavailable", "Unavailable"),
            Error::Internal(_) => (S::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
        };
        Kind { status, code, title }
    }

    /// What the client may know, and how it can go on.
    fn detail(&self) -> String {
        let words = match self {
            Refusal::MalformedBody(why) => return format!("The body is not JSON: {why}."),
            Refusal::MalformedHeader(MalformedHeader(violation)) => return format!("{}.", violation.detail),
            Refusal::PayloadTooLarge(limit) => return format!("The body is larger than {limit} bytes."),
            Refusal::UnsupportedMediaType(taken) => return format!("Send the body with the Content-Type {taken}."),
            Refusal::PreconditionRequired => {
                "Name the version that you change: send If-Match with the ETag of the last answer."
            }
            Refusal::MethodNotAllowed => "This path has no such method; the header Allow lists those that it has.",
            Refusal::UnknownPath => "There is no such path; /api-docs shows those that there are.",
            Refusal::Because(error) => return Self::detail_of(error),
        };
        words.to_owned()
    }

    pub(super) fn detail_of(error: &Error) -> String {
        let words = match error {
            Error::Invalid(_) => "The request breaks the rules that `errors` lists.",
            Error::Unauthenticated(reason) => match reason {
                Unauthenticated::Missing => "Send a token: Authorization: Bearer …",
                Unauthenticated::Malformed => "The header is no token: send Authorization: Bearer …",
                Unauthenticated::Invalid => "The token is not one of ours for this API.",
                Unauthenticated::Expired => "The token is over; refresh the session or log in again.",
                Unauthenticated::Ended => "The session has ended; log in again.",
                Unauthenticated::TooLongAgo => "This needs a log-in of the last ten minutes; log in again.",
                Unauthenticated::WrongCredentials => "The e-mail address or the password is wrong.",
                Unauthenticated::Deactivated => "The account is deactivated; ask an administrator.",
            },
            Error::Forbidden(Needed::Admin) => "This needs the role admin.",
            Error::Forbidden(Needed::Owner) => "This is for its owner, and for administrators.",
            Error::Forbidden(Needed::Process) => "This is for processes of the deployment.",
            Error::NotFound => "There is nothing here that you may see.",
            Error::ReferenceNotFound(_) => "There is nothing that you may see where `errors` points.",
            Error::Conflict(violation) => return violation.detail.clone(),
            Error::InsufficientStock(_) => "Fewer units are available than the lines in `errors` ask for.",
            Error::Stale => {
                "The ETag that you sent is not that of the present version: it was changed since you read it. Read it again, and repeat your change."
            }
            Error::IdempotencyInFlight => "A request with this Idempotency-Key is in progress; repeat it later.",
            Error::IdempotencyKeyReused => {
                "This Idempotency-Key was used with another request: take a new one for this."
            }
            Error::Overloaded { .. } => "The server is busy; repeat the request later.",
            Error::RateLimited { .. } => "Try again after the time in Retry-After.",
            Error::Unavailable(_) => "Something that is needed for this cannot be reached; repeat the request later.",
            Error::DiskFull(_) => {
                "The server's disk is full: nothing can be changed until there is room, and reads go on. Repeat the request later."
            }
            Error::Internal(_) => "The request failed for a reason of our own.",
        };
        words.to_owned()
    }

    /// What is wrong with the input.
    pub(super) fn violations_of(error: &Error) -> &[Violation] {
        match error {
            Error::Invalid(violations)
            | Error::InsufficientStock(violations)
            | Error::ReferenceNotFound(violations) => violations,
            Error::Conflict(violation) if !violation.field.is_empty() => std::slice::from_ref(violation),
            _ => &[],
        }
    }

    /// The refusal with this status that is worded alike everywhere, for documents.
    pub(crate) fn example(status: u16) -> Option<Self> {
        let wait = Duration::from_secs(2);
        Some(match status {
            400 => Refusal::MalformedBody("EOF while parsing an object at line 1 column 1".into()),
            401 => Error::Unauthenticated(Unauthenticated::Invalid).into(),
            403 => Error::Forbidden(Needed::Owner).into(),
            404 => Error::NotFound.into(),
            412 => Error::Stale.into(),
            413 => Refusal::PayloadTooLarge(1 << 20),
            415 => Refusal::UnsupportedMediaType("application/json"),
            428 => Refusal::PreconditionRequired,
            429 => Error::RateLimited { policy: "default".into(), retry_after: wait }.into(),
            500 => Error::Internal(String::new()).into(),
            503 => Error::Overloaded { what: "requests", retry_after: wait }.into(),
            _ => return None,
        })
    }

    /// The document, made of this refusal at this path.
    pub(crate) fn with_document<T>(
        &self,
        path: &str,
        request_id: Option<&RequestId>,
        take: impl FnOnce(&Problem<'_>) -> T,
    ) -> T {
        let violations = match self {
            Refusal::Because(error) => Self::violations_of(error),
            Refusal::MalformedHeader(MalformedHeader(violation)) => std::slice::from_ref(violation),
            _ => &[],
        };
        let detail = self.detail();
        let problem = Problem::new(&self.kind(), &detail, path, request_id, InputError::all(violations, ""));
        take(&match self {
            Refusal::Because(Error::Forbidden(needed)) => problem.with_needed(*needed),
            _ => problem,
        })
    }

    /// The document as it is sent.
    pub fn document(&self, path: &str, request_id: Option<&RequestId>) -> Bytes {
        self.with_document(path, request_id, |document| super::bytes(document))
    }

    /// The whole answer. Headers that the endpoint gave, `headers` of the bare response, stay.
    pub fn explain(&self, bare: Response, path: &str, request_id: Option<&RequestId>) -> Response {
        let document = self.document(path, request_id);
        if let Refusal::Because(Error::Internal(cause) | Error::Unavailable(cause)) = self {
            tracing::error!(event = "request.failed", error = %cause, "a request failed");
        }
        if let Refusal::Because(Error::DiskFull(cause)) = self {
            log_full_disk(cause);
        }
        if let Refusal::Because(Error::Overloaded { what, .. }) = self {
            metrics().shed(what);
        }
        let (parts, _) = bare.into_parts();
        let mut response = Response::from_parts(parts, Body::from(document));
        let headers = response.headers_mut();
        // The bare response had no body, and may say so.
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
        headers.insert(header::CACHE_CONTROL, super::NOBODY_KEEPS);
        match self {
            Refusal::Because(Error::Overloaded { retry_after, .. } | Error::RateLimited { retry_after, .. }) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds(*retry_after, request_id)));
            }
            Refusal::Because(Error::Unavailable(_) | Error::DiskFull(_)) => {
                let wait = seconds(Duration::from_secs(1), request_id);
                headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
            }
            Refusal::Because(Error::Unauthenticated(reason)) => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge(*reason)));
            }
            _ => {}
        }
        response
    }
}

/// What to prove (RFC 6750 §3, RFC 9470): whether the token was no good, and how, is for programs to tell apart.
fn challenge(reason: Unauthenticated) -> &'static str {
    use Unauthenticated as U;
    match reason {
        U::Missing | U::WrongCredentials | U::Deactivated => "Bearer",
        U::Malformed | U::Invalid => r#"Bearer error="invalid_token", error_description="invalid""#,
        U::Expired => r#"Bearer error="invalid_token", error_description="expired""#,
        U::TooLongAgo => r#"Bearer error="insufficient_user_authentication", max_age="600""#,
        U::Ended => r#"Bearer error="invalid_token", error_description="ended""#,
    }
}

impl From<MalformedHeader> for Refusal {
    fn from(malformed: MalformedHeader) -> Self {
        Refusal::MalformedHeader(malformed)
    }
}

impl From<KeyRefused> for Refusal {
    fn from(refused: KeyRefused) -> Self {
        match refused {
            KeyRefused::Several(malformed) => malformed.into(),
            KeyRefused::Invalid(error) => error.into(),
        }
    }
}

impl From<NoIfMatch> for Refusal {
    fn from(missing: NoIfMatch) -> Self {
        match missing {
            NoIfMatch::Missing => Refusal::PreconditionRequired,
            NoIfMatch::Malformed(malformed) => malformed.into(),
        }
    }
}
