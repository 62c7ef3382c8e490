//! The statements of lists. Their parameters first appear in the order $1, $2, …

use std::fmt::Write;

use kernel::Uuid;
use platform::http::v2::Position;
use platform::http::v2::page::Key;

use super::super::rows::{is_off_sale, product_columns};
use super::{ListQuery, Shelf, Sort};
use crate::model::Status;

/// Where the rows of [`ListQuery::rows`] have what they are sorted by, behind the product's columns.
pub const SORT_KEY: usize = 19;
/// Whether the row fits; only where [`ListQuery::tells_hits`].
pub const HIT: usize = 20;
/// The row's number from 1, on PostgreSQL, where [`ListQuery::is_numbered`].
pub const NUMBER: usize = 21;

/// Rows from which the share of products that fit is taken.
pub const SAMPLE: usize = 2_000;

const PRODUCT: &str = product_columns!();
/// What the conditions of a list look at.
const ON_SALE: &str = concat!(" and not ", is_off_sale!("owner_id"));
const FILTERED: &str = "status, unlisted, owner_id, category, currency, in_stock";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Its planner knows nothing of the data, and guesses: it is told the index.
    Sqlite,
    /// Its planner trusts statistics: where nearly all products are of one owner or category, it takes an index that does not
    /// have them in front, and so reads the whole table for a small one. So they are no conditions here, but part of the
    /// order, which only the right index has; and the rows behind the list's end, at most as many as were to be looked at, are
    /// cut off outside.
    Postgres,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Param<'q> {
    Id(Uuid),
    Number(i64),
    Text(&'q str),
    Flag(bool),
}

#[derive(Debug, Clone, PartialEq)]
enum Condition<'q> {
    Equal(&'static str, Param<'q>),
    Between(&'static str, i64, i64),
}

/// A statement in the making.
#[derive(Debug, Default)]
pub struct Sql<'q> {
    pub text: String,
    pub params: Vec<Param<'q>>,
}

impl<'q> Sql<'q> {
    fn put(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Writes a new parameter.
    fn bind(&mut self, param: Param<'q>) -> &mut Self {
        self.params.push(param);
        let number = self.params.len();
        self.number(number)
    }

    /// Writes a parameter that was bound before.
    fn number(&mut self, number: usize) -> &mut Self {
        // Writing to a String does not fail.
        let _ = write!(self.text, "${number}");
        self
    }

    fn rows(&mut self, rows: usize) -> &mut Self {
        self.bind(Param::Number(i64::try_from(rows).unwrap_or(i64::MAX)))
    }

    /// Writes the conditions, all of which are to hold.
    fn all(&mut self, conditions: Vec<Condition<'q>>) -> &mut Self {
        for (n, condition) in conditions.into_iter().enumerate() {
            self.put(if n > 0 { " and " } else { "" });
            match condition {
                Condition::Equal(column, value) => self.put(column).put(" = ").bind(value),
                Condition::Between(column, least, most) => {
                    self.put(column).put(" between ").bind(Param::Number(least)).put(" and ").bind(Param::Number(most))
                }
            };
        }
        self
    }
}

/// What bounds a list beyond the rows before it: columns that have one value (with the parameter's number), and the end of its
/// prices.
struct Bounds {
    fixed: Vec<(&'static str, usize)>,
    end: Option<(&'static str, i64)>,
}

impl ListQuery {
    /// Whether every row of the list's index range fits, but for those of sellers who are off sale.
    pub fn is_covered(&self) -> bool {
        self.unindexed().is_empty()
    }

    /// Whether rows say if they fit: where the index does not tell, and where a seller may be off sale.
    pub fn tells_hits(&self) -> bool {
        self.is_public() || !self.is_covered()
    }

    /// Whether rows that do not fit are left out on PostgreSQL, so that the others say how many were looked at. Not where most fit,
    /// and no more are looked at than wanted.
    pub fn is_numbered(&self, look: usize, wanted: usize) -> bool {
        self.tells_hits() && !(self.is_covered() && look <= wanted)
    }

    /// Rows of the list in its order: at most `wanted` that fit, of `look` that are looked at. With those that do not fit on
    /// SQLite, which is asked row by row; on PostgreSQL only the last of them, where rows are numbered.
    pub fn rows(&self, dialect: Dialect, look: usize, wanted: usize) -> Sql<'_> {
        let is_numbered = self.is_numbered(look, wanted);
        let mut sql = Sql::default();
        let bounds = self.range(&mut sql, dialect, PRODUCT, look);
        if dialect == Dialect::Sqlite || (!is_numbered && bounds.fixed.is_empty()) {
            return sql;
        }
        let looked = sql.params.len();
        let numbered = if is_numbered { "select *, row_number() over () as number from (" } else { "" };
        sql.text = format!("select * from ({numbered}{})", sql.text);
        sql.put(if is_numbered { " as looked)" } else { "" }).put(" as looked where ");
        bounds.write(&mut sql);
        if is_numbered {
            let and = if bounds.fixed.is_empty() { "" } else { " and " };
            sql.put(and).put("(hit or number = ").number(looked).put(") limit ").rows(wanted);
        }
        sql
    }

    /// How many of the first `look` rows fit, behind how many there were.
    pub fn first(&self, dialect: Dialect, look: usize) -> Sql<'_> {
        let mut sql = Sql::default();
        let bounds = self.range(&mut sql, dialect, FILTERED, look);
        let fits = if self.tells_hits() { " filter (where hit)" } else { "" };
        sql.text = format!("select count(*), count(*){fits} from ({}) as looked", sql.text);
        if dialect == Dialect::Postgres && !bounds.fixed.is_empty() {
            sql.put(" where ");
            bounds.write(&mut sql);
        }
        sql
    }

