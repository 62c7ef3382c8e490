//! `GET /api/v2/products/{id}`: active products for everyone, others for those who manage them.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::HeaderValue;
use axum::response::Response;
use platform::http::caller::V2Caller;
use platform::http::conditional::etag;
use platform::http::path::PathId;
use platform::http::v2::{self, Problem};

use super::V2Product;
use crate::model::Product;
use crate::routes::Endpoints;

pub async fn handle(
    State(endpoints): State<Arc<Endpoints>>,
    PathId(id): PathId,
    request: Request,
) -> Result<Response, Problem> {
    let (mut parts, _) = request.into_parts();
    let V2Caller(caller) = V2Caller::from_request_parts(&mut parts, &()).await?;
    let products = &endpoints.products;
    let answer = async {
        let product = products.visible(caller.as_ref(), id.unwrap_or_default()).await?;
        Ok(match caller.filter(|caller| caller.may_manage(product.owner_id)) {
            Some(manager) => {
                let managed = products.managed(&manager, product.id).await?;
                v2::private_with_etag(etag(managed.product.version, "managed"), &V2Product::managed(&managed))
            }
            None => v2::public_with_etag(&parts, public_etag(&product), || V2Product::shown(&product)),
        })
    };
    answer.await.map_err(|error| Problem::of(error, &parts))
}

/// Sales change what is shown of a version only when a variant comes into stock or goes out of it.
fn public_etag(product: &Product) -> HeaderValue {
    // FNV-1a over the flags, in the variants' order.
    let in_stock = product.variants.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, variant| {
        (hash ^ u64::from(variant.in_stock)).wrapping_mul(0x0100_0000_01b3)
    });
    etag(product.version, &format!("{in_stock:016x}"))
}
