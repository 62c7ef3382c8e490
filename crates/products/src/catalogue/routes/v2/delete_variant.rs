//! `DELETE /api/v2/variants/{id}`.

use std::sync::Arc;

use api::caller::V2User;
use api::conditional::IfMatch;
use api::openapi::{IdInPath, IfMatchHeader, InConflict, NotTheirs};
use api::path::ResourceId;
use api::v2::{self, Refusal};
use axum::extract::State;
use axum::http::header;
use axum::response::Response;

use super::managed_etag;
use crate::catalogue::Products;

/// Delete a variant
///
/// Neither the last one of a product, nor one of which units are reserved. `If-Match` takes the ETag of its product.
#[utoipa::path(delete, path = "/api/v2/variants/{id}", operation_id = "delete_variant", tag = "products",
    security(("bearer" = [])), params(IdInPath, IfMatchHeader),
    responses((status = 204, description = "It is gone",
        headers(("ETag" = String, description = "The product's version, for If-Match"))), NotTheirs, InConflict))]
pub async fn handle(
    State(products): State<Arc<Products>>,
    user: V2User,
    ResourceId(id): ResourceId,
    IfMatch(expected): IfMatch,
) -> Result<Response, Refusal> {
    let left = products.delete_variant(user.into(), id, expected).await?;
    let mut response = v2::done();
    // So the next change of the product need not read it first.
    response.headers_mut().insert(header::ETAG, managed_etag(left.product.version));
    Ok(response)
}
