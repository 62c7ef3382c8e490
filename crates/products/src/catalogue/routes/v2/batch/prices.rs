//! `POST /api/v2/batch/prices`

use std::sync::Arc;

use api::caller::V2User;
use api::openapi::{IdempotencyKeyHeader, RefusedBatch};
use api::v2::batch::Results;
use api::v2::{self, JsonBody, Object, Refusal, Repeatable};
use axum::extract::State;
use axum::response::Response;
use kernel::{Error, Uuid};
use serde::Deserialize;
use stock::model::Mode;
use utoipa::ToSchema;

use super::{item, items, render, response};
use crate::catalogue::Products;
use crate::catalogue::model::{PricePatch, VariantPatch};
use crate::catalogue::routes::v2::input::PriceChange;

const PATH: &str = "/api/v2/batch/prices";

/// New prices of many variants.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceBatch {
    mode: Mode,
    #[schema(min_items = 1, max_items = 500)]
    items: Vec<PriceItem>,
}

/// A price, a price to compare it with, or both. They are merged with the present ones.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PriceItem {
    /// Named by no other item.
    variant_id: Uuid,
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(value_type = Option<PriceChange>, nullable = false)]
    price: Option<Object<PriceChange>>,
    /// `null` takes it away.
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(value_type = Option<PriceChange>)]
    compare_at_price: Option<Option<Object<PriceChange>>>,
    /// An ETag of the variant's product, as `If-Match`: the item is refused when the product has another version.
    #[schema(example = "\"3-managed\"")]
    if_match: Option<String>,
}

/// Change the prices of many variants
///
/// All changes are one transaction. An item is refused as a change of its variant by itself would be, and with `each` the others are
/// done; with `all` nothing is. A product of several items gets one new version.
#[utoipa::path(post, path = "/api/v2/batch/prices", operation_id = "batch_prices", tag = "batches",
    security(("bearer" = [])), params(IdempotencyKeyHeader), request_body = PriceBatch,
    responses((status = 200, body = Results<'static>), RefusedBatch))]
pub async fn handle(
    State(products): State<Arc<Products>>,
    user: V2User,
    repeatable: Repeatable,
    JsonBody { value, raw }: JsonBody<PriceBatch>,
) -> Result<Response, Refusal> {
    let PriceBatch { mode, items: listed } = value;
    let items = items(listed, "variant_id", |listed: PriceItem| {
        let prices = VariantPatch {
            price: listed.price.map(PricePatch::from),
            compare_at_price: listed.compare_at_price.map(|price| price.map(PricePatch::from)),
            ..VariantPatch::default()
        };
        let is_empty = prices.price.is_none() && prices.compare_at_price.is_none();
        let prices = if is_empty {
            Err(Error::invalid("price", "required", "say price or compare_at_price"))
        } else {
            Ok(prices)
        };
        item(listed.variant_id, listed.if_match.as_deref(), prices)
    })?;
    let (products, render) = (&products, render(PATH, &repeatable));
    let repeat = repeatable.by(&user.principal, PATH.into(), &raw, products.context.now())?;
    response(products.change_prices(user.into(), mode, items, repeat, render).await?)
}
