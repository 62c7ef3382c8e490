//! How the variants in a database become those of an edit, on either of them.

use std::collections::HashMap;

use kernel::{Uuid, text};
use stock::model::{Cause, ChangedStock, ImportedStock, Inventory, Movement, MovementKind, Stock, Units};
use stock::store::rows::list;
use stock::store::{RESERVED_RULE, read_units};
use storage::StoreError;
use storage::row::Columns;

use super::rows::none_promised;
use super::{HeldBack, Quantities, StockEdit};
use crate::catalogue::model::{Product, Stocked, Variant};

/// A variant's columns, with those that are computed for it.
pub struct VariantRow<'a> {
    pub product: &'a Product,
    pub variant: &'a Variant,
    pub stock: Stock,
    pub available: i64,
    pub position: i64,
    pub sku_key: Option<String>,
    pub option_values: String,
    pub untracked: bool,
    /// The quantity of a file, for a variant that begins with it.
    pub imported: Option<i64>,
}

impl<'a> VariantRow<'a> {
    /// The rows of all variants, with the quantities that a file has of them, in their order.
    pub fn all(stocked: &'a Stocked, imported: &'a [Option<i64>]) -> impl Iterator<Item = VariantRow<'a>> {
        let Stocked { product, stock } = stocked;
        product.variants.iter().zip(stock).enumerate().map(move |(index, (variant, stock))| VariantRow {
            product,
            variant,
            stock: *stock,
            available: stock.available(),
            position: i64::try_from(index).unwrap_or(i64::MAX),
            sku_key: variant.sku.as_deref().map(text::fold),
            option_values: list(&variant.option_values),
            untracked: !variant.details.inventory.is_tracked(),
            imported: imported.get(index).copied().flatten(),
        })
    }
}

/// A variant as it is stored when an edit comes.
pub struct Known {
    pub units: Units,
    sku: Option<String>,
    barcode: Option<String>,
    option_values: String,
    price: i64,
    compare_at_price: Option<i64>,
    position: i64,
}

impl Known {
    pub fn id(&self) -> Uuid {
        self.units.stock.variant_id
    }

    pub fn read(row: &impl Columns) -> Result<Self, StoreError> {
        let units = read_units(row)?;
        let id = units.stock.variant_id;
        let wrong = |column| move |error: String| StoreError::corrupt("variants", column, id, error);
        Ok(Known {
            units,
            sku: row.optional_text(12).map_err(wrong("sku"))?,
            barcode: row.optional_text(13).map_err(wrong("barcode"))?,
            option_values: row.text(14).map_err(wrong("option_values"))?,
            price: row.integer(15).map_err(wrong("price"))?,
            compare_at_price: row.optional_integer(16).map_err(wrong("compare_at_price"))?,
            position: row.integer(17).map_err(wrong("position"))?,
        })
    }

    /// Whether what is unique about it, or may be, stays.
    fn keeps_keys(&self, row: &VariantRow<'_>) -> bool {
        self.sku.as_deref().map(text::fold) == row.sku_key && self.option_values == row.option_values
    }

    fn is(&self, row: &VariantRow<'_>) -> bool {
        let VariantRow { variant: v, position, untracked, .. } = row;
        self.sku == v.sku
            && self.barcode == v.barcode
            && self.option_values == row.option_values
            && (self.price, self.compare_at_price, self.position) == (v.price, v.compare_at_price, *position)
            && (self.units.inventory == Inventory::Untracked, self.units.backorder) == (*untracked, v.details.backorder)
    }
}

/// What the ledgers say of the last file: by variant, its newest movement behind what is known, of a file or of its beginning.
pub type Ledgers = HashMap<Uuid, LastImport>;

#[derive(Debug, Clone, Copy)]
pub struct LastImport {
    pub on_hand: i64,
    /// Else it is what the variant began with.
    pub is_import: bool,
}

/// Variants with the version behind which their ledgers may know of a later file than their row does. Every change of a stock takes
/// `imported_version` along, but those of releases that do not know it: so only what these did is looked up.
pub fn doubtful<'k>(known: impl Iterator<Item = &'k Known>) -> impl Iterator<Item = (Uuid, i64)> {
    let version = |known: &Known| known.units.imported_version.unwrap_or(-1);
    known.filter(move |known| version(known) < known.units.version).map(move |known| (known.id(), version(known)))
}

/// What the last file said of a variant's stock.
pub fn last_import(units: &Units, ledgers: &Ledgers, was_imported: bool) -> Option<i64> {
    match ledgers.get(&units.stock.variant_id) {
        Some(last) if last.is_import => Some(last.on_hand),
        // Its stock began otherwise, and no file came since.
        Some(_) => units.imported,
        // The first release left nothing in the ledger of a variant to which its file gave no units.
        None if units.imported_version.is_none() => was_imported.then_some(0),
        None => units.imported,
    }
}

/// An edit, with the stock that it leads to.
pub struct Planned {
    pub edited: Stocked,
    /// What a file says of variants that were there, and the version of their stock then.
    pub imported: Vec<(Uuid, i64, i64)>,
    pub held_back: Vec<HeldBack>,
    /// What it says of those that begin now, in the order of the edit's variants.
    quantities: Vec<Option<i64>>,
}

