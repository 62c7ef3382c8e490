//! `DELETE /api/v2/products/{id}`.

use api::caller::V2User;
use api::conditional::IfMatch;
use api::openapi::{IdInPath, IfMatchHeader, InConflict, NotTheirs};
use api::path::ResourceId;
use api::v2::{self, Refusal};
use axum::extract::State;
use axum::response::Response;

use crate::routes::Endpoints;

/// Delete a product with its variants
///
/// Not while units of one are reserved.
#[utoipa::path(delete, path = "/api/v2/products/{id}", operation_id = "delete_product", tag = "products",
    security(("bearer" = [])), params(IdInPath, IfMatchHeader),
    responses((status = 204, description = "It is gone"), NotTheirs, InConflict))]
pub async fn handle(
    State(endpoints): State<Endpoints>,
    user: V2User,
    ResourceId(id): ResourceId,
    IfMatch(expected): IfMatch,
) -> Result<Response, Refusal> {
    endpoints.products.delete(user.into(), id, expected).await?;
    Ok(v2::done())
}
