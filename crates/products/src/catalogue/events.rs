//! What the catalogue tells of its changes. Every event holds the whole product as it was after the change, with the stock that
//! the change saw, so the log alone can answer how a product was at any time.

use kernel::{Actor, Error, Event, Timestamp, Uuid, tag, tag_of_text};
use serde::Deserialize;
use stock::events::head;

use crate::catalogue::model::{Product, Stocked};

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
    let event = Event::new(head, stocked, None).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(event.tagged(lists_of(&stocked.product)))
}

/// The lists and sums that a product is in, as tags: an edit makes those stale that it was in before, and those that it is in after.
pub fn lists_of(product: &Product) -> impl Iterator<Item = String> {
    let always = [tag("sellers", product.owner_id), tag("status", product.status.as_str())];
    always.into_iter().chain(product.category.as_deref().map(|category| tag_of_text("category", category)))
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
