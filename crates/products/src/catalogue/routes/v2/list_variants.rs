//! `GET /api/v2/products/{id}/variants`: where the product is visible, so are they.

use std::sync::Arc;

use api::caller::V2Caller;
use api::openapi::{IdInPath, IfNoneMatchHeader};
use api::path::ResourceId;
use api::v2::{self, Page, Refusal};
use axum::extract::{Request, State};
use axum::response::Response;

use super::{V2Product, V2Variant, managed_etag, public_etag};
use crate::catalogue::Products;

type V2VariantPage = Page<V2Variant<'static>>;

/// The variants of a product, all of them, in its order
#[utoipa::path(get, path = "/api/v2/products/{id}/variants", operation_id = "list_variants", tag = "products",
    security((), ("bearer" = [])), params(IdInPath, IfNoneMatchHeader),
    responses((status = 200, body = V2VariantPage, headers(("ETag" = String, description = "The product's version, for If-Match and If-None-Match"))),
        (status = 304, description = "The client has them")))]
pub async fn handle(
    State(products): State<Arc<Products>>,
    V2Caller(caller): V2Caller,
    ResourceId(id): ResourceId,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let products = &products;
    let product = products.visible(caller.as_ref(), id).await?;
    Ok(match caller.filter(|caller| caller.may_manage(product.owner_id)) {
        Some(manager) => {
            let stocked = products.managed(&manager, product.id).await?;
            let etag = managed_etag(stocked.product.version);
            v2::private_with_etag(etag, &Page::whole(V2Product::managed(&stocked, None).variants))
        }
        None => v2::public_with_etag(&parts, public_etag(&product, None), || {
            Page::whole(V2Product::shown(&product, None).variants)
        }),
    })
}
