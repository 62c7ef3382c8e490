//! `GET /api/v2/jobs/{id}`

use std::sync::Arc;

use api::caller::V2Admin;
use api::openapi::IdInPath;
use api::path::ResourceId;
use api::v2::problem::Problem;
use api::v2::{self, Refusal};
use axum::extract::State;
use axum::response::Response;

use super::V2Job;
use crate::jobs;
use crate::routes::Endpoints;

/// One job, for administrators
#[utoipa::path(get, path = "/api/v2/jobs/{id}", operation_id = "get_job", tag = "jobs", security(("bearer" = [])),
    params(IdInPath), responses((status = 200, body = V2Job),
        (status = 403, body = Problem, content_type = "application/problem+json")))]
pub async fn handle(
    State(endpoints): State<Arc<Endpoints>>,
    V2Admin(_): V2Admin,
    ResourceId(id): ResourceId,
) -> Result<Response, Refusal> {
    Ok(v2::private(&V2Job::from(jobs::get(&endpoints.job_admins, id).await?)))
}
