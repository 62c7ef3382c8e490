//! `GET /api/v2/me/products`: the caller's products of every status, with their stock.

use std::sync::Arc;

use api::caller::V2User;
use api::v2::Refusal;
use axum::extract::{RawQuery, State};
use axum::response::Response;

use super::list_query::{self, Asked, ListParameters, StatusParameter};
use crate::lists::Lists;

/// The caller's products, drafts too, with their stock
#[utoipa::path(get, path = "/api/v2/me/products", operation_id = "list_my_products", tag = "products",
    security(("bearer" = [])), params(ListParameters, StatusParameter),
    responses((status = 200, body = list_query::V2ProductPage)))]
pub async fn handle(
    State(lists): State<Arc<Lists>>,
    caller: V2User,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let asked = Asked::own(query.as_deref(), caller.principal.account_id, lists.products.currency())?;
    list_query::managed(&lists, asked).await
}
