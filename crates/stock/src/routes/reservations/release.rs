//! `DELETE /api/v2/reservations/{id}`

use std::sync::Arc;

use api::caller::V2User;
use api::openapi::{IdInPath, InConflict};
use api::path::ResourceId;
use api::v2::{self, Refusal};
use axum::extract::State;
use axum::response::Response;

use crate::StockService;

/// Give units back
///
/// Done twice, it is done once.
#[utoipa::path(delete, path = "/api/v2/reservations/{id}", operation_id = "release_reservation", tag = "reservations",
    security(("bearer" = [])), params(IdInPath), responses((status = 204), InConflict))]
pub async fn handle(
    State(stock): State<Arc<StockService>>,
    user: V2User,
    ResourceId(id): ResourceId,
) -> Result<Response, Refusal> {
    stock.release(user.into(), id).await?;
    Ok(v2::done())
}
