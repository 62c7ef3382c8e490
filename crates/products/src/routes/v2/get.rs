//! `GET /api/v2/products/{id}`: active products for everyone, others for those who manage them.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::response::Response;
use platform::http::caller::V2Caller;
use platform::http::path::PathId;
use platform::http::v2::{self, Problem};

use super::V2Product;
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
            Some(manager) => v2::json(&V2Product::managed(&products.managed(&manager, product.id).await?), true),
            None => v2::json(&V2Product::shown(&product), false),
        })
    };
    answer.await.map_err(|error| Problem::of(error, &parts))
}
