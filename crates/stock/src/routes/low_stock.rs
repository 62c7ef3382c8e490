//! `GET` and `PUT /api/v2/variants/{id}/low-stock-threshold`.

use std::sync::Arc;

use api::caller::V2User;
use api::openapi::{IdInPath, NotTheirs};
use api::path::ResourceId;
use api::v2::{self, JsonBody, Refusal};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::Uuid;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::StockService;
use crate::model::Units;

/// With how many available units a stock is low.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewLowStockThreshold)]
pub struct Threshold {
    /// So many, or fewer; null: it never is.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required = true, minimum = 0, maximum = 2147483647, example = 3)]
    threshold: Option<i64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = LowStockThreshold)]
struct LowStock {
    variant_id: Uuid,
    /// Null: it is never low.
    #[schema(required = true)]
    threshold: Option<i64>,
    available: i64,
    is_low: bool,
}

/// When the stock of a variant is low
#[utoipa::path(get, path = "/api/v2/variants/{id}/low-stock-threshold", operation_id = "get_low_stock_threshold",
    tag = "products", security(("bearer" = [])), params(IdInPath), responses((status = 200, body = LowStock), NotTheirs))]
pub async fn get(
    State(stock): State<Arc<StockService>>,
    user: V2User,
    ResourceId(id): ResourceId,
) -> Result<Response, Refusal> {
    Ok(shown(&stock.units(&user.into(), id).await?))
}

/// Say when the stock of a variant is low
///
/// An event of the log (`stock.low`, `stock.recovered`) tells when it comes down to the threshold, and when it rises above it again.
/// Until webhooks read the log, ask for `is_low` here.
#[utoipa::path(put, path = "/api/v2/variants/{id}/low-stock-threshold", operation_id = "set_low_stock_threshold",
    tag = "products", security(("bearer" = [])), params(IdInPath), request_body = Threshold,
    responses((status = 200, body = LowStock), NotTheirs))]
pub async fn set(
    State(stock): State<Arc<StockService>>,
    user: V2User,
    ResourceId(id): ResourceId,
    JsonBody { value, .. }: JsonBody<Threshold>,
) -> Result<Response, Refusal> {
    Ok(shown(&stock.set_low_stock(user.into(), id, value.threshold).await?))
}

fn shown(units: &Units) -> Response {
    let available = units.stock.available();
    let is_low = units.low_stock.is_some_and(|threshold| available <= threshold);
    let low = LowStock { variant_id: units.stock.variant_id, threshold: units.low_stock, available, is_low };
    v2::private_json(StatusCode::OK, v2::bytes(&low))
}