impl Planned {
    /// The edit with the stock as it is, except where the edit changes it.
    pub fn new(mut edited: Stocked, known: &[Known], edit: StockEdit, ledgers: &Ledgers) -> Self {
        let known: HashMap<Uuid, &Known> = known.iter().map(|known| (known.id(), known)).collect();
        let quantities = match &edit {
            StockEdit::Import(quantities) => quantities.of.clone(),
            StockEdit::Keep | StockEdit::Set => Vec::new(),
        };
        let (mut imported, mut held_back) = (Vec::new(), Vec::new());
        for (index, stock) in edited.stock.iter_mut().enumerate() {
            let Some(known) = known.get(&stock.variant_id) else { continue };
            let present = known.units.stock;
            let on_hand = match &edit {
                StockEdit::Keep => present.on_hand,
                StockEdit::Set => stock.on_hand,
                StockEdit::Import(file) => match file.of.get(index).copied().flatten() {
                    Some(quantity) if file.how != ImportedStock::Keep => {
                        let (on_hand, told) = file.take(&known.units, ledgers, quantity);
                        held_back.extend(told);
                        let version = known.units.version + i64::from(on_hand != present.on_hand);
                        imported.push((stock.variant_id, quantity, version));
                        on_hand
                    }
                    _ => present.on_hand,
                },
            };
            *stock = Stock { on_hand, ..present };
        }
        for (variant, stock) in edited.product.variants.iter_mut().zip(&edited.stock) {
            variant.in_stock = variant.is_in_stock(stock);
        }
        Self { edited, imported, held_back, quantities }
    }
}

impl Quantities {
    /// The units on hand by the file, and those that a stock does not take of them.
    fn take(&self, units: &Units, ledgers: &Ledgers, quantity: i64) -> (i64, Option<HeldBack>) {
        let wanted = self.how.wanted(units.stock, last_import(units, ledgers, self.was_imported), quantity);
        let on_hand = ImportedStock::possible(units.stock, wanted);
        let held_back = HeldBack { variant_id: units.stock.variant_id, wanted, on_hand };
        (on_hand, (wanted != on_hand).then_some(held_back))
    }
}

/// How the variants in the database become those of an edit.
pub struct VariantChanges<'a> {
    pub delete: Vec<Uuid>,
    /// These give up what may be unique about them before any takes it.
    pub release: Vec<Uuid>,
    pub update: Vec<VariantRow<'a>>,
    pub insert: Vec<VariantRow<'a>>,
    /// Stock whose units on hand are set to others than they are.
    pub set: Vec<ChangedStock>,
    pub imported: &'a [(Uuid, i64, i64)],
}

impl<'a> VariantChanges<'a> {
    /// # Errors
    /// `Conflict` when a variant would vanish of which units are promised, or units on hand would not cover those reserved.
    pub fn plan(planned: &'a Planned, known: &[Known]) -> Result<Self, StoreError> {
        let mut left: HashMap<Uuid, &Known> = known.iter().map(|known| (known.id(), known)).collect();
        let (mut update, mut insert, mut release, mut set) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for row in VariantRow::all(&planned.edited, &planned.quantities) {
            let Some(known) = left.remove(&row.variant.id) else {
                insert.push(row);
                continue;
            };
            let mut units = Units { inventory: row.variant.details.inventory, ..known.units };
            if units.stock.on_hand != row.stock.on_hand {
                set.push(units.change(MovementKind::Adjustment, |units| units.on_hand = row.stock.on_hand));
            }
            if !known.keeps_keys(&row) {
                release.push(known.id());
            }
            if !known.is(&row) {
                update.push(row);
            }
        }
        none_promised(left.values().copied())?;
        if set.iter().any(|changed| changed.stock().available() < 0) {
            return Err(StoreError::Conflict(RESERVED_RULE.into()));
        }
        let mut delete: Vec<Uuid> = left.into_keys().collect();
        delete.sort_unstable();
        Ok(Self { delete, release, update, insert, set, imported: &planned.imported })
    }

    /// What the ledger keeps of them.
    pub fn movements(&self, known: &[Known], cause: &Cause) -> Vec<Movement> {
        let deleted = known.iter().filter(|known| self.delete.binary_search(&known.id()).is_ok());
        let mut movements = removal(deleted, cause);
        movements.extend(self.insert.iter().filter_map(|row| opened(row.stock, row.product, cause)));
        movements.extend(self.set.iter().map(|changed| changed.movement(cause)));
        movements
    }
}

/// What the ledger keeps of variants that go.
pub fn removal<'a>(known: impl Iterator<Item = &'a Known>, cause: &Cause) -> Vec<Movement> {
    let with_units = known.filter(|known| known.units.stock.on_hand > 0);
    let removed = with_units.map(|known| {
        let mut units = known.units;
        units.change(MovementKind::Removal, |stock| stock.on_hand = 0).movement(cause)
    });
    removed.collect()
}

/// What the ledger keeps of a new product's stock.
pub fn opening<'a>(stocked: &'a Stocked, cause: &'a Cause) -> impl Iterator<Item = Movement> + 'a {
    stocked.stock.iter().filter_map(|stock| opened(*stock, &stocked.product, cause))
}

/// Nothing, where there are no units: the sum of no movements is none.
fn opened(stock: Stock, product: &Product, cause: &Cause) -> Option<Movement> {
    let units = Units {
        product_id: product.id,
        owner_id: product.owner_id,
        stock,
        version: 0,
        low_stock: None,
        inventory: Inventory::Tracked,
        backorder: false,
        imported: None,
        imported_version: None,
    };
    let before = Stock::new(stock.variant_id, 0);
    let changed = ChangedStock { units, before, kind: MovementKind::Opening };
    (stock.on_hand > 0).then(|| changed.movement(cause))
}
