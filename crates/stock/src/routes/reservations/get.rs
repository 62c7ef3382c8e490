//! `GET /api/v2/reservations/{id}`

use std::sync::Arc;

use api::caller::V2User;
use api::openapi::IdInPath;
use api::path::ResourceId;
use api::v2::{self, Refusal};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::{V2Reservation, render};
use crate::StockService;

/// A reservation
///
/// For the account that made it, and administrators.
#[utoipa::path(get, path = "/api/v2/reservations/{id}", operation_id = "get_reservation", tag = "reservations",
    security(("bearer" = [])), params(IdInPath), responses((status = 200, body = V2Reservation)))]
pub async fn handle(
    State(stock): State<Arc<StockService>>,
    user: V2User,
    ResourceId(id): ResourceId,
) -> Result<Response, Refusal> {
    let reservation = stock.reservation(&user.into(), id).await?;
    let seller = stock.sellers.name(reservation.owner_id).await;
    Ok(v2::private_json(StatusCode::OK, render(&reservation, seller.as_deref())))
}
