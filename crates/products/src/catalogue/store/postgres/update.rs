//! Edits of products, in one transaction: few statements, however many variants they have.

use std::collections::HashMap;

use kernel::Uuid;
use stock::model::{ChangedStock, Movement};
use stock::store::RESERVED_RULE;
use stock::store::postgres::Movements;
use storage::StoreError;
use storage::postgres::{Params, Statement, Transaction};
use tokio_postgres::Row;

use super::columns::VariantColumns;
use crate::catalogue::store::changes::{self, Known, LastImport, Ledgers, Planned, VariantChanges};
use crate::catalogue::store::rows::{self, ProductRow};
use crate::catalogue::store::{HeldBack, StockEdit, Update};

/// Variants by id before their products: the one order in which locks are taken.
const LOCK_KEYS_OF: &str = concat!(rows::keys_of!("= any($1)"), " for update");
/// As [`rows::LAST_IMPORT`], of many variants.
pub const LAST_IMPORTS: &str = "select distinct on (m.variant_id) m.variant_id, m.on_hand_after, \
    coalesce(m.reason = 'import', false) from unnest($1::uuid[], $2::bigint[]) as given (id, version) \
    join stock_movements as m on m.variant_id = given.id and m.version > given.version \
    where m.reason = 'import' or m.kind = 'opening' order by m.variant_id, m.version desc";
const DELETE_VARIANTS: &str = "delete from variants where id = any($1)";
/// Frees what may be unique about variants, for edits that give it to others.
const RELEASE_KEYS: &str = "update variants set sku_key = null, option_values = id::text where id = any($1)";
const SET_STOCK: &str = "update variants set on_hand = given.on_hand, available = given.on_hand - reserved, \
    stock_version = given.version, \
    imported_version = case when imported_version + 1 = given.version then given.version else imported_version end from unnest($1::uuid[], $2::bigint[], $3::bigint[]) as given (id, on_hand, version) \
    where variants.id = given.id and reserved <= given.on_hand and stock_version + 1 = given.version";
const SET_IMPORTED: &str = "update variants set imported = given.quantity, imported_version = given.version \
    from unnest($1::uuid[], $2::bigint[], $3::bigint[]) as given (id, quantity, version) where variants.id = given.id";

/// Does all edits. `None` when one is based on another version than there is: the caller undoes what was written of the others.
pub async fn all(t: &mut Transaction<'_>, mut edits: Vec<Update>) -> Result<Option<Vec<HeldBack>>, StoreError> {
    // Products are locked by their update, in this order.
    edits.sort_unstable_by_key(|edit| edit.stocked.product.id);
    let ids: Vec<Uuid> = edits.iter().map(|edit| edit.stocked.product.id).collect();
    let known = lock_variants(t, &ids).await?;
    let imports = edits.iter().any(|edit| matches!(edit.stock, StockEdit::Import(_)));
    let ledgers = if imports { ledgers_of(t, &known).await? } else { Ledgers::new() };
    let mut of_product: HashMap<Uuid, Vec<Known>> = HashMap::with_capacity(ids.len());
    for known in known {
        of_product.entry(known.units.product_id).or_default().push(known);
    }
    let (mut ready, mut effects_of) = (Vec::with_capacity(edits.len()), Vec::with_capacity(edits.len()));
    for Update { stocked, expected, stock, cause, effects } in edits {
        let own = of_product.remove(&stocked.product.id).unwrap_or_default();
        ready.push((Planned::new(stocked, &own, stock, &ledgers), expected, own, cause));
        effects_of.push(effects);
    }
    for (planned, expected, ..) in &ready {
        let product = &planned.edited.product;
        let row = ProductRow::new(product);
        let values: Params<'_> = &rows::edited_values!(row, &product.id, expected);
        if t.execute(rows::UPDATE_PRODUCT, values).await? == 0 {
            return Ok(None);
        }
    }
    let (mut plans, mut movements) = (Vec::with_capacity(ready.len()), Vec::new());
    for (planned, _, known, cause) in &ready {
        let changes = VariantChanges::plan(planned, known)?;
        movements.extend(changes.movements(known, cause));
        plans.push(changes);
    }
    let set = change_variants(t, plans).await?;
    write_movements(t, &movements).await?;
    let mut held_back = Vec::new();
    for (((planned, ..), effects), set) in ready.into_iter().zip(effects_of).zip(set) {
        effects(&set)?.write_postgres(t).await?;
        held_back.extend(planned.held_back);
    }
    Ok(Some(held_back))
}

