//! `POST /api/v2/reservations/{id}/extend`

use std::sync::Arc;

use api::caller::V2User;
use api::openapi::{IdInPath, IdempotencyKeyHeader, InConflict};
use api::path::ResourceId;
use api::v2::{self, OptionalJsonBody, Refusal, Repeatable};
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{V2Reservation, render, shown};
use crate::StockService;

/// For how long units are to be kept from now.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReservationExtension)]
pub struct Extension {
    /// As many as it was made for, if it is not said.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 3600, nullable = false)]
    ttl_seconds: Option<i64>,
}

/// Keep units longer
///
/// For so many seconds from now, a day in all at most. One that is kept longer anyway stays so. The body may be empty.
#[utoipa::path(post, path = "/api/v2/reservations/{id}/extend", operation_id = "extend_reservation", tag = "reservations",
    security(("bearer" = [])), params(IdInPath, IdempotencyKeyHeader), request_body = Option<Extension>,
    responses((status = 200, body = V2Reservation), InConflict))]
pub async fn handle(
    State(stock): State<Arc<StockService>>,
    user: V2User,
    ResourceId(id): ResourceId,
    repeatable: Repeatable,
    OptionalJsonBody { value, raw }: OptionalJsonBody<Extension>,
) -> Result<Response, Refusal> {
    let products = &stock;
    let path = format!("/api/v2/reservations/{id}/extend");
    let repeat = repeatable.by(&user.principal, path, &raw, products.context.now())?;
    let ttl = value.unwrap_or_default().ttl_seconds;
    let answer = products.extend(user.into(), id, ttl, repeat, render).await?;
    Ok(v2::repeat::response(answer, shown))
}
