//! How the processes of one deployment speak with each other: each call carries a statement, signed with the key that they share,
//! of who calls and for whom. What comes without one is from outside, and refused.

pub mod feed;
pub mod jobs;
pub mod log;
pub mod peer;
mod question;
mod statement;
pub mod upstream;
mod wire;

pub use peer::{Answer, Peer};
pub use question::{Question, Questions};
pub use statement::{BodyDigest, Outside, Speaker, StatementError, StatementKeys};

use api::body;
use axum::extract::FromRequestParts;
use axum::http::HeaderName;
use axum::http::request::Parts;
use kernel::Error;
use kernel::error::Needed;

/// What the processes tell each other in headers. The gateway takes them out of what comes from outside, and of what goes there.
/// An answer has it too, if the statement was not believed: with the reason, see [`StatementError`].
pub const STATEMENT: HeaderName = HeaderName::from_static("primetrade-statement");
/// Milliseconds that are left until the caller gives up.
pub const TIMEOUT: HeaderName = HeaderName::from_static("primetrade-timeout-ms");
/// Subjects that a request changed, separated by blanks: whoever passes its answer on drops what it knew of them.
pub const CHANGED: HeaderName = HeaderName::from_static("primetrade-changed");

/// Headers that are for our own processes alone.
pub const OURS: [HeaderName; 3] = [STATEMENT, TIMEOUT, CHANGED];

/// Marks an answer to what our processes ask all the time, which the log need not tell.
#[derive(Clone, Copy)]
pub struct Routine;

/// Lets nobody but services of the deployment ask what has no body.
pub struct OfService;

impl<S: Sync> FromRequestParts<S> for OfService {
    type Rejection = Answer<()>;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Answer<()>> {
        of_service(parts).map(|()| OfService)
    }
}

fn of_service(parts: &Parts) -> Result<(), Answer<()>> {
    match parts.extensions.get() {
        Some(Speaker::Service(_)) => Ok(()),
        _ => Err(Answer(Err(Error::Forbidden(Needed::Process)))),
    }
}
