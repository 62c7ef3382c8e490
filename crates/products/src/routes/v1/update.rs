//! `PUT /api/v1/products/:id`: any subset of the fields, by its owner and administrators.

use std::sync::Arc;

use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use kernel::Error;
use platform::http::caller::V1User;
use platform::http::openapi::IdInPath;
use platform::http::path::PathId;
use platform::http::v1::{Failure, FailureBody, FieldError, Fields, Success, Words};

use super::fields::{self, ProductBody, ProductFields};
use super::{ProductData, V1Product, caller};
use crate::model::Edit;
use crate::routes::Endpoints;

const WORDS: Words = Words {
    not_found: "Product not found",
    forbidden: "Access denied. You can only update your own products.",
    ..Words::NONE
};
const PRICE: &str = "This product has several variants: its price is read-only here";
const STOCK: &str = "This product has several variants: its stock is read-only here";

/// Change any of a product's fields
#[utoipa::path(put, path = "/api/v1/products/{id}", operation_id = "v1_update_product", tag = "products",
    security(("bearer" = [])), params(IdInPath), request_body = ProductBody,
    responses((status = 200, body = Success<ProductData>), (status = 403, body = FailureBody), (status = 409, body = FailureBody)))]
pub async fn handle(
    State(endpoints): State<Arc<Endpoints>>,
    V1User(principal): V1User,
    PathId(id): PathId,
    request: Request,
) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let caller = caller(principal, &parts);
    let Fields { fields, .. } = Fields::from_request(Request::from_parts(parts, body), &()).await?;
    let checked = fields::check(&fields, endpoints.products.currency(), false).map_err(Failure::validation)?;
    let updated =
        endpoints.products.edit(caller, id.unwrap_or_default(), edit(checked)).await.map_err(|error| match error {
            Error::Invalid(broken) if broken.iter().any(|violation| violation.field == "price") => {
                Failure::validation(vec![FieldError::body("price", fields.get("price"), PRICE)])
            }
            Error::Invalid(_) => Failure::validation(vec![FieldError::body("stock", fields.get("stock"), STOCK)]),
            other => WORDS.failure(other),
        })?;
    let data = ProductData { product: V1Product::new(&updated.product, updated.total(), None) };
    Ok(Success::said("Product updated successfully", data).into_response())
}

fn edit(checked: ProductFields) -> Edit {
    let ProductFields { name, price, stock, category, description } = checked;
    Edit { name, description, category, price, stock }
}
