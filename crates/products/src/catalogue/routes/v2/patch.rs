//! `PATCH /api/v2/products/{id}`: single fields.

use std::sync::Arc;

use api::caller::V2User;
use api::conditional::IfMatch;
use api::openapi::{IdInPath, IfMatchHeader, InConflict, NotTheirs};
use api::path::ResourceId;
use api::v2::{JsonBody, Refusal};
use axum::extract::State;
use axum::response::Response;

use super::input::ProductPatch;
use super::{V2Product, managed};
use crate::catalogue::Products;

/// Change fields of a product
///
/// A patch that changes nothing makes no new version.
#[utoipa::path(patch, path = "/api/v2/products/{id}", operation_id = "update_product", tag = "products",
    security(("bearer" = [])), params(IdInPath, IfMatchHeader),
    request_body(content((ProductPatch = "application/merge-patch+json"), (ProductPatch = "application/json"))),
    responses((status = 200, body = V2Product, headers(("ETag" = String, description = "Its version, for If-Match"))),
        NotTheirs, InConflict))]
pub async fn handle(
    State(products): State<Arc<Products>>,
    user: V2User,
    ResourceId(id): ResourceId,
    IfMatch(expected): IfMatch,
    JsonBody { value, .. }: JsonBody<ProductPatch>,
) -> Result<Response, Refusal> {
    let patched = products.patch(user.into(), id, expected, value.into()).await?;
    Ok(managed(&patched, products.sellers.name(patched.product.owner_id).await.as_deref()))
}
