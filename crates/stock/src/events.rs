//! What is told of changes of stock and of reservations.

use kernel::event::EventHead;
use kernel::{Actor, Error, Event, Timestamp, Uuid, tag};
use platform::scope;
use serde::Serialize;

use crate::model::{Cause, ChangedStock, Crossing, MovementKind, Reservation, Stock, Units};

pub const STOCK_CHANGED: &str = "stock.changed";
/// A stock came down to its threshold, or rose above it again.
pub const STOCK_LOW: &str = "stock.low";
pub const THRESHOLD_CHANGED: &str = "stock.threshold.changed";
pub const STOCK_RECOVERED: &str = "stock.recovered";

/// The data of [`STOCK_CHANGED`].
#[derive(Serialize)]
struct StockData<'a> {
    product_id: Uuid,
    owner_id: Uuid,
    #[serde(flatten)]
    stock: Stock,
    kind: MovementKind,
    /// What the seller says of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// The reservation that it is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<Uuid>,
}

/// The data of [`STOCK_LOW`] and [`STOCK_RECOVERED`].
#[derive(Serialize)]
struct ThresholdData {
    product_id: Uuid,
    owner_id: Uuid,
    variant_id: Uuid,
    available: i64,
    threshold: Option<i64>,
}

/// The subject of the events of a variant's stock.
pub fn variant_subject(variant: Uuid) -> String {
    format!("variants/{variant}")
}

/// A variant's stock has a version of its own, and so a subject of its own.
///
/// # Errors
/// `Internal` when it cannot be written as JSON.
pub fn stock_event(id: Uuid, changed: &ChangedStock, cause: &Cause, request_id: Option<&str>) -> Result<Event, Error> {
    let Units { product_id, owner_id, stock, version, .. } = changed.units;
    let subject = (variant_subject(stock.variant_id), version);
    let head = head(id, STOCK_CHANGED, subject, (cause.actor, cause.time), request_id);
    let (kind, reason, reference) = (changed.kind, cause.reason.as_deref(), cause.reference);
    let data = StockData { product_id, owner_id, stock, kind, reason, reference };
    let event = Event::new(head, data, None).map_err(|error| Error::Internal(error.to_string()))?;
    // What everyone sees of a product is whether it is in stock, and no number.
    let shown = changed.is_shown().then(|| [tag("products", product_id), tag("in_stock", owner_id)]);
    Ok(event.tagged(shown.into_iter().flatten()))
}

/// What is told beside it when the stock crosses its threshold.
///
/// # Errors
/// As [`stock_event`].
pub fn threshold_event(
    id: Uuid,
    changed: &ChangedStock,
    crossing: Crossing,
    cause: &Cause,
    request_id: Option<&str>,
) -> Result<Event, Error> {
    let Units { product_id, owner_id, stock, version, low_stock, .. } = changed.units;
    let kind = match crossing {
        Crossing::Low => STOCK_LOW,
        Crossing::Recovered => STOCK_RECOVERED,
    };
    let (variant_id, available) = (stock.variant_id, stock.available());
    let head = head(id, kind, (variant_subject(variant_id), version), (cause.actor, cause.time), request_id);
    let data = ThresholdData { product_id, owner_id, variant_id, available, threshold: low_stock };
    Event::new(head, data, None).map_err(|error| Error::Internal(error.to_string()))
}

/// That a stock has another threshold.
///
/// # Errors
/// As [`stock_event`].
pub fn threshold_set_event(id: Uuid, units: &Units, cause: &Cause, request_id: Option<&str>) -> Result<Event, Error> {
    let Units { product_id, owner_id, stock, version, low_stock, .. } = *units;
    let (variant_id, available) = (stock.variant_id, stock.available());
    let subject = (variant_subject(variant_id), version);
    let head = head(id, THRESHOLD_CHANGED, subject, (cause.actor, cause.time), request_id);
    let data = ThresholdData { product_id, owner_id, variant_id, available, threshold: low_stock };
    Event::new(head, data, None).map_err(|error| Error::Internal(error.to_string()))
}

/// The subject of a reservation's events.
pub fn reservation_subject(reservation: Uuid) -> String {
    format!("reservations/{reservation}")
}

/// What became of a reservation, as it is then.
///
/// # Errors
/// As [`stock_event`].
pub fn reservation_event(
    id: Uuid,
    kind: &'static str,
    reservation: &Reservation,
    cause: &Cause,
    request_id: Option<&str>,
) -> Result<Event, Error> {
    let subject = (reservation_subject(reservation.id), reservation.version);
    let head = head(id, kind, subject, (cause.actor, cause.time), request_id);
    Event::new(head, reservation, None).map_err(|error| Error::Internal(error.to_string()))
}

/// How events of the database `products` begin, those of the current request.
pub fn head<'a>(
    id: Uuid,
    kind: &'static str,
    (subject, version): (String, i64),
    (actor, time): (Actor, Timestamp),
    request_id: Option<&'a str>,
) -> EventHead<'a> {
    let traceparent = scope::traceparent();
    EventHead { id, source: "/products", kind, subject, version, time, actor, request_id, traceparent }
}
