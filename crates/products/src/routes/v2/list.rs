//! `GET /api/v2/products?category&limit&cursor`: active products, newest first.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use platform::http::caller::V2Caller;
use platform::http::v2::page::Key;
use platform::http::v2::{self, Page, Position, Query, Refusal};
use utoipa::IntoParams;

use super::V2Product;
use crate::model::Product;
use crate::routes::Endpoints;
use crate::store::ActiveQuery;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described")]
struct Parameters {
    /// Exactly this category.
    category: Option<String>,
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<i64>,
    /// `next_cursor` of the page before, with the same filters.
    cursor: Option<String>,
}

/// Active products, newest first
#[utoipa::path(get, path = "/api/v2/products", operation_id = "products", tag = "products",
    security((), ("bearer" = [])), params(Parameters), responses((status = 200, body = Page<V2Product>)))]
pub async fn handle(
    State(endpoints): State<Arc<Endpoints>>,
    // The list is the same for everyone, but a token that is sent must be good.
    V2Caller(_): V2Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let mut query = Query::read(query.as_deref(), &["category", "limit", "cursor"]);
    let (category, limit) = (query.text("category"), query.limit());
    let scope = format!("products {category:?}");
    let after = query.cursor(&scope);
    query.finish()?;
    let after = after.and_then(|after| match after.key {
        Key::Number(time) => Some((kernel::Timestamp(time), after.id)),
        Key::Text(_) => None,
    });
    let found = endpoints.products.active(ActiveQuery { category, after, limit: limit as i64 + 1 }).await?;
    let position = |product: &&Product| Position { key: Key::Number(product.created_at.0), id: product.id };
    let found: Vec<&Product> = found.iter().collect();
    Ok(v2::public(&Page::of(found, limit, &scope, position, V2Product::shown)))
}
