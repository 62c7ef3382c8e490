//! `POST /api/v2/products/{id}/variants`. Repeatable with an `Idempotency-Key`.

use std::sync::Arc;

use api::caller::V2User;
use api::openapi::{IdInPath, IdempotencyKeyHeader, InConflict, NotTheirs};
use api::path::ResourceId;
use api::v2::{self, JsonBody, Refusal, Repeatable};
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use kernel::Uuid;

use super::input::NewVariant;
use super::{V2Variant, created};
use crate::catalogue::Products;
use crate::catalogue::model::Stocked;

/// Add a variant to a product
///
/// It has the options of the other variants, and their currency. It is the last one.
#[utoipa::path(post, path = "/api/v2/products/{id}/variants", operation_id = "create_variant", tag = "products",
    security(("bearer" = [])), params(IdInPath, IdempotencyKeyHeader), request_body = NewVariant,
    responses((status = 201, body = V2Variant, headers(("Location" = String, description = "Where it is"),
        ("ETag" = String, description = "The product's version, for If-Match"))), NotTheirs, InConflict))]
pub async fn handle(
    State(products): State<Arc<Products>>,
    user: V2User,
    ResourceId(id): ResourceId,
    repeatable: Repeatable,
    JsonBody { value, raw }: JsonBody<NewVariant>,
) -> Result<Response, Refusal> {
    let products = &products;
    let path = format!("/api/v2/products/{id}/variants");
    let repeat = repeatable.by(&user.principal, path, &raw, products.context.now())?;
    let answer = products.add_variant(user.into(), id, value.into(), repeat, render).await?;
    Ok(v2::repeat::response(answer, created))
}

fn render(product: &Stocked, id: Uuid) -> Bytes {
    v2::bytes(&V2Variant::managed(product, id))
}
