//! `PUT /api/v2/products/{id}`: all that can be edited, at once.

use std::sync::Arc;

use api::caller::V2User;
use api::conditional::IfMatch;
use api::openapi::{IdInPath, IfMatchHeader, InConflict, NotTheirs};
use api::path::ResourceId;
use api::v2::{JsonBody, Refusal};
use axum::extract::State;
use axum::response::Response;

use super::input::ProductReplacement;
use super::{V2Product, managed};
use crate::catalogue::Products;

/// Replace all that can be edited of a product
///
/// What is absent is cleared, but the status and the handle stay, and the stock of variants that do. Others go with theirs, unless units
/// are reserved.
#[utoipa::path(put, path = "/api/v2/products/{id}", operation_id = "replace_product", tag = "products",
    security(("bearer" = [])), params(IdInPath, IfMatchHeader), request_body = ProductReplacement,
    responses((status = 200, body = V2Product, headers(("ETag" = String, description = "Its version, for If-Match"))),
        NotTheirs, InConflict))]
pub async fn handle(
    State(products): State<Arc<Products>>,
    user: V2User,
    ResourceId(id): ResourceId,
    IfMatch(expected): IfMatch,
    JsonBody { value, .. }: JsonBody<ProductReplacement>,
) -> Result<Response, Refusal> {
    let replaced = products.replace(user.into(), id, expected, value.into()).await?;
    Ok(managed(&replaced, products.sellers.name(replaced.product.owner_id).await.as_deref()))
}
