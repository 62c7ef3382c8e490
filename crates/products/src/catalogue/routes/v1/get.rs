//! `GET /api/v1/products/:id`: for its owner and administrators.

use std::sync::Arc;

use api::caller::V1User;
use api::openapi::IdInPath;
use api::path::PathId;
use api::v1::{Failure, FailureBody, Success, Words};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use kernel::Error;

use super::{Owner, ProductData, V1Product};
use crate::catalogue::routes::v1::Monolith;

const WORDS: Words = Words {
    not_found: "Product not found",
    forbidden: "Access denied. You can only view your own products.",
    ..Words::NONE
};

/// A product, for its owner and administrators
#[utoipa::path(get, path = "/api/v1/products/{id}", operation_id = "v1_product", tag = "products",
    security(("bearer" = [])), params(IdInPath),
    responses((status = 200, body = Success<ProductData>), (status = 403, body = FailureBody)))]
pub async fn handle(
    State(v1): State<Arc<Monolith>>,
    V1User(caller): V1User,
    PathId(id): PathId,
) -> Result<Response, Failure> {
    let respond = async {
        let found = v1.products.managed(&caller, id.unwrap_or_default()).await?;
        let product = &found.product;
        let others = if product.owner_id == caller.account_id {
            Vec::new()
        } else {
            v1.owners([product.owner_id].into_iter()).await?
        };
        let owner = if product.owner_id == caller.account_id {
            Some(Owner::from(&caller))
        } else {
            others.first().map(Owner::from)
        };
        v1.shown.remember(caller.session_id, [(product.id, found.total())]);
        let product = V1Product::new(product, found.total(), owner);
        Ok::<_, Error>(Success::data(ProductData { product }).into_response())
    };
    respond.await.map_err(|error| WORDS.failure(error))
}
