//! Lists of products by key. Each is a range of an index (what is fixed, what it is sorted by, the id), of which a request looks
//! at a bounded number of rows: what the index does not know is checked on those.

#[cfg(test)]
mod plans;
pub mod postgres;
mod sql;
pub mod sqlite;
#[cfg(test)]
mod suite;

use std::sync::Arc;

use api::v2::Position;
use api::v2::page::Key;
use async_trait::async_trait;
use kernel::{Currency, Timestamp, Uuid};
use storage::row::Columns;
use storage::{Database, StoreError};

use self::sql::{HIT, SORT_KEY};
use crate::catalogue::model::{Product, Status};
use crate::catalogue::store::rows;

/// Rows that one request looks at, at most.
pub const SCAN: usize = 2_000;
/// Text of one page: products may be as large as a request, and a page holds a hundred.
const PAGE_BYTES: usize = 2 * 1024 * 1024;
/// So many rows are read along with other readers' work; more, on a connection or thread of their own.
pub const POINT_ROWS: usize = 101;

/// Which products a list is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shelf {
    /// Active ones, of this owner or of all.
    Public(Option<Uuid>),
    /// All that this owner has.
    Own(Uuid),
    /// Those of all owners that have the list's status, which is not that of active ones: by their time only.
    Hidden,
}

/// What a list is sorted by, and then by the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    pub by: By,
    pub descending: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Created,
    Updated,
    /// The lowest of the variants', in one currency.
    Price,
    /// The folded name, bytewise.
    Name,
}

impl Sort {
    pub const NEWEST: Self = Self::down(By::Created);

    pub const fn up(by: By) -> Self {
        Self { by, descending: false }
    }

    pub const fn down(by: By) -> Self {
        Self { by, descending: true }
    }

    /// What cursors know it by.
    fn word(self) -> &'static str {
        match (self.by, self.descending) {
            (By::Created, false) => "Oldest",
            (By::Created, true) => "Newest",
            (By::Updated, false) => "Updated",
            (By::Updated, true) => "UpdatedDown",
            (By::Price, false) => "Price",
            (By::Price, true) => "PriceDown",
            (By::Name, false) => "Name",
            (By::Name, true) => "NameDown",
        }
    }
}

impl Default for Sort {
    fn default() -> Self {
        Self::NEWEST
    }
}

/// A list, and where in it to go on.
#[derive(Debug, Clone)]
pub struct ListQuery {
    pub shelf: Shelf,
    /// Exactly this category.
    pub category: Option<String>,
    pub in_stock: Option<bool>,
    pub status: Option<Status>,
    /// The currency that prices are compared in.
    pub currency: Currency,
    /// Only products of this currency, whether prices are compared or not.
    pub only_currency: bool,
    /// The lowest and the highest price, both included.
    pub price: Option<(i64, i64)>,
    /// Only these.
    pub ids: Option<Vec<Uuid>>,
    pub handle: Option<String>,
    /// Folded, as SKUs are compared; of any of the variants.
    pub sku_key: Option<String>,
    /// Of any of the variants.
    pub barcode: Option<String>,
    pub tag: Option<String>,
    pub vendor: Option<String>,
    /// Only what was changed then or later.
    pub updated_since: Option<Timestamp>,
    pub sort: Sort,
    /// Where the page before ended.
    pub after: Option<Position>,
    pub limit: usize,
    /// Rows to look at, at most.
    pub scan: usize,
}

/// A page of a list. It may be short: only without `next` the list has ended.
#[derive(Debug)]
pub struct Listed {
    pub products: Vec<Product>,
    /// Where the next page goes on.
    pub next: Option<Position>,
}

/// What was seen of a list.
#[derive(Debug, Default)]
pub struct Looked {
    /// The products that fit, each with the key that it is sorted by.
    pub found: Vec<(Product, Key)>,
    /// The last row that was looked at, unless the list ended before as many as were asked for.
    pub last: Option<Position>,
}

/// Whole reads.
#[async_trait]
pub trait ListStore: Send + Sync {
    /// Looks at the next `look` rows of a list, or fewer once `wanted` fit.
    async fn look(&self, query: &ListQuery, look: usize, wanted: usize) -> Result<Looked, StoreError>;

    /// How many products the list has, wherever it goes on.
    async fn count(&self, query: &ListQuery) -> Result<i64, StoreError>;

    /// As [`ListStore::count`], exact while it is low, and then told by a sample, whatever the list's length.
    async fn estimate(&self, query: &ListQuery) -> Result<i64, StoreError>;

    /// Categories of active products behind `after`, or all, by name, with how many each has.
    /// Some may have none left, whose sellers are off sale.
    async fn categories(&self, after: Option<&str>, limit: usize) -> Result<Vec<(String, i64)>, StoreError>;
}

