//! `POST /api/v2/batch/status`

use std::sync::Arc;

use api::caller::V2User;
use api::openapi::{IdempotencyKeyHeader, RefusedBatch};
use api::v2::batch::Results;
use api::v2::{JsonBody, Refusal, Repeatable};
use axum::extract::State;
use axum::response::Response;
use kernel::Uuid;
use serde::Deserialize;
use stock::model::Mode;
use utoipa::ToSchema;

use super::{item, items, render, response};
use crate::catalogue::Products;
use crate::catalogue::model::Status;

const PATH: &str = "/api/v2/batch/status";

/// The new status of many products.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusBatch {
    mode: Mode,
    #[schema(min_items = 1, max_items = 500)]
    items: Vec<StatusItem>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StatusItem {
    /// Named by no other item.
    product_id: Uuid,
    status: Status,
    /// An ETag of the product, as `If-Match`: the item is refused when the product has another version.
    #[schema(example = "\"3-managed\"")]
    if_match: Option<String>,
}

/// Change the status of many products
///
/// All changes are one transaction. An item is refused as a change of its product by itself would be, and with `each` the others are
/// done; with `all` nothing is.
#[utoipa::path(post, path = "/api/v2/batch/status", operation_id = "batch_status", tag = "batches",
    security(("bearer" = [])), params(IdempotencyKeyHeader), request_body = StatusBatch,
    responses((status = 200, body = Results<'static>), RefusedBatch))]
pub async fn handle(
    State(products): State<Arc<Products>>,
    user: V2User,
    repeatable: Repeatable,
    JsonBody { value, raw }: JsonBody<StatusBatch>,
) -> Result<Response, Refusal> {
    let StatusBatch { mode, items: listed } = value;
    let items = items(listed, "product_id", |listed: StatusItem| {
        item(listed.product_id, listed.if_match.as_deref(), Ok(listed.status))
    })?;
    let (products, render) = (&products, render(PATH, &repeatable));
    let repeat = repeatable.by(&user.principal, PATH.into(), &raw, products.context.now())?;
    response(products.change_statuses(user.into(), mode, items, repeat, render).await?)
}
