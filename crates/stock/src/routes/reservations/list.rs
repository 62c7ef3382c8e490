//! `GET /api/v2/reservations`

use std::sync::Arc;

use api::caller::V2User;
use api::v2::page::PageParameters;
use api::v2::{Page, Query, Refusal};
use axum::extract::{RawQuery, State};
use axum::response::Response;
use utoipa::IntoParams;

use super::{V2Reservation, page};
use crate::StockService;
use crate::model::State as ReservationState;

const SCOPE: &str = "reservations";

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described")]
pub struct ReservationFilter {
    /// Only those in this state.
    #[param(inline)]
    state: Option<ReservationState>,
}

pub type V2ReservationPage = Page<V2Reservation<'static>>;

/// The caller's reservations, newest first
///
/// A page may have fewer than `limit`: only a `next_cursor` of null is the end.
#[utoipa::path(get, path = "/api/v2/reservations", operation_id = "list_reservations", tag = "reservations",
    security(("bearer" = [])), params(ReservationFilter, PageParameters), responses((status = 200, body = V2ReservationPage)))]
pub async fn handle(
    State(stock): State<Arc<StockService>>,
    user: V2User,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let mut query = Query::read(query.as_deref(), &["state", "limit", "cursor"]);
    let state = query.choice("state", &ReservationState::ALL.map(|state| (state.as_str(), state)));
    let scope = format!("{SCOPE} {state:?}");
    let (limit, before) = (query.limit(), query.cursor(&scope, |before| Some(before.id)));
    query.finish()?;
    let products = &stock;
    let found = products.reservations_of(user.principal.account_id, state, before, limit).await?;
    Ok(page(products, found, &scope, false).await)
}
