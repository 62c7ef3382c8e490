//! `GET /api/v2/variants/{id}/stock-movements`.

use std::sync::Arc;

use api::caller::V2User;
use api::openapi::{IdInPath, NotTheirs};
use api::path::ResourceId;
use api::v2::page::{Key, PageParameters};
use api::v2::{self, Page, Position, Query, Refusal};
use axum::extract::{RawQuery, State};
use axum::response::Response;
use kernel::{Timestamp, Uuid};
use serde::Serialize;
use utoipa::ToSchema;

use crate::StockService;
use crate::model::{Movement, MovementKind};
use crate::store::History;

/// One change of a variant's stock.
#[derive(Serialize, ToSchema)]
#[schema(as = StockMovement)]
pub struct V2Movement {
    /// The variant's movements are numbered without gaps.
    version: i64,
    #[schema(value_type = MovementKind)]
    kind: &'static str,
    /// Units that it added to those on hand, to those reserved, and to those that are promised beyond them.
    on_hand_delta: i64,
    reserved_delta: i64,
    backordered_delta: i64,
    /// What there was then.
    on_hand_after: i64,
    reserved_after: i64,
    /// What the seller said of it.
    reason: Option<String>,
    /// `account:<id>` or `system`.
    actor: String,
    /// The reservation that it is of.
    reservation_id: Option<Uuid>,
    created_at: Timestamp,
}

type V2MovementPage = Page<V2Movement>;

impl From<Movement> for V2Movement {
    fn from(movement: Movement) -> Self {
        Self {
            version: movement.version,
            kind: movement.kind.as_str(),
            on_hand_delta: movement.on_hand,
            reserved_delta: movement.reserved,
            backordered_delta: movement.backordered,
            on_hand_after: movement.after.on_hand,
            reserved_after: movement.after.reserved,
            reason: movement.reason,
            actor: movement.actor,
            reservation_id: movement.reference,
            created_at: movement.time,
        }
    }
}

/// The ledger of a variant's stock, newest first
///
/// For its seller and administrators. What is on hand and reserved is the sum of all movements.
#[utoipa::path(get, path = "/api/v2/variants/{id}/stock-movements", operation_id = "list_stock_movements", tag = "products",
    security(("bearer" = [])), params(IdInPath, PageParameters), responses((status = 200, body = V2MovementPage), NotTheirs))]
pub async fn handle(
    State(stock): State<Arc<StockService>>,
    user: V2User,
    ResourceId(id): ResourceId,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let scope = format!("movements {id}");
    let mut query = Query::read(query.as_deref(), &["limit", "cursor"]);
    let (limit, before) = (query.limit(), query.cursor(&scope, Position::number));
    query.finish()?;
    let page = History { variant: id, before, limit: limit as i64 + 1 };
    let found = stock.movements(&user.into(), page).await?;
    let position = |movement: &Movement| Position { key: Key::Number(movement.version), id };
    Ok(v2::private(&Page::of(found, limit, &scope, position, V2Movement::from)))
}
