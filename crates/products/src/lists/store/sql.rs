//! The statements of lists. Their parameters first appear in the order $1, $2, …

mod bounds;
mod statement;

use kernel::Uuid;

pub use self::statement::{Dialect, Param, Sql};

use self::bounds::Bounds;
use self::statement::{Condition, Few};
use super::{By, ListQuery, Shelf};
use crate::catalogue::model::Status;
use crate::catalogue::store::rows::product_columns;

/// Where the rows of [`ListQuery::rows`] have what they are sorted by, behind the product's columns.
pub const SORT_KEY: usize = 19;
/// Whether the row fits; only where [`ListQuery::tells_hits`].
pub const HIT: usize = 20;
/// The row's number from 1, on PostgreSQL, where [`ListQuery::is_numbered`].
pub const NUMBER: usize = 21;

/// Rows from which the share of products that fit is taken.
pub const SAMPLE: usize = 2_000;

const PRODUCT: &str = product_columns!();
const ON_SALE: &str = concat!(" and not ", stock::is_off_sale!("owner_id"));
/// Products of all owners that are not active, as their index has them.
const HIDDEN: &str = "status <> 'active' and updated_at >= 0 and ";
/// What the conditions of a list look at.
const FILTERED: &str = "status, unlisted, owner_id, category, currency, in_stock";
/// What the rarer ones look at besides.
const FILTERED_TOO: &str = ", id, handle, tags, vendor, updated_at";

