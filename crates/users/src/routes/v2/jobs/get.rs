//! `GET /api/v2/jobs/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use platform::http::caller::V2Admin;
use platform::http::openapi::IdInPath;
use platform::http::path::ResourceId;
use platform::http::v2::refusal::Problem;
use platform::http::v2::{self, Refusal};

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
    Ok(v2::private(&V2Job::from(jobs::get(&endpoints.desks, id).await?)))
}
