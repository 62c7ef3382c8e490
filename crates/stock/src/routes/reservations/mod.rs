//! Units that are kept for a buyer. What is repeatable takes an `Idempotency-Key`.

pub mod commit;
pub mod extend;
pub mod get;
pub mod hold;
pub mod holds;
pub mod list;
pub mod release;

use api::v2::page::Key;
use api::v2::{self, Page, Position};
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use effects::idempotency::Answer;
use kernel::{Money, Timestamp, Uuid};
use serde::Serialize;
use utoipa::ToSchema;

use super::Seller;
use crate::StockService;
use crate::model::{HeldLine, Reservation, State as ReservationState};

/// Units that are kept for an account, for a time.
#[derive(Serialize, ToSchema)]
#[schema(as = Reservation)]
pub struct V2Reservation<'a> {
    id: Uuid,
    #[schema(value_type = ReservationState)]
    state: &'static str,
    /// One for each variant.
    lines: Vec<V2Line<'a>>,
    /// Where sellers see what is held of theirs: for whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    buyer: Option<Buyer<'a>>,
    /// When the units are given back, if it is held until then.
    expires_at: Timestamp,
    created_at: Timestamp,
}

/// What a reservation keeps of one variant. Name and price are those of the time when it was held; null of reservations that a release made
/// which did not keep them.
#[derive(Serialize, ToSchema)]
#[schema(as = HeldLine)]
struct V2Line<'a> {
    variant_id: Uuid,
    #[schema(minimum = 1, maximum = 2147483647, example = 2)]
    quantity: i64,
    /// Of these, units beyond those on hand; left out where there are none.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(minimum = 1, required = false)]
    backordered: i64,
    /// Of these, units of a variant whose stock was not tracked then; left out where there are none.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(minimum = 1, required = false)]
    untracked: i64,
    product_id: Option<Uuid>,
    /// The product's.
    name: Option<&'a str>,
    /// Of one unit.
    price: Option<Money>,
    seller: Seller<'a>,
}

/// For whom something is held.
#[derive(Serialize, ToSchema)]
struct Buyer<'a> {
    id: Uuid,
    /// The username. Null while it cannot be found out.
    name: Option<&'a str>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl<'a> V2Reservation<'a> {
    /// As its buyer sees it.
    fn new(reservation: &'a Reservation, seller: Option<&'a str>) -> Self {
        let line = |line: &HeldLine| {
            let goods = reservation.goods.iter().find(|goods| goods.variant_id == line.variant_id);
            V2Line {
                variant_id: line.variant_id,
                quantity: line.quantity,
                backordered: line.backordered,
                untracked: line.untracked,
                product_id: goods.map(|goods| goods.product_id),
                name: goods.map(|goods| &*goods.name),
                price: goods.map(|goods| goods.price),
                seller: Seller { id: reservation.owner_id, name: seller },
            }
        };
        Self {
            id: reservation.id,
            state: reservation.state.as_str(),
            lines: reservation.lines.iter().map(line).collect(),
            buyer: None,
            expires_at: reservation.expires_at,
            created_at: reservation.created_at,
        }
    }
}

pub fn render(reservation: &Reservation, seller: Option<&str>) -> Bytes {
    v2::bytes(&V2Reservation::new(reservation, seller))
}

/// A page of reservations, as their buyers see them, or with `buyers`, as their sellers do.
async fn page(
    stock: &StockService,
    (found, next): (Vec<Reservation>, Option<Uuid>),
    scope: &str,
    buyers: bool,
) -> Response {
    let known = |reservation: &Reservation| {
        [Some(reservation.owner_id), buyers.then_some(reservation.account_id)].into_iter().flatten()
    };
    let names = stock.sellers.names(found.iter().flat_map(known)).await;
    let name = |id| names.get(&id).and_then(Option::as_deref);
    let mut items = Vec::with_capacity(found.len());
    for reservation in &found {
        let buyer = reservation.account_id;
        let buyer = buyers.then(|| Buyer { id: buyer, name: name(buyer) });
        items.push(V2Reservation { buyer, ..V2Reservation::new(reservation, name(reservation.owner_id)) });
    }
    let next_cursor = next.map(|id| Position { key: Key::Number(0), id }.to_cursor(scope));
    v2::private(&Page { items, next_cursor, count: None })
}

fn shown(answer: &Answer) -> Response {
    v2::private_json(StatusCode::OK, answer.body.clone())
}
