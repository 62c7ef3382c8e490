//! `DELETE /api/v1/products/:id`: by its owner and administrators.

use std::sync::Arc;

use api::caller::V1User;
use api::openapi::IdInPath;
use api::path::PathId;
use api::v1::{Done, Failure, FailureBody, Success, Words};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use kernel::Expected;

use super::caller;
use crate::catalogue::routes::v1::Monolith;

const WORDS: Words = Words {
    not_found: "Product not found",
    forbidden: "Access denied. You can only delete your own products.",
    ..Words::NONE
};

/// Delete a product
#[utoipa::path(delete, path = "/api/v1/products/{id}", operation_id = "v1_delete_product", tag = "products",
    security(("bearer" = [])), params(IdInPath),
    responses((status = 200, body = Done), (status = 403, body = FailureBody), (status = 409, body = FailureBody)))]
pub async fn handle(
    State(v1): State<Arc<Monolith>>,
    V1User(principal): V1User,
    PathId(id): PathId,
    request: Request,
) -> Result<Response, Failure> {
    let (parts, _) = request.into_parts();
    let deleted = v1.products.delete(caller(principal, &parts), id.unwrap_or_default(), Expected::Any).await;
    deleted.map_err(|error| WORDS.failure(error))?;
    Ok(Success::message("Product deleted successfully").into_response())
}
