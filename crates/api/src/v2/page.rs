//! Lists of API v2: pages by key, with opaque cursors that are bound to their list and its filters.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use kernel::{Timestamp, Uuid, fnv1a};
use serde::Serialize;
use utoipa::openapi::schema::{SchemaFormat, SchemaType};
use utoipa::openapi::{ArrayBuilder, KnownFormat, ObjectBuilder, Ref, RefOr, Schema, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema};

/// Longer ones are not ours.
const MAX_CURSOR: usize = 2_048;

/// One page of a list. An endpoint declares it by an alias (`type V2ProductPage = Page<V2Product>`).
#[derive(Serialize)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// `None` on the last page.
    pub next_cursor: Option<String>,
    /// If it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<i64>,
}

/// A `ProductPage` of `Product`s. What utoipa derives for a generic type is a `Page_Product` of nameless objects, and so it would
/// be in every client that is generated.
impl<T: ToSchema> ToSchema for Page<T> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("{}Page", T::name()))
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

impl<T: ToSchema> PartialSchema for Page<T> {
    fn schema() -> RefOr<Schema> {
        let next_cursor = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .description(Some("Where the next page begins; null on the last one."));
        let count = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .description(Some("How many there are in all, if that was asked."));
        let page = ObjectBuilder::new()
            .description(Some("One page of a list."))
            .property("items", ArrayBuilder::new().items(Ref::from_schema_name(T::name())))
            .required("items")
            .property("next_cursor", next_cursor)
            .required("next_cursor")
            .property("count", count);
        RefOr::T(Schema::from(page))
    }
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described")]
pub struct PageParameters {
    /// Items of a page at most.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<i64>,
    /// `next_cursor` of the page before, with the same filters.
    cursor: Option<String>,
}

/// Where a page ended: the value by which its list is sorted, and the id that tells equal ones apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub key: Key,
    pub id: Uuid,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    Number(i64),
    Text(String),
}

impl<T> Page<T> {
    /// A list that is one page, however long.
    pub fn whole(items: Vec<T>) -> Self {
        Self { items, next_cursor: None, count: None }
    }

    /// A page of `found`, of which one more than `limit` was looked for, to know whether there is a next page.
    pub fn of<F>(
        mut found: Vec<F>,
        limit: usize,
        scope: &str,
        position: impl Fn(&F) -> Position,
        show: impl FnMut(F) -> T,
    ) -> Self {
        let more = found.len() > limit;
        found.truncate(limit);
        let next_cursor = found.last().filter(|_| more).map(|last| position(last).to_cursor(scope));
        Self { items: found.into_iter().map(show).collect(), next_cursor, count: None }
    }
}

impl Position {
    /// In a list by time.
    pub fn at(time: Timestamp, id: Uuid) -> Self {
        Self { key: Key::Number(time.0), id }
    }

    pub fn text(self) -> Option<String> {
        match self.key {
            Key::Text(text) => Some(text),
            Key::Number(_) => None,
        }
    }

    pub fn number(self) -> Option<i64> {
        match self.key {
            Key::Number(number) => Some(number),
            Key::Text(_) => None,
        }
    }

    pub fn time(self) -> Option<(Timestamp, Uuid)> {
        match self.key {
            Key::Number(time) => Some((Timestamp(time), self.id)),
            Key::Text(_) => None,
        }
    }

    /// `scope` names the list and its filters: a cursor is good for those only.
    pub fn to_cursor(&self, scope: &str) -> String {
        let mut bytes = fnv1a(scope.bytes()).to_be_bytes().to_vec();
        bytes.extend_from_slice(self.id.as_bytes());
        match &self.key {
            Key::Number(number) => {
                bytes.push(b'n');
                bytes.extend_from_slice(&number.to_be_bytes());
            }
            Key::Text(text) => {
                bytes.push(b't');
                bytes.extend_from_slice(text.as_bytes());
            }
        }
        BASE64.encode(bytes)
    }

    /// `None` for what this list with these filters never gave out. Authorization never relies on a cursor.
    pub fn from_cursor(text: &str, scope: &str) -> Option<Self> {
        let bytes = Some(text).filter(|text| text.len() <= MAX_CURSOR).and_then(|text| BASE64.decode(text).ok())?;
        let (bound_to, bytes) = bytes.split_first_chunk()?;
        let (id, bytes) = bytes.split_first_chunk()?;
        let (kind, value) = bytes.split_first()?;
        let key = match kind {
            b'n' => Key::Number(i64::from_be_bytes(value.try_into().ok()?)),
            // No text column holds a NUL.
            b't' => Key::Text(String::from_utf8(value.to_vec()).ok().filter(|text| !text.contains('\0'))?),
            _ => return None,
        };
        (u64::from_be_bytes(*bound_to) == fnv1a(scope.bytes())).then_some(Self { key, id: Uuid::from_bytes(*id) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        for key in [Key::Number(-5), Key::Text("größe".into()), Key::Text(String::new())] {
            let position = Position { key, id: Uuid::from_u128(7) };
            let cursor = position.to_cursor("products newest");
            assert_eq!(Position::from_cursor(&cursor, "products newest"), Some(position));
            assert!(Position::from_cursor(&cursor, "products name").is_none());
            for wrong in ["", "x", &cursor[1..], &cursor[..cursor.len() - 1], &format!("{cursor}="), &"A".repeat(3_000)]
            {
                assert!(Position::from_cursor(wrong, "products newest").is_none(), "{wrong}");
            }
        }
    }

    #[test]
    fn the_last_page_has_no_cursor() {
        let page = |found: Vec<i64>| {
            let position = |n: &i64| Position { key: Key::Number(*n), id: Uuid::nil() };
            Page::of(found, 2, "s", position, |n| n)
        };
        assert_eq!(page(vec![3, 2]).next_cursor, None);
        let full = page(vec![3, 2, 1]);
        assert_eq!(full.items, [3, 2]);
        let last = Position::from_cursor(&full.next_cursor.unwrap(), "s").unwrap();
        assert_eq!(last.key, Key::Number(2));
    }
}