/// The column of a status.
fn stored(status: Status) -> &'static str {
    if status == Status::Unlisted { Status::Draft } else { status }.as_str()
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
        let mut sql = Sql::new(dialect);
        let bounds = self.range(&mut sql, PRODUCT, look);
        if dialect == Dialect::Sqlite || (!is_numbered && bounds.are_none()) {
            return sql;
        }
        let looked = sql.params.len();
        let numbered = if is_numbered { "select *, row_number() over () as number from (" } else { "" };
        sql.text = format!("select * from ({numbered}{})", sql.text);
        sql.put(if is_numbered { " as looked)" } else { "" }).put(" as looked where ");
        bounds.write(&mut sql);
        if is_numbered {
            let and = if bounds.are_none() { "" } else { " and " };
            sql.put(and).put("(hit or number = ").number(looked).put(") limit ").rows(wanted);
        }
        sql
    }

    /// How many of the first `look` rows fit, behind how many there were.
    pub fn first(&self, dialect: Dialect, look: usize) -> Sql<'_> {
        let mut sql = Sql::new(dialect);
        let bounds = self.range(&mut sql, FILTERED, look);
        let fits = if self.tells_hits() { " filter (where hit)" } else { "" };
        sql.text = format!("select count(*), count(*){fits} from ({}) as looked", sql.text);
        if dialect == Dialect::Postgres && !bounds.are_none() {
            sql.put(" where ");
            bounds.write(&mut sql);
        }
        sql
    }

    /// How many products fit. Those of sellers who are off sale are counted apart: to look at the seller of each product would
    /// read more than the index. Of few products it does not matter.
    pub fn count(&self, dialect: Dialect) -> Sql<'_> {
        let mut sql = Sql::new(dialect);
        if self.is_few() {
            self.begin(sql.put("select count(*)"));
            sql.put("true").and_all(self.unindexed()).put(if self.is_public() { ON_SALE } else { "" });
            return sql;
        }
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
    pub fn sample(&self, dialect: Dialect) -> Sql<'_> {
        let mut sql = Sql::new(dialect);
        sql.put("select count(*), count(*) filter (where ").put(self.active()).all(self.conditions());
        sql.put(if self.is_public() { ON_SALE } else { "" });
        let looks_further = self.filters_rarely() || self.shelf == Shelf::Hidden;
        sql.put(") from (select ").put(FILTERED).put(if looks_further { FILTERED_TOO } else { "" });
        sql.put(", price from products order by created_at desc, id desc limit ").rows(SAMPLE).put(") as newest");
        sql
    }

    /// The list's range of its index: `columns`, the sort key, and whether the row fits.
    fn range<'q>(&'q self, sql: &mut Sql<'q>, columns: &str, look: usize) -> Bounds {
        let (dialect, key) = (sql.dialect, self.key());
        let descending = self.sort.descending;
        sql.put("select ").put(columns).put(", ").put(key).put(" as sort_key");
        let unindexed = self.unindexed();
        if self.tells_hits() {
            sql.put(", coalesce(").put(if unindexed.is_empty() { "true" } else { "" }).all(unindexed);
            sql.put(if self.is_public() { ON_SALE } else { "" }).put(", false) as hit");
        }
        self.begin(sql);
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
        let start = self.start();
        if start.is_some() {
            order.extend([key, "id"]);
        }
        // All columns of the order behind those of the start; or, at the very end of a text's order, behind what is fixed.
        if order.is_empty() {
            sql.put("true")
        } else {
            sql.put("(").put(&order.join(", ")).put(match (descending, &start) {
                (true, Some(_)) => ") < (",
                (true, None) => ") <= (",
                (false, _) => ") > (",
            })
        };
        for (n, (_, number)) in bounds.fixed.iter().enumerate() {
            sql.put(if n > 0 { ", " } else { "" }).number(*number);
        }
        match start {
            Some((start, id)) => {
                sql.put(if bounds.fixed.is_empty() { "" } else { ", " });
                sql.bind(start).put(", ").bind(Param::Id(id)).put(")");
            }
            None => {
                sql.put(if order.is_empty() { "" } else { ")" });
                order.extend([key, "id"]);
            }
        }
        if let (Dialect::Sqlite, Some((comparison, end))) = (dialect, bounds.end) {
            sql.put(" and ").put(key).put(" ").put(comparison).put(" ").bind(Param::Number(end));
        }
        let direction = if descending { " desc" } else { "" };
        sql.put(" order by ").put(&order.join(&format!("{direction}, "))).put(direction).put(" limit ").rows(look);
        bounds
    }

    /// Names the table, up to the first condition.
    fn begin<'q>(&'q self, sql: &mut Sql<'q>) {
        match (sql.dialect, self.few()) {
            (Dialect::Postgres, None) => sql.put(" from products where "),
            // By itself it might go through an index in the list's order until it has met them all.
            (Dialect::Postgres, Some(few)) => {
                sql.put(" from (select * from products where ").among(few).put(" offset 0) as products where ")
            }
            (Dialect::Sqlite, few) => {
                sql.put(" from products indexed by ").put(self.index()).put(" where ");
                match few {
                    Some(few) => sql.among(few).put(" and "),
                    None => sql,
                }
            }
        };
        // As its index has it.
        sql.put(match self.shelf {
            Shelf::Public(_) => "status = 'active' and ",
            Shelf::Hidden => HIDDEN,
            Shelf::Own(_) if self.index() == "products_owner_updated" => "updated_at >= 0 and ",
            Shelf::Own(_) => "",
        });
    }

    /// The column that the list is sorted by.
    fn key(&self) -> &'static str {
        match self.sort.by {
            By::Created => "created_at",
            By::Updated => "updated_at",
            By::Price => "price",
            By::Name => "name_key",
        }
    }

    fn is_by_price(&self) -> bool {
        self.sort.by == By::Price
    }

    /// Whether products in other currencies are left out.
    pub fn is_of_one_currency(&self) -> bool {
        self.only_currency || self.price.is_some() || self.is_by_price()
    }

    fn is_public(&self) -> bool {
        matches!(self.shelf, Shelf::Public(_))
    }

    fn owner(&self) -> Option<Uuid> {
        match self.shelf {
            Shelf::Public(owner) => owner,
            Shelf::Own(owner) => Some(owner),
            Shelf::Hidden => None,
        }
    }

    /// What narrows the list to a few products, if anything does.
    fn few(&self) -> Option<Few<'_>> {
        let ids = self.ids.as_deref().map(Few::Ids);
        let handle = || Some(Few::Handle(self.handle.as_deref()?, self.owner()?));
        let sku = || self.sku_key.as_deref().map(Few::Sku);
        let barcode = || self.barcode.as_deref().map(Few::Barcode);
        ids.or_else(handle).or_else(sku).or_else(barcode)
    }

    /// Whether the list has few products, however many there are in all.
    pub fn is_few(&self) -> bool {
        self.few().is_some()
    }

    /// Whether it has a filter that most lists have not.
    fn filters_rarely(&self) -> bool {
        self.handle.is_some() || self.tag.is_some() || self.vendor.is_some() || self.updated_since.is_some()
    }

    /// Written out, because only then the indexes of active products are used.
    fn active(&self) -> &'static str {
        match (self.shelf, self.conditions().is_empty()) {
            (Shelf::Public(_), true) => "status = 'active'",
            (Shelf::Public(_), false) => "status = 'active' and ",
            (Shelf::Own(_), _) => "",
            // It has the condition of its status.
            (Shelf::Hidden, _) => HIDDEN,
        }
    }

    /// The index that SQLite is told; PostgreSQL finds it by the order.
    fn index(&self) -> &'static str {
        if self.is_few() {
            // That of the primary key.
            return "sqlite_autoindex_products_1";
        }
        let [newest, price, name] = match (self.shelf, &self.category) {
            (Shelf::Hidden, _) => return "products_hidden_newest",
            (Shelf::Own(_), _) => ["products_owner_newest", "products_owner_price", "products_owner_name"],
            (Shelf::Public(Some(_)), _) => {
                ["products_active_owner", "products_active_owner_price", "products_active_owner_name"]
            }
            (Shelf::Public(None), Some(_)) => {
                ["products_active_category", "products_active_category_price", "products_active_category_name"]
            }
            (Shelf::Public(None), None) => ["products_active_newest", "products_active_price", "products_active_name"],
        };
        match self.sort.by {
            By::Created => newest,
            By::Price => price,
            By::Name => name,
            By::Updated if self.is_public() => "products_active_updated",
            By::Updated => "products_owner_updated",
        }
    }

    /// What the list's index has in front of what it is sorted by.
    fn fixed(&self) -> impl Iterator<Item = (&'static str, Param<'_>)> {
        let place = match (self.shelf, &self.category, self.sort.by) {
            (Shelf::Own(owner), ..) => Some(("owner_id", Param::Id(owner))),
            (Shelf::Hidden, ..) => self.status.map(|status| ("status", Param::Text(stored(status)))),
            // Changes are listed of all sellers and categories at once.
            (Shelf::Public(_), _, By::Updated) => None,
            (Shelf::Public(Some(owner)), ..) => Some(("owner_id", Param::Id(owner))),
            (Shelf::Public(None), Some(category), _) => Some(("category", Param::Text(category))),
            (Shelf::Public(None), None, _) => None,
        };
        let currency = self.is_by_price().then(|| ("currency", Param::Text(self.currency.as_str())));
        place.into_iter().chain(currency).filter(|_| !self.is_few())
    }

    /// All conditions, but for that of active products.
    fn conditions(&self) -> Vec<Condition<'_>> {
        use Condition::{Among, AtLeast, Between, Equal, Tagged};
        let mut conditions = Vec::new();
        let few = self.few();
        conditions.extend(few.map(Among));
        conditions.extend(self.owner().map(|owner| Equal("owner_id", Param::Id(owner))));
        conditions.extend(self.category.as_deref().map(|category| Equal("category", Param::Text(category))));
        conditions.extend(self.in_stock.map(|in_stock| Equal("in_stock", Param::Flag(in_stock))));
        // An unlisted product is stored as a draft that has a mark.
        if let Some(status) = self.status {
            conditions.push(Equal("status", Param::Text(stored(status))));
            if stored(status) == Status::Draft.as_str() {
                conditions.push(Equal("unlisted", Param::Flag(status == Status::Unlisted)));
            }
        }
        if self.is_of_one_currency() {
            conditions.push(Equal("currency", Param::Text(self.currency.as_str())));
        }
        conditions.extend(self.price.map(|(least, most)| Between("price", least, most)));
        conditions.extend(self.handle.as_deref().map(|handle| Equal("handle", Param::Text(handle))));
        let codes = [self.sku_key.as_deref().map(Few::Sku), self.barcode.as_deref().map(Few::Barcode)];
        conditions.extend(codes.into_iter().flatten().filter(|code| few != Some(*code)).map(Among));
        conditions.extend(self.vendor.as_deref().map(|vendor| Equal("vendor", Param::Text(vendor))));
        conditions.extend(self.tag.as_deref().map(Tagged));
        conditions.extend(self.updated_since.map(|since| AtLeast("updated_at", since.0)));
        conditions
    }

    /// The conditions that the range of the index does not imply.
    fn unindexed(&self) -> Vec<Condition<'_>> {
        let few = self.few();
        let is_indexed = |condition: &Condition<'_>| match condition {
            Condition::Equal(column, _) => self.fixed().any(|(fixed, _)| fixed == *column),
            Condition::Between(column, ..) | Condition::AtLeast(column, _) => few.is_none() && *column == self.key(),
            Condition::Among(among) => few == Some(*among),
            Condition::Tagged(_) => false,
        };
        self.conditions().into_iter().filter(|condition| !is_indexed(condition)).collect()
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
