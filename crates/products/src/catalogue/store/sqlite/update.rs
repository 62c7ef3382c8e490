//! Edits of products.

use std::collections::HashMap;

use kernel::Uuid;
use rusqlite::{Connection, OptionalExtension, Row, params};
use stock::model::Stock;
use stock::store::RESERVED_RULE;
use stock::store::sqlite::write_movements;
use storage::StoreError;

use super::{insert_variant, known_variants, update_product};
use crate::catalogue::store::changes::{self, Known, LastImport, Ledgers, Planned, VariantChanges};
use crate::catalogue::store::{HeldBack, StockEdit, Update, rows};

const UPDATE_VARIANT: &str = "update variants set position = $1, sku = $2, sku_key = $3, barcode = $4, option_values = $5, \
    price = $6, compare_at_price = $7, untracked = $8, backorder = $9 where id = $10";
const SET_STOCK: &str = "update variants set on_hand = $1, available = $1 - reserved, stock_version = $2, \
    imported_version = case when imported_version + 1 = $2 then $2 else imported_version end \
    where id = $3 and reserved <= $1 and stock_version + 1 = $2";
const SET_IMPORTED: &str = "update variants set imported = $1, imported_version = $2 where id = $3";
const DELETE_VARIANT: &str = "delete from variants where id = $1";
/// Frees what may be unique about a variant, for edits that give it to another one.
const RELEASE_KEYS: &str = "update variants set sku_key = null, option_values = $1 where id = $2";

/// Does all edits, or none. `None` when one is based on another version than there is: nothing is written then.
pub fn all(c: &Connection, edits: Vec<Update>) -> Result<Option<Vec<HeldBack>>, StoreError> {
    let mut ready = Vec::with_capacity(edits.len());
    for edit in edits {
        let Update { stocked, expected, stock, cause, effects } = edit;
        let known = known_variants(c, stocked.product.id)?;
        let ledgers = match stock {
            StockEdit::Import(_) => ledgers(c, &known)?,
            StockEdit::Keep | StockEdit::Set => HashMap::new(),
        };
        let planned = Planned::new(stocked, &known, stock, &ledgers);
        if !is_at(c, planned.edited.product.id, expected)? {
            return Ok(None);
        }
        ready.push((planned, expected, known, cause, effects));
    }
    let mut plans = Vec::with_capacity(ready.len());
    for (planned, expected, known, cause, effects) in &mut ready {
        if !update_product(c, &planned.edited.product, *expected)? {
            // Of one product there is one edit.
            return Err(StoreError::Statement(format!("product {} is edited twice", planned.edited.product.id)));
        }
        let changes = VariantChanges::plan(planned, known)?;
        write_movements(c, changes.movements(known, cause))?;
        plans.push((changes, effects));
    }
    // What one product gives up another may take.
    plans.iter().try_for_each(|(changes, _)| give_up(c, changes))?;
    let mut set = Vec::with_capacity(plans.len());
    for (changes, _) in &plans {
        take(c, changes)?;
        set.push(changes.set.clone());
    }
    drop(plans);
    let mut held_back = Vec::new();
    for ((planned, .., effects), set) in ready.into_iter().zip(set) {
        effects(&set)?.write_sqlite(c)?;
        held_back.extend(planned.held_back);
    }
    Ok(Some(held_back))
}

/// Whether a product has this version. Nobody else writes meanwhile.
fn is_at(c: &Connection, product: Uuid, version: i64) -> Result<bool, StoreError> {
    let mut statement = c.prepare_cached("select 1 from products where id = $1 and version = $2")?;
    Ok(statement.exists(params![product.as_bytes(), version])?)
}

fn give_up(c: &Connection, changes: &VariantChanges<'_>) -> Result<(), StoreError> {
    for id in &changes.delete {
        c.prepare_cached(DELETE_VARIANT)?.execute([id.as_bytes()])?;
    }
    for id in &changes.release {
        c.prepare_cached(RELEASE_KEYS)?.execute(params![id.to_string(), id.as_bytes()])?;
    }
    Ok(())
}

fn take(c: &Connection, changes: &VariantChanges<'_>) -> Result<(), StoreError> {
    for row in &changes.update {
        let v = row.variant;
        c.prepare_cached(UPDATE_VARIANT)?.execute(params![
            row.position,
            v.sku,
            row.sku_key,
            v.barcode,
            row.option_values,
            v.price,
            v.compare_at_price,
            row.untracked,
            v.details.backorder,
            v.id.as_bytes(),
        ])?;
    }
    changes.insert.iter().try_for_each(|row| insert_variant(c, row))?;
    for changed in &changes.set {
        let Stock { variant_id, on_hand, .. } = changed.stock();
        let values = params![on_hand, changed.units.version, variant_id.as_bytes()];
        if c.prepare_cached(SET_STOCK)?.execute(values)? == 0 {
            return Err(StoreError::Conflict(RESERVED_RULE.into()));
        }
    }
    for (id, quantity, version) in changes.imported {
        let values = params![quantity, version, id.as_bytes()];
        c.prepare_cached(SET_IMPORTED)?.execute(values)?;
    }
    Ok(())
}

pub fn ledgers(c: &Connection, known: &[Known]) -> Result<Ledgers, StoreError> {
    let mut ledgers = HashMap::new();
    for (variant, version) in changes::doubtful(known.iter()) {
        let mut statement = c.prepare_cached(rows::LAST_IMPORT)?;
        let last = |row: &Row<'_>| Ok(LastImport { on_hand: row.get(0)?, is_import: row.get(1)? });
        let found = statement.query_row(params![variant.as_bytes(), version], last).optional()?;
        ledgers.extend(found.map(|last| (variant, last)));
    }
    Ok(ledgers)
}
