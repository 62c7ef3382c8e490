//! `POST /api/v1/products`: a draft of one variant. Repeatable with an `Idempotency-Key`.

use std::sync::Arc;

use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use kernel::{Currency, Money};
use platform::http::caller::V1User;
use platform::http::idempotency;
use platform::http::openapi::IdempotencyKeyHeader;
use platform::http::v1::{self, Failure, Fields, Success};
use platform::idempotency::Repeat;

use super::fields::{self, NewProductBody, ProductFields};
use super::{ProductData, V1Product, caller};
use crate::model::{Content, Stocked};
use crate::routes::Endpoints;

/// Create a product: a draft of one variant
#[utoipa::path(post, path = "/api/v1/products", operation_id = "v1_create_product", tag = "products",
    security(("bearer" = [])), params(IdempotencyKeyHeader), request_body = NewProductBody,
    responses((status = 201, body = Success<ProductData>)))]
pub async fn handle(
    State(endpoints): State<Arc<Endpoints>>,
    V1User(principal): V1User,
    request: Request,
) -> Result<Response, Failure> {
    let products = &endpoints.products;
    let (parts, body) = request.into_parts();
    let caller = caller(principal, &parts);
    let headers = parts.headers.clone();
    let Fields { fields, raw } = Fields::from_request(Request::from_parts(parts, body), &()).await?;
    let checked = fields::check(&fields, products.currency(), true).map_err(Failure::validation)?;
    let claim = idempotency::claim(&headers, &caller.principal, "/api/v1/products", &raw, products.context.now())?;
    let content = content(checked, products.currency());
    let answer = products.create(caller, content, claim.map(Repeat::of_success), render).await?;
    let mut response = v1::json(StatusCode::CREATED, answer.body);
    if answer.replayed {
        response.headers_mut().insert(idempotency::REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

fn content(checked: ProductFields, currency: Currency) -> Content {
    let price = Money { amount: checked.price.unwrap_or_default(), currency };
    Content {
        description: checked.description.flatten(),
        category: checked.category.flatten(),
        ..Content::plain(checked.name.unwrap_or_default(), price, checked.stock.unwrap_or_default())
    }
}

fn render(created: &Stocked) -> Bytes {
    let data = ProductData { product: V1Product::new(&created.product, created.total(), None) };
    Success::said("Product created successfully", data).to_bytes()
}
