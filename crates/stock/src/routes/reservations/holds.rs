//! `GET /api/v2/me/holds`: what is held of the caller's goods.

use std::sync::Arc;

use api::caller::V2User;
use api::v2::page::PageParameters;
use api::v2::{Query, Refusal};
use axum::extract::{RawQuery, State};
use axum::response::Response;

use super::list::V2ReservationPage;
use super::page;
use crate::StockService;

const SCOPE: &str = "holds";

/// What is held of the caller's goods at the moment, newest first
///
/// A page may have fewer than `limit`: only a `next_cursor` of null is the end.
#[utoipa::path(get, path = "/api/v2/me/holds", operation_id = "list_my_holds", tag = "reservations",
    security(("bearer" = [])), params(PageParameters), responses((status = 200, body = V2ReservationPage)))]
pub async fn handle(
    State(stock): State<Arc<StockService>>,
    user: V2User,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let mut query = Query::read(query.as_deref(), &["limit", "cursor"]);
    let (limit, before) = (query.limit(), query.cursor(SCOPE, |before| Some(before.id)));
    query.finish()?;
    let products = &stock;
    let found = products.holds_of(user.principal.account_id, before, limit).await?;
    Ok(page(products, found, SCOPE, true).await)
}
