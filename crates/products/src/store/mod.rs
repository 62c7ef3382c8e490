//! Where products are kept. One trait, two thin implementations, one suite.

mod list;
mod postgres;
mod rows;
mod sqlite;
#[cfg(test)]
pub(crate) mod suite;

use std::sync::Arc;

use async_trait::async_trait;
use kernel::Uuid;
use platform::db::migrate::{COMMON_POSTGRES, COMMON_SQLITE, Migration, Migrations};
use platform::db::{Database, Effects, EffectsOf, StoreError};

pub use self::list::{ListQuery, Listed, Looked, SCAN, Shelf, Sort, page};
use crate::model::{ChangedStock, Product, Stock, StockChange, Stocked, handle};

pub const MIGRATIONS: Migrations = Migrations {
    sqlite: &[
        Migration { version: 1, name: "common", sql: COMMON_SQLITE },
        Migration { version: 2, name: "products", sql: include_str!("../../migrations/sqlite/0002_products.sql") },
        Migration {
            version: 3,
            name: "variants_in_row",
            sql: include_str!("../../migrations/sqlite/0003_variants_in_row.sql"),
        },
        Migration { version: 4, name: "lists", sql: include_str!("../../migrations/sqlite/0004_lists.sql") },
    ],
    postgres: &[
        Migration { version: 1, name: "common", sql: COMMON_POSTGRES },
        Migration { version: 2, name: "products", sql: include_str!("../../migrations/postgres/0002_products.sql") },
        Migration {
            version: 3,
            name: "variants_in_row",
            sql: include_str!("../../migrations/postgres/0003_variants_in_row.sql"),
        },
        Migration { version: 4, name: "lists", sql: include_str!("../../migrations/postgres/0004_lists.sql") },
    ],
};

/// Names of the schema's uniqueness rules, alike on both databases.
pub const HANDLE_RULE: &str = "products.owner_id, products.handle";
pub const SKU_RULE: &str = "variants.owner_id, variants.sku_key";
pub const OPTIONS_RULE: &str = "variants.product_id, variants.option_values";
/// The rule that stock on hand covers what is reserved.
pub const RESERVED_RULE: &str = "variants.reserved";
/// The rule that a stock is not higher than it can be.
pub const LIMIT_RULE: &str = "variants.on_hand";

/// A page by number, as v1 asks for it.
#[derive(Debug, Clone, Default)]
pub struct PageQuery {
    /// Only products of this owner.
    pub owner: Option<Uuid>,
    /// Exactly this category.
    pub category: Option<String>,
    /// Folded text that the folded name contains.
    pub search: Option<String>,
    pub offset: i64,
    pub limit: i64,
}

/// A product to insert, with what is written with it.
pub struct Insert {
    stocked: Stocked,
    effects: Effects,
    derived: Option<Derived>,
    /// Whether it was prepared to be written before, in vain.
    tried: bool,
}

/// A handle that nobody asked for, so that the product may as well have another.
struct Derived {
    handle: String,
    effects: Box<EffectsAsNamed>,
}

type EffectsAsNamed = dyn Fn(&Stocked) -> Result<Effects, StoreError> + Send + Sync;

impl Insert {
    pub fn new(stocked: Stocked, effects: Effects) -> Self {
        Self { stocked, effects, derived: None, tried: false }
    }

    /// The product's handle is derived from its name: if it is taken, the product gets another one, and `effects` says what is
    /// written with it then.
    pub fn or_renamed(self, effects: Box<EffectsAsNamed>) -> Self {
        let handle = self.stocked.product.handle.clone();
        Self { derived: Some(Derived { handle, effects }), ..self }
    }

    /// Handles that the product may have instead of its own.
    fn numbered(&self) -> impl Iterator<Item = String> {
        self.derived.iter().flat_map(|derived| handle::numbered(&derived.handle))
    }

