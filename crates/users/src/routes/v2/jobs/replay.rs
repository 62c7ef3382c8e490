//! `POST /api/v2/jobs/{id}/replay`

use std::sync::Arc;

use api::caller::V2Admin;
use api::openapi::IdInPath;
use api::path::ResourceId;
use api::v2::problem::Problem;
use api::v2::{self, Refusal};
use axum::extract::State;
use axum::response::Response;
use kernel::Actor;

use super::V2Job;
use crate::jobs;
use crate::routes::Endpoints;

/// Try a parked job again, as if it were new, for administrators
///
/// Done twice, it is done once. A repeat may come when the job is being done (409) or is done (404).
#[utoipa::path(post, path = "/api/v2/jobs/{id}/replay", operation_id = "replay_job", tag = "jobs", security(("bearer" = [])),
    params(IdInPath), responses((status = 200, body = V2Job),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "It is not parked")))]
pub async fn handle(
    State(endpoints): State<Arc<Endpoints>>,
    V2Admin(admin): V2Admin,
    ResourceId(id): ResourceId,
) -> Result<Response, Refusal> {
    let actor = Actor::Account(admin.principal.account_id);
    Ok(v2::private(&V2Job::from(jobs::replay(&endpoints.job_admins, id, actor, admin.request_id()).await?)))
}
