//! `GET /api/v2/products`: active products.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use platform::http::caller::V2Caller;
use platform::http::v2::Refusal;

use super::V2ProductPage;
use super::listing::{self, Asked, ListParameters, OwnerParameter};
use crate::routes::Endpoints;

/// Active products
#[utoipa::path(get, path = "/api/v2/products", operation_id = "list_products", tag = "products",
    security((), ("bearer" = [])), params(ListParameters, OwnerParameter),
    responses((status = 200, body = V2ProductPage)))]
pub async fn handle(
    State(endpoints): State<Arc<Endpoints>>,
    // The list is the same for everyone, but a token that is sent must be good.
    V2Caller(_): V2Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let products = &endpoints.products;
    listing::public(products, Asked::public(query.as_deref(), products.currency())?).await
}