pub async fn lock_variants(t: &mut Transaction<'_>, products: &[Uuid]) -> Result<Vec<Known>, StoreError> {
    t.query(LOCK_KEYS_OF, &[&products]).await?.iter().map(Known::read).collect()
}

async fn ledgers_of(t: &mut Transaction<'_>, known: &[Known]) -> Result<Ledgers, StoreError> {
    let (ids, versions): (Vec<Uuid>, Vec<i64>) = changes::doubtful(known.iter()).unzip();
    if ids.is_empty() {
        return Ok(Ledgers::new());
    }
    Ok(ledgers(&t.query(LAST_IMPORTS, &[&ids, &versions]).await?))
}

/// The rows of [`LAST_IMPORTS`].
pub fn ledgers(rows: &[Row]) -> Ledgers {
    rows.iter().map(|row| (row.get(0), LastImport { on_hand: row.get(1), is_import: row.get(2) })).collect()
}

/// Returns the stock that changed with each product's variants.
async fn change_variants(
    t: &mut Transaction<'_>,
    plans: Vec<VariantChanges<'_>>,
) -> Result<Vec<Vec<ChangedStock>>, StoreError> {
    let (mut delete, mut release, mut update, mut insert) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut imported, mut set) = (Vec::new(), Vec::with_capacity(plans.len()));
    for plan in plans {
        delete.extend(plan.delete);
        release.extend(plan.release);
        update.extend(plan.update);
        insert.extend(plan.insert);
        imported.extend(plan.imported);
        set.push(plan.set);
    }
    let (update, insert) = (VariantColumns::of(update.into_iter()), VariantColumns::of(insert.into_iter()));
    let units = Marks::of(set.iter().flatten().map(|changed| (changed.stock().on_hand, changed)));
    let imported = Marks::imported(&imported);
    // What one variant gives up another may take.
    let statements = [
        (!delete.is_empty()).then(|| Statement::new(DELETE_VARIANTS, vec![&delete])),
        (!release.is_empty()).then(|| Statement::new(RELEASE_KEYS, vec![&release])),
        (!update.is_empty()).then(|| update.update()),
        (!insert.is_empty()).then(|| insert.statement()),
        units.statement(SET_STOCK).map(|set| set.affecting(units.ids.len(), RESERVED_RULE)),
        imported.statement(SET_IMPORTED),
    ];
    run(t, statements.into_iter().flatten().collect()).await?;
    Ok(set)
}

/// A number of variants, and a version of their stock, by column.
#[derive(Default)]
struct Marks {
    ids: Vec<Uuid>,
    numbers: Vec<i64>,
    versions: Vec<i64>,
}

impl Marks {
    fn of<'c>(changed: impl Iterator<Item = (i64, &'c ChangedStock)>) -> Self {
        let mut marks = Self::default();
        for (on_hand, changed) in changed {
            marks.push(changed.stock().variant_id, on_hand, changed.units.version);
        }
        marks
    }

    fn imported(imported: &[&(Uuid, i64, i64)]) -> Self {
        let mut marks = Self::default();
        for (id, quantity, version) in imported {
            marks.push(*id, *quantity, *version);
        }
        marks
    }

    fn push(&mut self, id: Uuid, number: i64, version: i64) {
        self.ids.push(id);
        self.numbers.push(number);
        self.versions.push(version);
    }

    fn statement(&self, sql: &'static str) -> Option<Statement<'_>> {
        (!self.ids.is_empty()).then(|| Statement::new(sql, vec![&self.ids, &self.numbers, &self.versions]))
    }
}

pub async fn write_movements(t: &mut Transaction<'_>, movements: &[Movement]) -> Result<(), StoreError> {
    let columns = Movements::of(movements);
    run(t, columns.statement().into_iter().collect()).await
}

async fn run(t: &mut Transaction<'_>, statements: Vec<Statement<'_>>) -> Result<(), StoreError> {
    if statements.is_empty() { Ok(()) } else { t.execute_all(&statements).await }
}
