//! Many changes in one request and one transaction. Repeatable with an `Idempotency-Key`.

pub mod prices;
pub mod status;
pub mod stock;

use std::collections::HashMap;
use std::sync::Arc;

use ::stock::model::MAX_ITEMS;
use api::conditional::IfMatch;
use api::v2::{self, Refusal, Repeatable, batch};
use axum::http::StatusCode;
use axum::response::Response;
use effects::idempotency::Answer;
use kernel::{Error, Expected, Uuid, Violation};

use super::managed_etag;
use crate::catalogue::{Item, Outcome, RenderBatch};

/// The items of a batch, each named once.
///
/// # Errors
/// `Invalid` when there are none or too many, or two name the same; `named` is the field that says what an item is of.
fn items<T, C>(items: Vec<T>, named: &str, read: impl Fn(T) -> Item<C>) -> Result<Vec<Item<C>>, Error> {
    if items.is_empty() || items.len() > MAX_ITEMS {
        return Err(Error::invalid("items", "count", format!("must be 1 to {MAX_ITEMS} items")));
    }
    let items: Vec<Item<C>> = items.into_iter().map(read).collect();
    let (mut seen, mut repeated) = (HashMap::with_capacity(items.len()), Vec::new());
    for (place, item) in items.iter().enumerate() {
        if let Some(first) = seen.insert(item.id, place) {
            let detail = format!("items/{first} names it too: an item for each");
            repeated.push(Violation::new(format!("items/{place}/{named}"), "duplicate", detail));
        }
    }
    if repeated.is_empty() { Ok(items) } else { Err(Error::Invalid(repeated)) }
}

/// An item whose change is good only if its `if_match` is.
fn item<C>(id: Uuid, if_match: Option<&str>, change: Result<C, Error>) -> Item<C> {
    match if_match.map(IfMatch::in_body) {
        None => Item { id, expected: Expected::Any, change },
        Some(Some(expected)) => Item { id, expected, change },
        Some(None) => {
            let detail = "must be * or the ETag of a product, with its quotes";
            let mut broken = vec![Violation::new("if_match", "format", detail)];
            if let Err(Error::Invalid(others)) = change {
                broken.extend(others);
            }
            Item { id, expected: Expected::Any, change: Err(Error::Invalid(broken)) }
        }
    }
}

/// How the batch of this request is answered.
fn render(path: &'static str, repeatable: &Repeatable) -> RenderBatch {
    let request_id = repeatable.request_id().cloned();
    Arc::new(move |Outcome { items, refused }| {
        let shown = |(id, outcome): &(Uuid, Result<i64, Error>)| (*id, outcome.clone().map(managed_etag));
        let items: Vec<batch::Item> = items.iter().map(shown).collect();
        if *refused {
            batch::refused(&items, path, request_id.as_ref())
        } else {
            (StatusCode::OK.as_u16(), v2::bytes(&batch::results(&items)))
        }
    })
}

fn response(answer: Answer) -> Result<Response, Refusal> {
    Ok(v2::repeat::response(answer, |answer| v2::private_json(StatusCode::OK, answer.body.clone())))
}
