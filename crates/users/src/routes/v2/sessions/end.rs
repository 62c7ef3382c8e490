//! `DELETE /api/v2/users/{id}/sessions`

use std::sync::Arc;

use api::caller::V2Admin;
use api::openapi::IdInPath;
use api::path::ResourceId;
use api::v2::problem::Problem;
use api::v2::{self, Refusal};
use auth::Cause;
use axum::extract::State;
use axum::response::Response;

use crate::routes::Endpoints;

/// Log an account out everywhere, for administrators
///
/// It may log in again, unless it is deactivated.
#[utoipa::path(delete, path = "/api/v2/users/{id}/sessions", operation_id = "end_user_sessions", tag = "users",
    security(("bearer" = [])), params(IdInPath), responses((status = 204),
        (status = 403, body = Problem, content_type = "application/problem+json")))]
pub async fn handle(
    State(endpoints): State<Arc<Endpoints>>,
    V2Admin(admin): V2Admin,
    ResourceId(id): ResourceId,
) -> Result<Response, Refusal> {
    endpoints.accounts.end_sessions(id, &Cause::of(admin.principal.account_id, admin.request_id())).await?;
    Ok(v2::done())
}
