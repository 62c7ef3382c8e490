//! `PUT /api/v1/products/:id`: any subset of the fields, by its owner and administrators.

use std::sync::Arc;

use api::caller::V1User;
use api::openapi::IdInPath;
use api::path::PathId;
use api::v1::{Failure, FailureBody, Fields, Success, Words};
use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use kernel::Error;

use super::fields::{ProductBody, Sent};
use super::{ProductData, V1Product, caller};
use crate::catalogue::routes::v1::Monolith;

const WORDS: Words = Words {
    not_found: "Product not found",
    forbidden: "Access denied. You can only update your own products.",
    ..Words::NONE
};

/// Change any of a product's fields
#[utoipa::path(put, path = "/api/v1/products/{id}", operation_id = "v1_update_product", tag = "products",
    security(("bearer" = [])), params(IdInPath), request_body = ProductBody,
    responses((status = 200, body = Success<ProductData>), (status = 403, body = FailureBody), (status = 409, body = FailureBody)))]
pub async fn handle(
    State(v1): State<Arc<Monolith>>,
    V1User(principal): V1User,
    PathId(id): PathId,
    request: Request,
) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let caller = caller(principal, &parts);
    let Fields { fields, .. } = Fields::from_request(Request::from_parts(parts, body), &()).await?;
    let (products, id, sent) = (&v1.products, id.unwrap_or_default(), Sent::read(fields, false));
    if sent.is_broken() {
        // What comes back as it was shown is not wrong: those who manage the product are not told so.
        let present = products.managed(&caller.principal, id).await.ok();
        let refusal = sent.judge(present.as_ref().map(|present| &present.product), products.currency());
        refusal.map_or(Ok(()), Err)?;
    }
    let session = caller.principal.session_id;
    let mut edit = sent.edit.clone();
    // The form posts back the stock that it was shown, however many units were sold since: that is no change.
    edit.stock = edit.stock.filter(|stock| v1.shown.last(session, id) != Some(*stock));
    let updated = products.edit(caller, id, edit).await.map_err(|error| match error {
        Error::Invalid(violations) => sent.refused(&violations),
        // Input is refused first. Of a product that is not the caller's, it cannot be what they were shown.
        Error::NotFound | Error::Forbidden(_) => {
            sent.judge(None, products.currency()).unwrap_or_else(|| WORDS.failure(error))
        }
        other => WORDS.failure(other),
    })?;
    v1.shown.remember(session, [(id, updated.total())]);
    let data = ProductData { product: V1Product::new(&updated.product, updated.total(), None) };
    Ok(Success::said("Product updated successfully", data).into_response())
}
