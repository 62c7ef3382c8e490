//! `GET /api/v2/variants/{id}`: where its product is visible, so is it.

use std::sync::Arc;

use api::caller::V2Caller;
use api::openapi::{IdInPath, IfNoneMatchHeader};
use api::path::ResourceId;
use api::v2::{self, Refusal};
use axum::extract::{Request, State};
use axum::response::Response;
use kernel::Error;

use super::{V2Variant, managed_variant, public_etag};
use crate::catalogue::Products;

/// A variant: those of active products for everyone, others for those who manage them
///
/// A variant has the version of its product: its ETag is good for `If-Match` of either.
#[utoipa::path(get, path = "/api/v2/variants/{id}", operation_id = "get_variant", tag = "products",
    security((), ("bearer" = [])), params(IdInPath, IfNoneMatchHeader),
    responses((status = 200, body = V2Variant, headers(("ETag" = String, description = "Its version, for If-Match and If-None-Match"))),
        (status = 304, description = "The client has it")))]
pub async fn handle(
    State(products): State<Arc<Products>>,
    V2Caller(caller): V2Caller,
    ResourceId(id): ResourceId,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let products = &products;
    let product = products.visible_with_variant(caller.as_ref(), id).await?;
    if let Some(manager) = caller.filter(|caller| caller.may_manage(product.owner_id)) {
        return managed_variant(&products.managed(&manager, product.id).await?, id);
    }
    let variant = product.variants.iter().find(|variant| variant.id == id).ok_or(Error::NotFound)?;
    Ok(v2::public_with_etag(&parts, public_etag(&product, None), || V2Variant::new(&product, variant, None)))
}
