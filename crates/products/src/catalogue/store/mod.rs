//! Where products are kept. One trait, two thin implementations, one suite.

mod changes;
pub mod postgres;
pub mod rows;
pub mod sqlite;
#[cfg(test)]
mod stock_suite;
#[cfg(test)]
pub(crate) mod suite;

use std::sync::Arc;

use async_trait::async_trait;
use effects::{Effects, EffectsOf};
use kernel::Uuid;
use stock::model::{Cause, ChangedStock, ImportedStock, Stock};
use storage::{Database, StoreError};

use crate::catalogue::model::{Product, Stocked, handle};

/// Names of the schema's uniqueness rules, alike on both databases.
pub const HANDLE_RULE: &str = "products.owner_id, products.handle";
pub const SKU_RULE: &str = "variants.owner_id, variants.sku_key";
pub const OPTIONS_RULE: &str = "variants.product_id, variants.option_values";

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

/// What an edit means for units on hand.
#[derive(Debug, Clone)]
pub enum StockEdit {
    /// They stay as they are; new variants begin with theirs.
    Keep,
    /// They become those of the edit.
    Set,
    /// What a file says.
    Import(Quantities),
}

/// The quantities of a file.
#[derive(Debug, Clone)]
pub struct Quantities {
    pub how: ImportedStock,
    /// One for each variant of the edit, in their order; none where the file has none.
    pub of: Vec<Option<i64>>,
    /// Whether the product came from a file before.
    pub was_imported: bool,
}

/// Units of a file that a stock did not take, because others are reserved or there cannot be so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldBack {
    pub variant_id: Uuid,
    /// Units on hand as the file has them.
    pub wanted: i64,
    pub on_hand: i64,
}

/// A variant that has a SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkuHolder {
    /// Folded.
    pub key: String,
    pub variant_id: Uuid,
    pub product_id: Uuid,
    /// The product's.
    pub handle: String,
}

/// A product to insert, with what is written with it.
pub struct Insert {
    stocked: Stocked,
    /// Quantities of a file, one for each variant; empty without one.
    imported: Vec<Option<i64>>,
    cause: Cause,
    effects: Effects,
    derived: Option<Derived>,
    /// Whether it was prepared to be written before, in vain.
    tried: bool,
}

/// An edit of a product, with what is written with it.
pub struct Update {
    pub stocked: Stocked,
    /// The version that it is based on.
    pub expected: i64,
    pub stock: StockEdit,
    pub cause: Cause,
    pub effects: EffectsOf<Vec<ChangedStock>>,
}

/// A product, and whether its seller is off sale.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    pub product: Product,
    pub is_off_sale: bool,
}

impl Found {
    /// Whether everyone may see it.
    pub fn is_public(&self) -> bool {
        self.product.status.is_public() && !self.is_off_sale
    }
}

/// A handle that nobody asked for, so that the product may as well have another.
struct Derived {
    handle: String,
    effects: Box<EffectsAsNamed>,
}

type EffectsAsNamed = dyn Fn(&Stocked) -> Result<Effects, StoreError> + Send + Sync;

impl Insert {
    pub fn new(stocked: Stocked, cause: Cause, effects: Effects) -> Self {
        Self { stocked, imported: Vec::new(), cause, effects, derived: None, tried: false }
    }

    pub fn product(&self) -> &Product {
        &self.stocked.product
    }

    /// What the file said of its variants' stock, in their order.
    pub fn imported(self, quantities: Vec<Option<i64>>) -> Self {
        Self { imported: quantities, ..self }
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

    /// Stores edits of different products, each if its product still has the version that it expects: all of them, or none. Tells
    /// what their stock did not take of a file; `None` when a version had changed. Units on hand cover what is reserved (else
    /// `Conflict`, as when a variant with promised units would vanish); the effects are told what changed of them.
    async fn update(&self, edits: Vec<Update>) -> Result<Option<Vec<HeldBack>>, StoreError>;

    /// Deletes if the product still has version `expected`; tells whether it had. `Conflict` while units of it are reserved.
    async fn delete(&self, id: Uuid, expected: i64, cause: Cause, effects: Effects) -> Result<bool, StoreError>;

    /// One row: what everyone may see of a product.
    async fn get(&self, id: Uuid) -> Result<Option<Found>, StoreError>;

    /// As [`Store::get`].
    async fn get_by_handle(&self, owner: Uuid, handle: &str) -> Result<Option<Found>, StoreError>;

    /// Those of these products that are there, in no order.
    async fn get_all(&self, ids: &[Uuid]) -> Result<Vec<Found>, StoreError>;

    async fn get_stocked(&self, id: Uuid) -> Result<Option<Stocked>, StoreError>;

    async fn by_handle(&self, owner: Uuid, handle: &str) -> Result<Option<Stocked>, StoreError>;

    /// What the last file said of the stock of a product's variants.
    async fn imported(&self, product: Uuid, was_imported: bool) -> Result<Vec<(Uuid, Option<i64>)>, StoreError>;

    /// For each of these SKUs, folded, a variant of another product of the owner's that has it.
    async fn sku_holders(&self, owner: Uuid, keys: &[String], except: Uuid) -> Result<Vec<SkuHolder>, StoreError>;

    /// SKUs that an owner has more than once, with some of their variants, at most `limit`.
    async fn repeated_skus(&self, limit: i64) -> Result<Vec<(Uuid, String, Vec<SkuHolder>)>, StoreError>;

    /// Whether no owner may have a SKU twice.
    async fn unique_skus(&self) -> Result<bool, StoreError>;

    /// Says whether an owner may have a SKU twice. `Conflict` on [`SKU_RULE`] when one does who may not.
    async fn set_unique_skus(&self, unique: bool) -> Result<(), StoreError>;

    /// The stock of all variants of these products, in no order.
    async fn stock_of(&self, products: &[Uuid]) -> Result<Vec<(Uuid, Stock)>, StoreError>;

    /// The page, newest first, and how many there are in all.
    async fn page(&self, query: PageQuery) -> Result<(Vec<Product>, i64), StoreError>;
}

/// The store for the database that was chosen.
pub fn open(database: &Database) -> Arc<dyn Store> {
    match database {
        Database::Sqlite(db) => Arc::new(sqlite::SqliteStore(Arc::clone(db))),
        Database::Postgres(db) => Arc::new(postgres::PostgresStore::new(Arc::clone(db))),
    }
}
