//! How the processes of one deployment speak with each other: each call carries a statement, signed with the key that they share,
//! of who calls and for whom. What comes without one is from outside, and refused.

pub mod feed;
pub mod jobs;
pub mod peer;
mod statement;
pub mod upstream;
mod wire;

pub use peer::{Answer, Peer};
pub use statement::{Outside, Speaker, StatementError, StatementKeys};

use api::body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::HeaderName;
use axum::http::request::Parts;
use kernel::error::Needed;
use kernel::{Error, json};
use serde::de::DeserializeOwned;

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

/// What another service of the deployment asks, as JSON. Nobody else may ask it.
pub struct Asked<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Asked<T> {
    type Rejection = Answer<()>;

    async fn from_request(request: Request, _: &S) -> Result<Self, Answer<()>> {
        let (mut parts, body) = request.into_parts();
        of_service(&parts)?;
        let broken = |_| Answer(Err(Error::Internal("a question that did not arrive whole".into())));
        let body = body::of(&mut parts, body).await.map_err(broken)?;
        let strange = |error| Answer(Err(Error::Internal(format!("a question that is not understood: {error}"))));
        json::from_slice(&body).map(Asked).map_err(strange)
    }
}

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

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Question {
        id: i64,
    }

    async fn asked(body: &'static str) -> Result<i64, Error> {
        let mut request = Request::new(Body::from(body));
        request.extensions_mut().insert(Speaker::Service("users".into()));
        match Asked::<Question>::from_request(request, &()).await {
            Ok(Asked(question)) => Ok(question.id),
            Err(Answer(refused)) => Err(refused.unwrap_err()),
        }
    }

    #[tokio::test]
    async fn a_question_is_an_object() {
        assert_eq!(asked(r#"{"id": 7}"#).await.unwrap(), 7);
        assert!(serde_json::from_str::<Question>("[7]").is_ok());
        for other in ["[7]", "7", "", r#"{"id": 7} {}"#] {
            assert!(matches!(asked(other).await, Err(Error::Internal(_))), "{other}");
        }
    }
}
