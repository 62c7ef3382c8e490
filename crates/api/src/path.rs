//! Ids in paths.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use kernel::{Error, Uuid};

use super::v2::Refusal;

/// The `{id}` of a path; `None` when it is not a UUID in its usual form, and so names nothing.
#[derive(Debug, Clone, Copy)]
pub struct PathId(pub Option<Uuid>);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        // The parser would take other spellings too; one thing has one address.
        Ok(PathId(text.ok().filter(|id| id.len() == 36).and_then(|id| Uuid::try_parse(&id).ok())))
    }
}

/// The `{id}` of a path of API v2. Put it behind the caller: who may not ask does not learn what a good id looks like.
#[derive(Debug, Clone, Copy)]
pub struct ResourceId(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for ResourceId {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match PathId::from_request_parts(parts, state).await {
            Ok(PathId(Some(id))) => Ok(ResourceId(id)),
            Ok(PathId(None)) => Err(Error::NotFound.into()),
            Err(never) => match never {},
        }
    }
}
