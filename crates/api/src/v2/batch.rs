//! How batches are answered: what became of each of their items.

use axum::http::HeaderValue;
use bytes::Bytes;
use kernel::{Error, Uuid};
use platform::RequestId;
use serde::Serialize;
use utoipa::ToSchema;

use super::Refusal;
use super::problem::{InputError, Kind, Problem};

/// What became of the items of a batch, in their order.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchResults)]
pub struct Results<'a> {
    results: Vec<ItemResult<'a>>,
}

/// What became of one item of a batch.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchResult)]
pub struct ItemResult<'a> {
    /// Of the variant or product that the item names.
    id: Uuid,
    /// 200 if it is done, else as a request for it alone would be refused; 424 (`not-done`) of one that nothing speaks against.
    #[schema(minimum = 200, maximum = 599)]
    status: u16,
    /// The ETag of its product, for `If-Match`: after the change; of stock, which makes no version, as it was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "\"4-managed\"")]
    etag: Option<&'a str>,
    /// Why it is not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    problem: Option<ItemProblem<'a>>,
}

/// Why an item of a batch is not done.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchProblem)]
struct ItemProblem<'a> {
    /// A URI of the kind of problem.
    #[schema(example = "urn:primetrade:problem:stale-version")]
    r#type: String,
    #[schema(value_type = String)]
    title: &'static str,
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    detail: String,
    /// As of the problem of a request; `not-done` where nothing speaks against the item, but others were refused.
    #[schema(value_type = String, example = "stale-version")]
    code: &'static str,
    /// What is wrong with the item. The pointers are into the request's body.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<InputError<'a>>,
}

/// An item as the use case leaves it: the ETag of its product, or why it was refused.
pub type Item = (Uuid, Result<HeaderValue, Error>);

/// Of items that were each done by itself.
pub fn results(items: &[Item]) -> Results<'_> {
    let results = items.iter().enumerate().map(|(place, (id, outcome))| match outcome {
        // Of visible ASCII.
        Ok(etag) => ItemResult { id: *id, status: 200, etag: etag.to_str().ok(), problem: None },
        Err(error) => refused_item(*id, place, error),
    });
    Results { results: results.collect() }
}

/// The status and document of a batch of which nothing was done, because some of its items were refused: as one of them alone
/// would be, if all are refused alike.
pub fn refused(items: &[Item], path: &str, request_id: Option<&RequestId>) -> (u16, Bytes) {
    let mut kinds = items.iter().filter_map(|(_, outcome)| outcome.as_ref().err()).map(Refusal::kind_of);
    let first = kinds.next();
    let kind = match first {
        Some(first) if kinds.all(|kind| kind.code == first.code) => first,
        _ => Refusal::kind_of(&Error::conflict("")),
    };
    let mut errors = Vec::new();
    let mut results = Vec::with_capacity(items.len());
    for (place, (id, outcome)) in items.iter().enumerate() {
        results.push(match outcome {
            Ok(_) => ItemResult { id: *id, status: 424, etag: None, problem: Some(not_done()) },
            Err(error) => {
                errors.extend(errors_of(place, error));
                refused_item(*id, place, error)
            }
        });
    }
    let refused = items.iter().filter(|(_, outcome)| outcome.is_err()).count();
    let detail = format!("Nothing was done: {refused} of {} items were refused, as `results` says.", items.len());
    let problem = Problem::new(&kind, &detail, path, request_id, errors).with_results(results);
    (kind.status.as_u16(), super::bytes(&problem))
}

fn refused_item(id: Uuid, place: usize, error: &Error) -> ItemResult<'_> {
    let kind = Refusal::kind_of(error);
    let problem = ItemProblem {
        r#type: kind.uri(),
        title: kind.title,
        status: kind.status.as_u16(),
        detail: Refusal::detail_of(error),
        code: kind.code,
        errors: InputError::all(Refusal::violations_of(error), &format!("items/{place}")),
    };
    ItemResult { id, status: problem.status, etag: None, problem: Some(problem) }
}

/// What the item is refused for; with no more to say than that, its place.
fn errors_of(place: usize, error: &Error) -> Vec<InputError<'_>> {
    let item = format!("items/{place}");
    match Refusal::violations_of(error) {
        [] => vec![InputError::new(&item, Refusal::detail_of(error), Refusal::kind_of(error).code)],
        violations => InputError::all(violations, &item),
    }
}

fn not_done() -> ItemProblem<'static> {
    let (title, code) = ("Not done", "not-done");
    let detail = "Nothing was done, because other items were refused.".to_owned();
    ItemProblem { r#type: Kind::uri_of(code), title, status: 424, detail, code, errors: Vec::new() }
}
