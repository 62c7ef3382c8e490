//! `POST /api/v2/variants/{id}/stock-adjustments`. Repeatable with an `Idempotency-Key`.

use std::sync::Arc;

use api::caller::V2User;
use api::openapi::{IdInPath, IdempotencyKeyHeader, InConflict, NotTheirs};
use api::path::ResourceId;
use api::v2::{self, JsonBody, Refusal, Repeatable};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use kernel::Uuid;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::V2Stock;
use crate::StockService;
use crate::model::{Adjustment, Stock};

/// Units to add or take away, or units that there are: one of both.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StockAdjustment {
    /// So many more, or fewer; not 0.
    #[schema(minimum = -2147483647, maximum = 2147483647, example = -1)]
    delta: Option<i64>,
    /// So many, reserved ones among them.
    #[schema(minimum = 0, maximum = 2147483647)]
    on_hand: Option<i64>,
    /// Why, for the record.
    #[schema(min_length = 1, max_length = 200, pattern = r"\S", example = "Broken in the shop")]
    reason: String,
}

#[derive(Serialize, ToSchema)]
struct AdjustedStock {
    variant_id: Uuid,
    stock: V2Stock,
}

/// Change the units on hand of a variant
///
/// That is no edit of the product, whose version stays.
#[utoipa::path(post, path = "/api/v2/variants/{id}/stock-adjustments", operation_id = "adjust_stock", tag = "products",
    security(("bearer" = [])), params(IdInPath, IdempotencyKeyHeader), request_body = StockAdjustment,
    responses((status = 201, body = AdjustedStock), NotTheirs, InConflict))]
pub async fn handle(
    State(stock): State<Arc<StockService>>,
    user: V2User,
    ResourceId(id): ResourceId,
    repeatable: Repeatable,
    JsonBody { value, raw }: JsonBody<StockAdjustment>,
) -> Result<Response, Refusal> {
    let products = &stock;
    let adjustment = Adjustment::check(value.delta, value.on_hand, Some(value.reason))?;
    let path = format!("/api/v2/variants/{id}/stock-adjustments");
    let repeat = repeatable.by(&user.principal, path, &raw, products.context.now())?;
    let answer = products.change_stock(user.into(), id, adjustment, repeat, render).await?;
    Ok(v2::repeat::response(answer, |answer| v2::private_json(StatusCode::CREATED, answer.body.clone())))
}

fn render(stock: &Stock) -> Bytes {
    v2::bytes(&AdjustedStock { variant_id: stock.variant_id, stock: V2Stock::from(stock) })
}
