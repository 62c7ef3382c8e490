//! What the catalogue tells of its changes. Every event holds the whole product as it was after the change, with the stock that
//! the change saw, so the log alone can answer how a product was at any time.

use kernel::event::EventHead;
use kernel::{Actor, Error, Event, Timestamp, Uuid};
use platform::scope;
use serde::{Deserialize, Serialize};

use crate::model::{ChangedStock, Stock, Stocked};

pub const CREATED: &str = "product.created";
pub const UPDATED: &str = "product.updated";
pub const DELETED: &str = "product.deleted";
pub const STOCK_CHANGED: &str = "stock.changed";

/// The data of [`STOCK_CHANGED`].
#[derive(Serialize)]
struct StockData<'a> {
    product_id: Uuid,
    owner_id: Uuid,
    #[serde(flatten)]
    stock: Stock,
    /// What the seller says of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

#[derive(Deserialize)]
struct Snapshot {
    data: Stocked,
}

/// The subject of a product's events.
pub fn subject(product: Uuid) -> String {
    format!("products/{product}")
}

/// The subject of the events of a variant's stock.
pub fn variant_subject(variant: Uuid) -> String {
    format!("variants/{variant}")
}

/// # Errors
/// `Internal` when the product cannot be written as JSON.
pub fn event(
    kind: &'static str,
    id: Uuid,
    stocked: &Stocked,
    actor: Actor,
    time: Timestamp,
    request_id: Option<&str>,
) -> Result<Event, Error> {
    let (subject, version) = (subject(stocked.product.id), stocked.product.version);
    let head = head(id, kind, (subject, version), (actor, time), request_id);
    Event::new(head, stocked, None).map_err(|error| Error::Internal(error.to_string()))
}

/// A variant's stock has a version of its own, and so a subject of its own.
///
/// # Errors
/// `Internal` when it cannot be written as JSON.
pub fn stock_event(
    id: Uuid,
    changed: &ChangedStock,
    reason: Option<&str>,
    actor: Actor,
    time: Timestamp,
    request_id: Option<&str>,
) -> Result<Event, Error> {
    let ChangedStock { product_id, owner_id, stock, version } = *changed;
    let head = head(id, STOCK_CHANGED, (variant_subject(stock.variant_id), version), (actor, time), request_id);
    Event::new(head, StockData { product_id, owner_id, stock, reason }, None)
        .map_err(|error| Error::Internal(error.to_string()))
}

fn head<'a>(
    id: Uuid,
    kind: &'static str,
    (subject, version): (String, i64),
    (actor, time): (Actor, Timestamp),
    request_id: Option<&'a str>,
) -> EventHead<'a> {
    let traceparent = scope::traceparent();
    EventHead { id, source: "/products", kind, subject, version, time, actor, request_id, traceparent }
}

/// The product that an event holds, with its stock then.
///
/// # Errors
/// `Internal` when the bytes are not such an event.
pub fn stocked_in(bytes: &[u8]) -> Result<Stocked, Error> {
    let snapshot: Snapshot =
        serde_json::from_slice(bytes).map_err(|error| Error::Internal(format!("malformed event: {error}")))?;
    Ok(snapshot.data)
}