    /// How many products fit. Those of sellers who are off sale are counted apart: to look at the seller of each product would
    /// read more than the index.
    pub fn count(&self) -> Sql<'_> {
        let mut sql = Sql::default();
        sql.put("select (select count(*) from products where ").put(self.active()).all(self.conditions()).put(")");
        if self.is_public() {
            sql.put(" - (select cast(coalesce(sum((select count(*) from products where owner_id = seller_id and ");
            sql.put(self.active())
                .all(self.conditions())
                .put(")), 0) as bigint) from sellers_off_sale where not settled)");
        }
        sql
    }

    /// How many fit of the newest products of all, behind how many of those there were.
    pub fn sample(&self) -> Sql<'_> {
        let mut sql = Sql::default();
        sql.put("select count(*), count(*) filter (where ").put(self.active()).all(self.conditions());
        sql.put(if self.is_public() { ON_SALE } else { "" });
        sql.put(") from (select ").put(FILTERED).put(", price from products order by created_at desc, id desc limit ");
        sql.rows(SAMPLE).put(") as newest");
        sql
    }

    /// The list's range of its index: `columns`, the sort key, and whether the row fits.
    fn range<'q>(&'q self, sql: &mut Sql<'q>, dialect: Dialect, columns: &str, look: usize) -> Bounds {
        let (key, descending) = match self.sort {
            Sort::Newest => ("created_at", true),
            Sort::Price => ("price", false),
            Sort::PriceDown => ("price", true),
            Sort::Name => ("name_key", false),
        };
        sql.put("select ").put(columns).put(", ").put(key).put(" as sort_key");
        let unindexed = self.unindexed();
        if self.tells_hits() {
            sql.put(", coalesce(").put(if unindexed.is_empty() { "true" } else { "" }).all(unindexed);
            sql.put(if self.is_public() { ON_SALE } else { "" }).put(", false) as hit");
        }
        sql.put(" from products ");
        if dialect == Dialect::Sqlite {
            sql.put("indexed by ").put(self.index()).put(" ");
        }
        sql.put("where ").put(if self.is_public() { "status = 'active' and " } else { "" });
        let mut bounds = Bounds { fixed: Vec::new(), end: self.end() };
        let mut order = Vec::new();
        for (column, value) in self.fixed() {
            match dialect {
                Dialect::Sqlite => _ = sql.put(column).put(" = ").bind(value).put(" and "),
                Dialect::Postgres => {
                    sql.params.push(value);
                    bounds.fixed.push((column, sql.params.len()));
                    order.push(column);
                }
            }
        }
        order.extend([key, "id"]);
        sql.put("(").put(&order.join(", ")).put(if descending { ") < (" } else { ") > (" });
        for (_, number) in &bounds.fixed {
            sql.number(*number).put(", ");
        }
        let (key, id) = self.start();
        sql.bind(key).put(", ").bind(Param::Id(id)).put(")");
        if let (Dialect::Sqlite, Some((comparison, price))) = (dialect, bounds.end) {
            sql.put(" and price ").put(comparison).put(" ").bind(Param::Number(price));
        }
        let direction = if descending { " desc" } else { "" };
        sql.put(" order by ").put(&order.join(&format!("{direction}, "))).put(direction).put(" limit ").rows(look);
        bounds
    }

    fn is_by_price(&self) -> bool {
        matches!(self.sort, Sort::Price | Sort::PriceDown)
    }

    fn is_public(&self) -> bool {
        matches!(self.shelf, Shelf::Public(_))
    }

    fn owner(&self) -> Option<Uuid> {
        match self.shelf {
            Shelf::Public(owner) => owner,
            Shelf::Own(owner) => Some(owner),
        }
    }

    /// Written out, because only then the indexes of active products are used.
    fn active(&self) -> &'static str {
        match (self.is_public(), self.conditions().is_empty()) {
            (true, true) => "status = 'active'",
            (true, false) => "status = 'active' and ",
            (false, _) => "",
        }
    }

    fn index(&self) -> &'static str {
        let [newest, price, name] = match (self.shelf, &self.category) {
            (Shelf::Own(_), _) => ["products_owner_newest", "products_owner_price", "products_owner_name"],
            (Shelf::Public(Some(_)), _) => {
                ["products_active_owner", "products_active_owner_price", "products_active_owner_name"]
            }
            (Shelf::Public(None), Some(_)) => {
                ["products_active_category", "products_active_category_price", "products_active_category_name"]
            }
            (Shelf::Public(None), None) => ["products_active_newest", "products_active_price", "products_active_name"],
        };
        match self.sort {
            Sort::Newest => newest,
            Sort::Price | Sort::PriceDown => price,
            Sort::Name => name,
        }
    }

    /// What the list's index has in front of what it is sorted by.
    fn fixed(&self) -> impl Iterator<Item = (&'static str, Param<'_>)> {
        let place = match (self.owner(), &self.category) {
            (Some(owner), _) => Some(("owner_id", Param::Id(owner))),
            (None, Some(category)) => Some(("category", Param::Text(category))),
            (None, None) => None,
        };
        let currency = self.is_by_price().then(|| ("currency", Param::Text(self.currency.as_str())));
        place.into_iter().chain(currency)
    }

    /// All conditions, but for that of active products.
    fn conditions(&self) -> Vec<Condition<'_>> {
        use Condition::{Between, Equal};
        let mut conditions = Vec::new();
        conditions.extend(self.owner().map(|owner| Equal("owner_id", Param::Id(owner))));
        conditions.extend(self.category.as_deref().map(|category| Equal("category", Param::Text(category))));
        conditions.extend(self.in_stock.map(|in_stock| Equal("in_stock", Param::Flag(in_stock))));
        // An unlisted product is stored as a draft that has a mark.
        match self.status {
            Some(status @ (Status::Draft | Status::Unlisted)) => {
                conditions.push(Equal("status", Param::Text(Status::Draft.as_str())));
                conditions.push(Equal("unlisted", Param::Flag(status == Status::Unlisted)));
            }
            Some(status) => conditions.push(Equal("status", Param::Text(status.as_str()))),
            None => {}
        }
        if self.only_currency || self.price.is_some() || self.is_by_price() {
            conditions.push(Equal("currency", Param::Text(self.currency.as_str())));
        }
        conditions.extend(self.price.map(|(least, most)| Between("price", least, most)));
        conditions
    }

    /// The conditions that the range of the index does not imply.
    fn unindexed(&self) -> Vec<Condition<'_>> {
        let is_indexed = |condition: &Condition<'_>| match condition {
            Condition::Equal(column, _) => self.fixed().any(|(fixed, _)| fixed == *column),
            Condition::Between(..) => self.is_by_price(),
        };
        self.conditions().into_iter().filter(|condition| !is_indexed(condition)).collect()
    }

    /// Behind which key and id the list goes on.
    fn start(&self) -> (Param<'_>, Uuid) {
        let (least, most) = self.price.unwrap_or((i64::MIN, i64::MAX));
        let begin = match self.sort {
            Sort::Newest => (i64::MAX, Uuid::max()),
            Sort::Price => (least.saturating_sub(1), Uuid::max()),
            Sort::PriceDown => (most.saturating_add(1), Uuid::nil()),
            Sort::Name => {
                return match &self.after {
                    Some(Position { key: Key::Text(name), id }) => (Param::Text(name), *id),
                    _ => (Param::Text(""), Uuid::nil()),
                };
            }
        };
        let after = match &self.after {
            Some(Position { key: Key::Number(number), id }) => (*number, *id),
            _ => begin,
        };
        // A cursor that is none of ours must not lead before the first price.
        let (number, id) = if self.sort == Sort::Price { after.max(begin) } else { after.min(begin) };
        (Param::Number(number), id)
    }

    /// Where the list's prices end.
    fn end(&self) -> Option<(&'static str, i64)> {
        match (self.sort, self.price) {
            (Sort::Price, Some((_, most))) => Some(("<=", most)),
            (Sort::PriceDown, Some((least, _))) => Some((">=", least)),
            _ => None,
        }
    }
}

