//! `GET /api/v2/users/{id}/sessions`

use std::sync::Arc;

use api::caller::V2Admin;
use api::openapi::IdInPath;
use api::path::ResourceId;
use api::v2::problem::Problem;
use api::v2::{self, Page, Query, Refusal};
use auth::routes::v2::{V2Session, V2SessionPage};
use axum::extract::{RawQuery, State};
use axum::response::Response;
use kernel::Error;

use crate::routes::Endpoints;

/// An account's live sessions, newest first, for administrators
///
/// At most 100, on one page.
#[utoipa::path(get, path = "/api/v2/users/{id}/sessions", operation_id = "list_user_sessions", tag = "users",
    security(("bearer" = [])), params(IdInPath), responses((status = 200, body = V2SessionPage),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "There are no query parameters")))]
pub async fn handle(
    State(endpoints): State<Arc<Endpoints>>,
    V2Admin(admin): V2Admin,
    ResourceId(id): ResourceId,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    Query::read(query.as_deref(), &[]).finish()?;
    let account = endpoints.accounts.get(id).await?.ok_or(Error::NotFound)?;
    let sessions = endpoints.accounts.sessions_of(account.id).await?;
    let current = Some(admin.principal.session_id);
    let items = sessions.into_iter().map(|session| V2Session::new(session, current)).collect();
    Ok(v2::private(&Page { items, next_cursor: None, count: None }))
}
