//! `POST /api/v2/batch/stock`

use std::sync::Arc;

use api::caller::V2User;
use api::openapi::{IdempotencyKeyHeader, RefusedBatch};
use api::v2::batch::Results;
use api::v2::{JsonBody, Refusal, Repeatable};
use axum::extract::State;
use axum::response::Response;
use kernel::Uuid;
use serde::Deserialize;
use stock::model::{Adjustment, Mode};
use utoipa::ToSchema;

use super::{item, items, render, response};
use crate::catalogue::Products;

const PATH: &str = "/api/v2/batch/stock";

/// Changes of the units on hand of many variants.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StockBatch {
    mode: Mode,
    /// Why, for items that do not say it themselves.
    #[schema(min_length = 1, max_length = 200, pattern = r"\S", example = "Delivery of Monday")]
    reason: Option<String>,
    #[schema(min_items = 1, max_items = 500)]
    items: Vec<StockItem>,
}

/// Units to add or take away, or units that there are: one of both.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StockItem {
    /// Named by no other item.
    variant_id: Uuid,
    /// So many more, or fewer; not 0.
    #[schema(minimum = -2147483647, maximum = 2147483647, example = 12)]
    delta: Option<i64>,
    /// So many, reserved ones among them.
    #[schema(minimum = 0, maximum = 2147483647)]
    on_hand: Option<i64>,
    /// Why, for the record; that of the batch, if it is absent.
    #[schema(min_length = 1, max_length = 200, pattern = r"\S")]
    reason: Option<String>,
    /// An ETag of the variant's product, as `If-Match`: the item is refused when the product has another version. Versions count edits of
    /// the product, and no changes of its stock.
    #[schema(example = "\"3-managed\"")]
    if_match: Option<String>,
}

/// Change the units on hand of many variants
///
/// All changes are one transaction. An item is refused as an adjustment by itself would be, and with `each` the others are done; with
/// `all` nothing is. No product gets another version by it.
#[utoipa::path(post, path = "/api/v2/batch/stock", operation_id = "batch_stock", tag = "batches",
    security(("bearer" = [])), params(IdempotencyKeyHeader), request_body = StockBatch,
    responses((status = 200, body = Results<'static>), RefusedBatch))]
pub async fn handle(
    State(products): State<Arc<Products>>,
    user: V2User,
    repeatable: Repeatable,
    JsonBody { value, raw }: JsonBody<StockBatch>,
) -> Result<Response, Refusal> {
    let StockBatch { mode, reason, items: listed } = value;
    let items = items(listed, "variant_id", |listed: StockItem| {
        let reason = listed.reason.or_else(|| reason.clone());
        let adjustment = Adjustment::check(listed.delta, listed.on_hand, reason);
        item(listed.variant_id, listed.if_match.as_deref(), adjustment)
    })?;
    let (products, render) = (&products, render(PATH, &repeatable));
    let repeat = repeatable.by(&user.principal, PATH.into(), &raw, products.context.now())?;
    response(products.change_stocks(user.into(), mode, items, repeat, render).await?)
}
