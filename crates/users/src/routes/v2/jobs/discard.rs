//! `DELETE /api/v2/jobs/{id}`

use std::sync::Arc;

use api::caller::V2Admin;
use api::openapi::IdInPath;
use api::path::ResourceId;
use api::v2::problem::Problem;
use api::v2::{self, Refusal};
use axum::extract::State;
use axum::response::Response;
use kernel::Actor;

use crate::jobs;
use crate::routes::Endpoints;

/// Put a parked job away, for administrators
///
/// It is never done.
#[utoipa::path(delete, path = "/api/v2/jobs/{id}", operation_id = "discard_job", tag = "jobs", security(("bearer" = [])),
    params(IdInPath), responses((status = 204),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "It is not parked")))]
pub async fn handle(
    State(endpoints): State<Arc<Endpoints>>,
    V2Admin(admin): V2Admin,
    ResourceId(id): ResourceId,
) -> Result<Response, Refusal> {
    let actor = Actor::Account(admin.principal.account_id);
    jobs::discard(&endpoints.job_admins, id, actor, admin.request_id()).await?;
    Ok(v2::done())
}
