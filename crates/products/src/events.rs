//! What the catalogue tells of its changes. Every event holds the whole product as it was after the change, so the log alone can
//! answer how a product was at any time.

use kernel::event::EventHead;
use kernel::{Actor, Error, Event, Timestamp, Uuid};
use serde::{Deserialize, Serialize};

use crate::model::Product;

pub const CREATED: &str = "product.created";
pub const UPDATED: &str = "product.updated";
pub const DELETED: &str = "product.deleted";

#[derive(Serialize)]
struct Data<'a> {
    product: &'a Product,
}

#[derive(Deserialize)]
struct Snapshot {
    data: SnapshotData,
}

#[derive(Deserialize)]
struct SnapshotData {
    product: Product,
}

/// The subject of a product's events.
pub fn subject(product: Uuid) -> String {
    format!("products/{product}")
}

/// # Errors
/// `Internal` when the product cannot be written as JSON.
pub fn event(
    kind: &'static str,
    id: Uuid,
    product: &Product,
    actor: Actor,
    time: Timestamp,
    request_id: Option<&str>,
) -> Result<Event, Error> {
    let (subject, version) = (subject(product.id), product.version);
    let head = EventHead { id, source: "/products", kind, subject, version, time, actor, request_id };
    Event::new(head, Data { product }, None).map_err(|error| Error::Internal(error.to_string()))
}

/// The product that an event holds.
///
/// # Errors
/// `Internal` when the bytes are not such an event.
pub fn product_in(bytes: &[u8]) -> Result<Product, Error> {
    let snapshot: Snapshot =
        serde_json::from_slice(bytes).map_err(|error| Error::Internal(format!("malformed event: {error}")))?;
    Ok(snapshot.data.product)
}
