//! `DELETE /api/v2/sessions/{id}`

use std::sync::Arc;

use api::caller::V2User;
use api::openapi::IdInPath;
use api::path::ResourceId;
use api::v2::{self, Refusal};
use axum::extract::State;
use axum::response::Response;

use super::super::cause;
use crate::Auth;

/// End one of the caller's sessions
#[utoipa::path(delete, path = "/api/v2/sessions/{id}", operation_id = "end_session", tag = "sessions",
    security(("bearer" = [])), params(IdInPath), responses((status = 204, description = "Its tokens are dead from now on")))]
pub async fn handle(
    State(auth): State<Arc<Auth>>,
    caller: V2User,
    ResourceId(id): ResourceId,
) -> Result<Response, Refusal> {
    auth.end_session(caller.principal.account_id, id, &cause(&caller)).await?;
    Ok(v2::done())
}
