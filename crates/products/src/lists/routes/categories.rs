//! `GET /api/v2/categories`: the categories of active products.

use std::sync::Arc;

use api::caller::V2Caller;
use api::v2::page::Key;
use api::v2::{self, Page, Position, Query, Refusal};
use axum::extract::{RawQuery, State};
use axum::response::Response;
use kernel::Uuid;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::lists::{Category, Lists};

const SCOPE: &str = "categories";

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described")]
struct Parameters {
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// A category, as its products name it.
#[derive(Serialize, ToSchema)]
#[schema(as = Category)]
struct V2Category {
    name: String,
    /// How many active products it has.
    count: i64,
}

type V2CategoryPage = Page<V2Category>;

/// The categories of active products, by name
#[utoipa::path(get, path = "/api/v2/categories", operation_id = "list_categories", tag = "products",
    security((), ("bearer" = [])), params(Parameters), responses((status = 200, body = V2CategoryPage)))]
pub async fn handle(
    State(lists): State<Arc<Lists>>,
    V2Caller(_): V2Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let mut query = Query::read(query.as_deref(), &["limit", "cursor"]);
    let (limit, after) = (query.limit(), query.cursor(SCOPE, Position::text));
    query.finish()?;
    let (found, next) = lists.categories(after.as_deref(), limit).await?;
    // Names are distinct: there is no need for an id beside them.
    let place = |name| Position { key: Key::Text(name), id: Uuid::nil() };
    let items = found.into_iter().map(|Category { name, count }| V2Category { name, count }).collect();
    Ok(v2::public(&Page { items, next_cursor: next.map(|name| place(name).to_cursor(SCOPE)), count: None }))
}
