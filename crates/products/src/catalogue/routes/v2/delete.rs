//! `DELETE /api/v2/products/{id}`.

use std::sync::Arc;

use api::caller::V2User;
use api::conditional::IfMatch;
use api::openapi::{IdInPath, IfMatchHeader, InConflict, NotTheirs};
use api::path::ResourceId;
use api::v2::{self, Refusal};
use axum::extract::State;
use axum::response::Response;

use crate::catalogue::Products;

/// Delete a product with its variants
///
/// Not while units of one are reserved.
#[utoipa::path(delete, path = "/api/v2/products/{id}", operation_id = "delete_product", tag = "products",
    security(("bearer" = [])), params(IdInPath, IfMatchHeader),
    responses((status = 204, description = "It is gone"), NotTheirs, InConflict))]
pub async fn handle(
    State(products): State<Arc<Products>>,
    user: V2User,
    ResourceId(id): ResourceId,
    IfMatch(expected): IfMatch,
) -> Result<Response, Refusal> {
    products.delete(user.into(), id, expected).await?;
    Ok(v2::done())
}
