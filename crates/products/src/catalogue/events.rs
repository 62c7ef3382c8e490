//! What the catalogue tells of its changes. Every event holds the whole product as it was after the change, with the stock that
//! the change saw, so the log alone can answer how a product was at any time.

use kernel::{Actor, Error, Event, Timestamp, Uuid};
use serde::Deserialize;
use stock::events::head;

use crate::catalogue::model::Stocked;

pub const CREATED: &str = "product.created";
pub const UPDATED: &str = "product.updated";
pub const DELETED: &str = "product.deleted";
#[derive(Deserialize)]
struct Snapshot {
    data: Stocked,
}

/// The subject of a product's events.
pub fn subject(product: Uuid) -> String {
    format!("products/{product}")
}

/// The product that such a subject is of.
pub fn product_in(subject: &str) -> Option<Uuid> {
    subject.strip_prefix("products/")?.parse().ok()
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

/// The product that an event holds, with its stock then.
///
/// # Errors
/// `Internal` when the bytes are not such an event.
pub fn stocked_in(bytes: &[u8]) -> Result<Stocked, Error> {
    let snapshot: Snapshot =
        serde_json::from_slice(bytes).map_err(|error| Error::Internal(format!("malformed event: {error}")))?;
    Ok(snapshot.data)
}
