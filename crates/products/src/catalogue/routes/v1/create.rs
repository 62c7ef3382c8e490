//! `POST /api/v1/products`: a draft of one variant. Repeatable with an `Idempotency-Key`.

use std::sync::Arc;

use api::caller::V1User;
use api::idempotency;
use api::openapi::IdempotencyKeyHeader;
use api::v1::{self, Failure, Fields, Success};
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use effects::idempotency::Repeat;
use kernel::{Currency, Money};

use super::fields::{NewProductBody, Sent};
use super::{ProductData, V1Product, caller};
use crate::catalogue::events;
use crate::catalogue::model::{Content, Edit, Stocked};
use crate::catalogue::routes::v1::Monolith;

/// Create a product: a draft of one variant
#[utoipa::path(post, path = "/api/v1/products", operation_id = "v1_create_product", tag = "products",
    security(("bearer" = [])), params(IdempotencyKeyHeader), request_body = NewProductBody,
    responses((status = 201, body = Success<ProductData>)))]
pub async fn handle(
    State(v1): State<Arc<Monolith>>,
    V1User(principal): V1User,
    request: Request,
) -> Result<Response, Failure> {
    let products = &v1.products;
    let (parts, body) = request.into_parts();
    let caller = caller(principal, &parts);
    let headers = parts.headers.clone();
    let Fields { fields, raw } = Fields::from_request(Request::from_parts(parts, body), &()).await?;
    let (sent, currency) = (Sent::read(fields, true), products.currency());
    if let Some(refusal) = sent.judge(None, currency) {
        return Err(refusal);
    }
    let claim = idempotency::claim(&headers, &caller.principal, "/api/v1/products", &raw, products.context.now())?;
    let (session, stock) = (caller.principal.session_id, sent.edit.stock.unwrap_or_default());
    let answer = products.create(caller, content(sent.edit, currency), claim.map(Repeat::of_success), render).await?;
    // A repeated answer too: it shows what was sent.
    if let Some(id) = events::product_in(&answer.subject) {
        v1.shown.remember(session, [(id, stock)]);
    }
    let mut response = v1::json(StatusCode::CREATED, answer.body);
    if answer.replayed {
        response.headers_mut().insert(idempotency::REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

fn content(new: Edit, currency: Currency) -> Content {
    let price = Money { amount: new.amount(currency).unwrap_or_default(), currency };
    Content {
        description: new.description.flatten(),
        category: new.category.flatten(),
        ..Content::plain(new.name.unwrap_or_default(), price, new.stock.unwrap_or_default())
    }
}

fn render(created: &Stocked, _: Option<&str>) -> Bytes {
    let data = ProductData { product: V1Product::new(&created.product, created.total(), None) };
    Success::said("Product created successfully", data).to_bytes()
}
