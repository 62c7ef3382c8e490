//! `PATCH /api/v2/variants/{id}`: single fields.

use std::sync::Arc;

use api::caller::V2User;
use api::conditional::IfMatch;
use api::openapi::{IdInPath, IfMatchHeader, InConflict, NotTheirs};
use api::path::ResourceId;
use api::v2::{JsonBody, Refusal};
use axum::extract::State;
use axum::response::Response;

use super::input::VariantChange;
use super::{V2Variant, managed_variant};
use crate::catalogue::Products;

/// Change fields of a variant
///
/// A variant has the version of its product: `If-Match` takes the ETag of either.
#[utoipa::path(patch, path = "/api/v2/variants/{id}", operation_id = "update_variant", tag = "products",
    security(("bearer" = [])), params(IdInPath, IfMatchHeader),
    request_body(content((VariantChange = "application/merge-patch+json"), (VariantChange = "application/json"))),
    responses((status = 200, body = V2Variant, headers(("ETag" = String, description = "The product's version, for If-Match"))),
        NotTheirs, InConflict))]
pub async fn handle(
    State(products): State<Arc<Products>>,
    user: V2User,
    ResourceId(id): ResourceId,
    IfMatch(expected): IfMatch,
    JsonBody { value, .. }: JsonBody<VariantChange>,
) -> Result<Response, Refusal> {
    let patched = products.patch_variant(user.into(), id, expected, value.into()).await?;
    managed_variant(&patched, id)
}
