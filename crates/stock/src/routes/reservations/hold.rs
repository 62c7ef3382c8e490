//! `POST /api/v2/reservations`

use std::sync::Arc;

use api::caller::V2User;
use api::openapi::{IdempotencyKeyHeader, InConflict};
use api::v2::problem::Problem;
use api::v2::{self, JsonBody, Refusal, Repeatable};
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{V2Reservation, render};
use crate::StockService;
use crate::model::Line;

/// What a buyer wants to have kept, of one seller: all of it, or nothing.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReservation {
    /// Lines of one variant are one.
    #[schema(min_items = 1, max_items = 100)]
    lines: Vec<Line>,
    /// For how many seconds.
    #[schema(minimum = 1, maximum = 3600, example = 900)]
    ttl_seconds: i64,
}

/// Keep units for a time
///
/// The units of all lines are kept, or of none. They are available again when the time is over or the reservation is released; they are
/// sold when it is committed. A refusal is kept under its key too: who tries again later takes another key.
#[utoipa::path(post, path = "/api/v2/reservations", operation_id = "hold_stock", tag = "reservations",
    security(("bearer" = [])), params(IdempotencyKeyHeader), request_body = NewReservation,
    responses((status = 201, body = V2Reservation, headers(("Location" = String))),
        (status = 404, body = Problem, content_type = "application/problem+json"), InConflict))]
pub async fn handle(
    State(stock): State<Arc<StockService>>,
    user: V2User,
    repeatable: Repeatable,
    JsonBody { value, raw }: JsonBody<NewReservation>,
) -> Result<Response, Refusal> {
    let products = &stock;
    let repeat = repeatable.by(&user.principal, "/api/v2/reservations".into(), &raw, products.context.now())?;
    let answer = products.hold(user.into(), value.lines, value.ttl_seconds, repeat, render).await?;
    Ok(v2::repeat::response(answer, |answer| v2::created(&format!("/api/v2/{}", answer.subject), answer.body.clone())))
}
