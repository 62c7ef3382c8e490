//! `GET /api/v2/products/{id}`: active products for everyone, others for those who manage them.

use std::sync::Arc;

use api::caller::V2Caller;
use api::openapi::{IdInPath, IfNoneMatchHeader};
use api::path::ResourceId;
use api::v2::{self, Refusal};
use axum::extract::{Request, State};
use axum::response::Response;
use kernel::Principal;

use super::{V2Product, managed, public_etag};
use crate::catalogue::Products;
use crate::catalogue::model::Product;

/// A product: active ones for everyone, others for those who manage them
#[utoipa::path(get, path = "/api/v2/products/{id}", operation_id = "get_product", tag = "products",
    security((), ("bearer" = [])), params(IdInPath, IfNoneMatchHeader),
    responses((status = 200, body = V2Product, headers(("ETag" = String, description = "Its version, for If-Match and If-None-Match"))),
        (status = 304, description = "The client has it")))]
pub async fn handle(
    State(products): State<Arc<Products>>,
    V2Caller(caller): V2Caller,
    ResourceId(id): ResourceId,
    request: Request,
) -> Result<Response, Refusal> {
    let product = products.visible(caller.as_ref(), id).await?;
    answer(&products, caller, product, request).await
}

/// A product that the caller may see.
///
/// # Errors
/// As the use case.
pub async fn answer(
    products: &Products,
    caller: Option<Principal>,
    product: Product,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let seller = products.sellers.name(product.owner_id).await;
    let seller = seller.as_deref();
    Ok(match caller.filter(|caller| caller.may_manage(product.owner_id)) {
        Some(manager) => managed(&products.managed(&manager, product.id).await?, seller),
        None => v2::public_with_etag(&parts, public_etag(&product, seller), || V2Product::shown(&product, seller)),
    })
}