impl Bounds {
    /// Writes what rows of the list have and those behind its end have not.
    fn write(&self, sql: &mut Sql<'_>) {
        for (n, (column, number)) in self.fixed.iter().enumerate() {
            sql.put(if n > 0 { " and " } else { "" }).put(column).put(" = ").number(*number);
        }
        if let Some((comparison, price)) = self.end {
            // Only prices that are sorted by have an end, and then their currency is fixed.
            sql.put(" and sort_key ").put(comparison).put(" ").bind(Param::Number(price));
        }
    }
}

macro_rules! categories {
    ($begins:literal) => {
        concat!(
            "with recursive hidden (name, count) as (\
             select category, count(*) from sellers_off_sale join products on owner_id = seller_id \
             where not settled and status = 'active' group by category), \
             found (name) as (\
             select (select category from products where status = 'active' and category ",
            $begins,
            " $1 order by category limit 1) \
             union all \
             select (select category from products where status = 'active' and category > found.name \
             order by category limit 1) from found where found.name is not null) \
             select name, (select count(*) from products where status = 'active' and category = found.name) \
             - coalesce((select count from hidden where hidden.name = found.name), 0) \
             from found where name is not null limit $2"
        )
    };
}

/// Each category of active products behind `after`, or from the start, with how many of them are for sale: one step in the index from category
/// to category, and a count of each of the first $2 in the index. Returns the statement and its $1.
pub fn categories(after: Option<&str>) -> (&'static str, &str) {
    match after {
        // No text comes before the empty one, which is a category too.
        None => (categories!(">="), ""),
        Some(after) => (categories!(">"), after),
    }
}