/// The lists of the database that was chosen.
pub fn open(database: &Database) -> Arc<dyn ListStore> {
    match database {
        Database::Sqlite(db) => Arc::new(sqlite::SqliteLists(Arc::clone(db))),
        Database::Postgres(db) => Arc::new(postgres::PostgresLists(Arc::clone(db))),
    }
}

/// The next page. Most are found at once; where few rows fit, the rest of those that may be looked at follow.
///
/// # Errors
/// As [`ListStore::look`].
pub async fn page(store: &dyn ListStore, mut query: ListQuery) -> Result<Listed, StoreError> {
    // One more tells whether there is a next page.
    let wanted = query.limit + 1;
    let mut left = query.scan.max(wanted);
    let mut look = if query.is_covered() { wanted } else { left.min(POINT_ROWS) };
    let mut found = Vec::new();
    let next = loop {
        let looked = store.look(&query, look, wanted - found.len()).await?;
        found.extend(looked.found);
        let fitting = fitting(&found);
        if found.len() == wanted || fitting < found.len() {
            found.truncate(fitting.min(query.limit));
            break found.last().map(|(product, key)| Position { key: key.clone(), id: product.id });
        }
        left -= look;
        if looked.last.is_none() || left == 0 {
            break looked.last;
        }
        // It goes on behind the last row as the next page would, so it may see a later state of the store.
        query.after = looked.last;
        look = left;
    };
    Ok(Listed { products: found.into_iter().map(|(product, _)| product).collect(), next })
}

/// How many of the products an answer takes: one at least.
fn fitting(found: &[(Product, Key)]) -> usize {
    let mut bytes = 0;
    let fits = found.iter().take_while(|(product, _)| {
        // Its description is shown twice, as it is and as text.
        bytes += product.text_bytes() + product.description.as_ref().map_or(0, String::len);
        bytes <= PAGE_BYTES
    });
    fits.count().max(1)
}

impl ListQuery {
    pub fn new(shelf: Shelf, currency: Currency) -> Self {
        Self {
            shelf,
            category: None,
            in_stock: None,
            status: None,
            currency,
            only_currency: false,
            price: None,
            ids: None,
            handle: None,
            sku_key: None,
            barcode: None,
            tag: None,
            vendor: None,
            updated_since: None,
            sort: Sort::default(),
            after: None,
            limit: 20,
            scan: SCAN,
        }
    }

    /// Tells lists with other filters or another order apart.
    pub fn scope(&self) -> String {
        let Self { shelf, category, in_stock, status, currency, only_currency, price, sort, .. } = self;
        let sort = sort.word();
        let scope =
            format!("{shelf:?} {category:?} {in_stock:?} {status:?} {currency} {only_currency} {price:?} {sort}");
        let Self { ids, handle, sku_key, barcode, tag, vendor, updated_since, .. } = self;
        let others = (ids, handle, sku_key, barcode, tag, vendor, updated_since);
        // Cursors of lists that the release before knows are good for both.
        if others == (&None, &None, &None, &None, &None, &None, &None) { scope } else { format!("{scope} {others:?}") }
    }
}

impl Looked {
    /// Adds the next row. `fits` is whether it is of the list, `is_last` whether no further one is looked at.
    fn add(&mut self, sort: Sort, row: &impl Columns, fits: bool, is_last: bool) -> Result<(), StoreError> {
        let id = row.uuid(0).map_err(|error| StoreError::corrupt("products", "id", "?", error))?;
        let key = match sort.by {
            By::Created | By::Updated | By::Price => row.integer(SORT_KEY).map(Key::Number),
            By::Name => row.text(SORT_KEY).map(Key::Text),
        };
        let key = key.map_err(|error| StoreError::corrupt("products", "the sort key", id, error))?;
        if is_last {
            self.last = Some(Position { key: key.clone(), id });
        }
        if fits {
            self.found.push((rows::product(row)?, key));
        }
        Ok(())
    }
}

/// Whether the row fits, by its own word where it has one.
fn fits(tells_hits: bool, row: &impl Columns) -> Result<bool, StoreError> {
    let hit = || row.boolean(HIT).map_err(|error| StoreError::corrupt("products", "the filters", "?", error));
    if tells_hits { hit() } else { Ok(true) }
}

/// How many of `size` products fit, if as many do as `fit` of the `seen` newest ones.
fn extrapolate((seen, fit): (i64, i64), size: i64) -> i64 {
    let estimate = i128::from(fit) * i128::from(size) / i128::from(seen.max(1));
    i64::try_from(estimate).unwrap_or(i64::MAX)
}
