//! `POST /api/v2/products`. Repeatable with an `Idempotency-Key`.

use std::sync::Arc;

use api::caller::V2User;
use api::openapi::{IdempotencyKeyHeader, InConflict};
use api::v2::{self, JsonBody, Refusal, Repeatable};
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;

use super::input::NewProduct;
use super::{V2Product, created};
use crate::catalogue::Products;
use crate::catalogue::model::{Listing, Stocked};

const PATH: &str = "/api/v2/products";

/// Create a product of the caller
#[utoipa::path(post, path = "/api/v2/products", operation_id = "create_product", tag = "products",
    security(("bearer" = [])), params(IdempotencyKeyHeader), request_body = NewProduct,
    responses((status = 201, body = V2Product, headers(("Location" = String, description = "Where it is"),
        ("ETag" = String, description = "Its version, for If-Match"))), InConflict))]
pub async fn handle(
    State(products): State<Arc<Products>>,
    user: V2User,
    repeatable: Repeatable,
    JsonBody { value, raw }: JsonBody<NewProduct>,
) -> Result<Response, Refusal> {
    let products = &products;
    let content = Listing::from(value).check(None)?;
    let repeat = repeatable.by(&user.principal, PATH.to_owned(), &raw, products.context.now())?;
    let answer = products.create(user.into(), content, repeat, render).await?;
    Ok(v2::repeat::response(answer, created))
}

fn render(created: &Stocked, seller: Option<&str>) -> Bytes {
    v2::bytes(&V2Product::managed(created, seller))
}
