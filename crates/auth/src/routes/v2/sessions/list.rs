//! `GET /api/v2/sessions`

use std::sync::Arc;

use api::caller::V2User;
use api::v2::problem::Problem;
use api::v2::{self, Page, Query, Refusal};
use axum::extract::{RawQuery, State};
use axum::response::Response;

use super::{V2Session, V2SessionPage};
use crate::Auth;

/// The caller's live sessions, newest first
///
/// At most 100, on one page.
#[utoipa::path(get, path = "/api/v2/sessions", operation_id = "list_sessions", tag = "sessions",
    security(("bearer" = [])), responses((status = 200, body = V2SessionPage),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "There are no query parameters")))]
pub async fn handle(
    State(auth): State<Arc<Auth>>,
    caller: V2User,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    Query::read(query.as_deref(), &[]).finish()?;
    let current = caller.principal.session_id;
    let sessions = auth.sessions(caller.principal.account_id).await?;
    let items = sessions.into_iter().map(|session| V2Session::new(session, Some(current))).collect();
    Ok(v2::private(&Page { items, next_cursor: None, count: None }))
}
