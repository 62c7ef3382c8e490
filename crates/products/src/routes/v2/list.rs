//! `GET /api/v2/products?category&limit&cursor`: active products, newest first.

use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::response::Response;
use kernel::{Error, Timestamp, Uuid};
use platform::http::caller::V2Caller;
use platform::http::query::pairs;
use platform::http::v2::{self, Problem};
use serde::Serialize;

use super::V2Product;
use crate::routes::Endpoints;
use crate::store::ActiveQuery;

const DEFAULT_LIMIT: i64 = 20;
const MAX_LIMIT: i64 = 100;

#[derive(Serialize)]
struct Page<'a> {
    items: Vec<V2Product<'a>>,
    next_cursor: Option<String>,
}

pub async fn handle(
    State(endpoints): State<Arc<Endpoints>>,
    RawQuery(query): RawQuery,
    // The list is the same for everyone, but a token that is sent must be good.
    V2Caller(_): V2Caller,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let list = async {
        let mut query = parse(&pairs(query.as_deref()))?;
        let limit = query.limit as usize;
        // One more than asked for tells whether a next page exists.
        query.limit += 1;
        let category = query.category.clone();
        let products = endpoints.products.active(query).await?;
        let more = products.len() > limit;
        let last = products.get(limit.saturating_sub(1)).filter(|_| more);
        let next_cursor = last.map(|last| cursor(category.as_deref(), last.created_at, last.id));
        let items = products.iter().take(limit).map(V2Product::shown).collect();
        Ok::<_, Error>(v2::public(&Page { items, next_cursor }))
    };
    list.await.map_err(|error| Problem::of(error, &parts))
}

fn parse(query: &[(String, String)]) -> Result<ActiveQuery, Error> {
    let mut parsed = ActiveQuery { category: None, after: None, limit: DEFAULT_LIMIT };
    let mut sent_cursor = None;
    for (name, value) in query {
        match name.as_str() {
            "category" => parsed.category = Some(value.clone()),
            "cursor" => sent_cursor = Some(value),
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                parsed.limit = limit
                    .ok_or_else(|| Error::invalid("limit", "out-of-range", "limit must be a number from 1 to 100"))?;
            }
            _ => {
                let detail = format!("unknown query parameter {name:?}; known are category, cursor, limit");
                return Err(Error::invalid("query", "unknown-parameter", detail));
            }
        }
    }
    if let Some(sent) = sent_cursor {
        let after = read_cursor(parsed.category.as_deref(), sent);
        parsed.after = Some(after.ok_or_else(|| {
            Error::invalid("cursor", "invalid-cursor", "cursor is not one that this list with these filters gave out")
        })?);
    }
    Ok(parsed)
}

/// `<filter hash>-<time>-<id>`, in hexadecimal: opaque to clients, bound to the filters of its list.
fn cursor(category: Option<&str>, time: Timestamp, id: Uuid) -> String {
    format!("{:08x}-{:016x}-{}", filter_hash(category), time.0, id.simple())
}

fn read_cursor(category: Option<&str>, text: &str) -> Option<(Timestamp, Uuid)> {
    let mut parts = text.splitn(3, '-');
    let hash = u32::from_str_radix(parts.next()?, 16).ok()?;
    let time = u64::from_str_radix(parts.next()?, 16).ok()?;
    let id = Uuid::try_parse(parts.next()?).ok()?;
    (hash == filter_hash(category)).then_some((Timestamp(time.cast_signed()), id))
}

/// FNV-1a, 32 bits. No secret: authorization never relies on a cursor.
fn filter_hash(category: Option<&str>) -> u32 {
    let start = if category.is_some() { 0x811c_9dc5_u32 } else { 0 };
    category.unwrap_or("").bytes().fold(start, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
