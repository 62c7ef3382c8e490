//! `POST /api/v2/reservations/{id}/commit`

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

/// An object without fields.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EmptyObject)]
pub struct Nothing {}

/// Buy what is kept
///
/// The units leave the stock. Done twice, it is done once. The body may be empty.
#[utoipa::path(post, path = "/api/v2/reservations/{id}/commit", operation_id = "commit_reservation", tag = "reservations",
    security(("bearer" = [])), params(IdInPath, IdempotencyKeyHeader), request_body = Option<Nothing>,
    responses((status = 200, body = V2Reservation), InConflict))]
pub async fn handle(
    State(stock): State<Arc<StockService>>,
    user: V2User,
    ResourceId(id): ResourceId,
    repeatable: Repeatable,
    OptionalJsonBody { raw, .. }: OptionalJsonBody<Nothing>,
) -> Result<Response, Refusal> {
    let products = &stock;
    let path = format!("/api/v2/reservations/{id}/commit");
    let repeat = repeatable.by(&user.principal, path, &raw, products.context.now())?;
    let answer = products.commit(user.into(), id, repeat, render).await?;
    Ok(v2::repeat::response(answer, shown))
}