    /// Gives the product the first handle with a number that is not taken, else its distinct one.
    ///
    /// # Errors
    /// `Conflict` on [`HANDLE_RULE`] when it has that one already, or may have no other; as `is_taken`.
    fn rename(&mut self, is_taken: impl Fn(&str) -> Result<bool, StoreError>) -> Result<(), StoreError> {
        let conflict = || StoreError::Conflict(HANDLE_RULE.into());
        let derived = self.derived.as_ref().ok_or_else(conflict)?;
        let mut name = handle::distinct(&derived.handle, self.stocked.product.id);
        if self.stocked.product.handle == name {
            return Err(conflict());
        }
        for numbered in self.numbered() {
            if !is_taken(&numbered)? {
                name = numbered;
                break;
            }
        }
        self.stocked.product.handle = name;
        self.effects = (derived.effects)(&self.stocked)?;
        Ok(())
    }
}

/// Whole operations, one transaction each.
#[async_trait]
pub trait Store: Send + Sync {
    /// Inserts the product, under another handle if its own is taken and it may have another; returns it as it is then.
    async fn insert(&self, insert: Insert) -> Result<Stocked, StoreError>;

    /// Stores an edit if the product still has version `expected`; tells whether it had. Stock on hand is written only with
    /// `set_stock`, and only while it covers what is reserved (else `Conflict`, as when a variant with reserved units would
    /// vanish); the effects are told what changed of it.
    async fn update(
        &self,
        stocked: Stocked,
        expected: i64,
        set_stock: bool,
        effects: EffectsOf<Vec<ChangedStock>>,
    ) -> Result<bool, StoreError>;

    /// Deletes if the product still has version `expected`; tells whether it had. `Conflict` while units of it are reserved.
    async fn delete(&self, id: Uuid, expected: i64, effects: Effects) -> Result<bool, StoreError>;

    /// One row: what everyone may see of a product.
    async fn get(&self, id: Uuid) -> Result<Option<Product>, StoreError>;

    async fn get_stocked(&self, id: Uuid) -> Result<Option<Stocked>, StoreError>;

    async fn by_handle(&self, owner: Uuid, handle: &str) -> Result<Option<Stocked>, StoreError>;

    /// The stock of all variants of these products, in no order.
    async fn stock_of(&self, products: &[Uuid]) -> Result<Vec<(Uuid, Stock)>, StoreError>;

    /// The product that a variant belongs to.
    async fn product_of(&self, variant: Uuid) -> Result<Option<Uuid>, StoreError>;

    /// Changes a variant's stock on hand, and what the product shows of it; `None` when there is no such variant. `Conflict`
    /// when less would be left than is reserved, or more than a stock can be.
    async fn change_stock(
        &self,
        variant: Uuid,
        change: StockChange,
        effects: EffectsOf<ChangedStock>,
    ) -> Result<Option<ChangedStock>, StoreError>;

    /// The page, newest first, and how many there are in all.
    async fn page(&self, query: PageQuery) -> Result<(Vec<Product>, i64), StoreError>;

    /// Looks at the next `look` rows of a list, or fewer once `wanted` fit.
    async fn look(&self, query: &ListQuery, look: usize, wanted: usize) -> Result<Looked, StoreError>;

    /// How many products the list has, wherever it goes on.
    async fn count(&self, query: &ListQuery) -> Result<i64, StoreError>;

    /// As [`Store::count`], exact while it is low, and then told by a sample, whatever the list's length.
    async fn estimate(&self, query: &ListQuery) -> Result<i64, StoreError>;

    /// Categories of active products behind `after`, or all, by name, with how many each has.
    async fn categories(&self, after: Option<&str>, limit: usize) -> Result<Vec<(String, i64)>, StoreError>;
}

/// The store for the database that was chosen.
pub fn open(database: &Database) -> Arc<dyn Store> {
    match database {
        Database::Sqlite(db) => Arc::new(sqlite::SqliteStore(Arc::clone(db))),
        Database::Postgres(db) => Arc::new(postgres::PostgresStore::new(Arc::clone(db))),
    }
}
