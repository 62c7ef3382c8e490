//! Ids in paths.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use kernel::Uuid;

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
