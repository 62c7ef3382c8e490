//! `GET /api/v2/users/{id}`

use std::sync::Arc;

use api::caller::V2Admin;
use api::openapi::IdInPath;
use api::path::ResourceId;
use api::v2::problem::Problem;
use api::v2::{self, Refusal};
use auth::routes::v2::{V2Account, etag};
use axum::extract::State;
use axum::response::Response;
use kernel::Error;

use crate::routes::Endpoints;

/// An account, for administrators
#[utoipa::path(get, path = "/api/v2/users/{id}", operation_id = "get_user", tag = "users", security(("bearer" = [])),
    params(IdInPath), responses((status = 200, body = V2Account, headers(("ETag" = String, description = "Its version, for If-Match"))),
        (status = 403, body = Problem, content_type = "application/problem+json")))]
pub async fn handle(
    State(endpoints): State<Arc<Endpoints>>,
    V2Admin(_): V2Admin,
    ResourceId(id): ResourceId,
) -> Result<Response, Refusal> {
    let account = endpoints.accounts.get(id).await?.ok_or(Error::NotFound)?;
    Ok(v2::private_with_etag(etag(&account), &V2Account::from(account)))
}
