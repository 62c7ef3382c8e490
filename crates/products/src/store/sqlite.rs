//! Products on SQLite.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use kernel::{Timestamp, Uuid};
use platform::db::sqlite::Sqlite;
use platform::db::{Effects, StoreError};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, params_from_iter};

use super::changes::{self, Known, LastImport, Ledgers, Planned, VariantChanges, VariantRow};
use super::list::{self, ListQuery, Looked};
use super::rows::{self, ProductRow};
use super::stock::sqlite::write_movements;
use super::stock::{self, Balance, Done, History, Promised, Refusal, Sale, StockWrite};
use super::{HANDLE_RULE, HeldBack, Insert, PageQuery, RESERVED_RULE, SkuHolder, StockEdit, Store, Update};
use crate::model::{Cause, Movement, Product, Reservation, Stock, Stocked, Units};

const INSERT_PRODUCT: &str = rows::insert_product!(
    "values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)"
);
const INSERT_VARIANT: &str =
    rows::insert_variant!("values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)");
const UPDATE_VARIANT: &str = "update variants set position = $1, sku = $2, sku_key = $3, barcode = $4, option_values = $5, \
    price = $6, compare_at_price = $7, untracked = $8, backorder = $9 where id = $10";
const SET_STOCK: &str = "update variants set on_hand = $1, available = $1 - reserved, stock_version = $2 \
    where id = $3 and reserved <= $1 and stock_version + 1 = $2";
const SET_IMPORTED: &str = "update variants set imported = $1, imported_version = $2 where id = $3";
const DELETE_VARIANT: &str = "delete from variants where id = $1";
/// Frees what may be unique about a variant, for edits that give it to another one.
const RELEASE_KEYS: &str = "update variants set sku_key = null, option_values = $1 where id = $2";
const SKU_HOLDERS: &str = "select variants.sku_key, variants.id, products.id, products.handle from variants \
    join products on products.id = variants.product_id where variants.owner_id = $1 and variants.sku_key = $2 limit 10";
const REPEATED_SKUS: &str = "select owner_id, sku_key from variants where sku_key is not null \
    group by owner_id, sku_key having count(*) > 1 limit $1";
const UNIQUE_SKUS: &str = "select \"unique\" from pragma_index_list('variants') where name = 'variants_sku'";

/// The index by which variants are found by their SKU lets an owner have one twice, or not: there is no other switch.
pub const ALLOW_REPEATED_SKUS: &str = "drop index variants_sku; \
    create index variants_sku on variants (owner_id, sku_key) where sku_key is not null";
const REFUSE_REPEATED_SKUS: &str = "drop index variants_sku; \
    create unique index variants_sku on variants (owner_id, sku_key) where sku_key is not null";

pub struct SqliteStore(pub Arc<Sqlite>);

#[async_trait]
impl Store for SqliteStore {
    async fn insert(&self, mut insert: Insert) -> Result<Stocked, StoreError> {
        // Known before it is written, another handle is given here and not by the one writer.
        self.0.read_point(|c| rename_if_taken(c, &mut insert))?;
        let write = move |c: &Connection| {
            match insert_product(c, &insert.stocked.product) {
                Err(error) if error.is_conflict_on(HANDLE_RULE) => {
                    // Nobody else writes meanwhile.
                    rename_if_taken(c, &mut insert)?;
                    insert_product(c, &insert.stocked.product)?;
                }
                inserted => inserted?,
            }
            VariantRow::all(&insert.stocked, &insert.imported).try_for_each(|row| insert_variant(c, &row))?;
            write_movements(c, changes::opening(&insert.stocked, &insert.cause))?;
            insert.effects.write_sqlite(c)?;
            Ok(insert.stocked)
        };
        self.0.write(write).await
    }

    async fn update(&self, edits: Vec<Update>) -> Result<Option<Vec<HeldBack>>, StoreError> {
        self.0.write(move |c: &Connection| update_all(c, edits)).await
    }

    async fn delete(&self, id: Uuid, expected: i64, cause: Cause, effects: Effects) -> Result<bool, StoreError> {
        let write = move |c: &Connection| {
            let known = known_variants(c, id)?;
            rows::none_promised(known.iter())?;
            if c.prepare_cached(rows::DELETE_PRODUCT)?.execute(params![id.as_bytes(), expected])? == 0 {
                return Ok(false);
            }
            write_movements(c, changes::removal(known.iter(), &cause))?;
            effects.write_sqlite(c)?;
            Ok(true)
        };
        self.0.write(write).await
    }

    async fn get(&self, id: Uuid) -> Result<Option<Product>, StoreError> {
        self.0.read_point(|c| one(c, rows::GET, params![id.as_bytes()]))
    }

    async fn get_stocked(&self, id: Uuid) -> Result<Option<Stocked>, StoreError> {
        self.0.read_point(|c| one(c, rows::GET, params![id.as_bytes()])?.map(|found| stocked(c, found)).transpose())
    }

    async fn by_handle(&self, owner: Uuid, handle: &str) -> Result<Option<Stocked>, StoreError> {
        self.0.read_point(|c| {
            let found = one(c, rows::BY_HANDLE, params![owner.as_bytes(), handle])?;
            found.map(|found| stocked(c, found)).transpose()
        })
    }

    async fn imported(&self, product: Uuid, was_imported: bool) -> Result<Vec<(Uuid, Option<i64>)>, StoreError> {
        self.0.read_point(|c| {
            let known = known_variants(c, product)?;
            let ledgers = ledgers_of(c, &known)?;
            let last = |known: &Known| (known.id(), changes::last_import(&known.units, &ledgers, was_imported));
            Ok(known.iter().map(last).collect())
        })
    }

    async fn sku_holders(&self, owner: Uuid, keys: &[String]) -> Result<Vec<SkuHolder>, StoreError> {
        self.0.read_point(|c| sku_holders(c, owner, keys))
    }

    async fn repeated_skus(&self, limit: i64) -> Result<Vec<(Uuid, String, Vec<SkuHolder>)>, StoreError> {
        let read = move |c: &Connection| {
            let mut statement = c.prepare_cached(REPEATED_SKUS)?;
            let repeated = statement.query_map([limit], |row| Ok((row.get(0).map(Uuid::from_bytes)?, row.get(1)?)))?;
            let with_holders = |(owner, key): (Uuid, String)| {
                let holders = sku_holders(c, owner, std::slice::from_ref(&key))?;
                Ok((owner, key, holders))
            };
            repeated.map(|row| with_holders(row?)).collect()
        };
        self.0.read(read).await
    }

    async fn unique_skus(&self) -> Result<bool, StoreError> {
        self.0.read_point(|c| Ok(c.query_row(UNIQUE_SKUS, [], |row| row.get(0)).optional()?.unwrap_or(false)))
    }

    async fn set_unique_skus(&self, unique: bool) -> Result<(), StoreError> {
        let sql = if unique { REFUSE_REPEATED_SKUS } else { ALLOW_REPEATED_SKUS };
        self.0.write(move |c: &Connection| Ok(c.execute_batch(sql)?)).await
    }

    async fn stock_of(&self, products: &[Uuid]) -> Result<Vec<(Uuid, Stock)>, StoreError> {
        let products = products.to_vec();
        let read = move |c: &Connection| {
            let mut stock = Vec::with_capacity(products.len());
            for product in products {
                // Without a network between, a query a product is as fast as one for all.
                stock.extend(stock_of(c, product)?.into_iter().map(|stock| (product, stock)));
            }
            Ok(stock)
        };
        self.0.read(read).await
    }

    async fn product_of(&self, variant: Uuid) -> Result<Option<Uuid>, StoreError> {
        self.0.read_point(|c| {
            let mut statement = c.prepare_cached(rows::PRODUCT_OF)?;
            Ok(statement.query_row([variant.as_bytes()], |row| row.get(0).map(Uuid::from_bytes)).optional()?)
        })
    }

    async fn stock(&self, write: StockWrite) -> Result<Result<Done, Refusal>, StoreError> {
        stock::sqlite::write(&self.0, write).await
    }

    async fn reservation(&self, id: Uuid) -> Result<Option<Reservation>, StoreError> {
        stock::sqlite::find_reservation(&self.0, id)
    }

    async fn reservations_of(&self, account: Uuid, before: Uuid, limit: i64) -> Result<Vec<Reservation>, StoreError> {
        stock::sqlite::reservations_of(&self.0, account, before, limit).await
    }

    async fn sales(&self, variants: &[Uuid]) -> Result<Vec<Sale>, StoreError> {
        stock::sqlite::sales(&self.0, variants)
    }

    async fn expired(&self, now: Timestamp, limit: i64) -> Result<Vec<Uuid>, StoreError> {
        stock::sqlite::expired(&self.0, now, limit)
    }

    async fn history(&self, page: History) -> Result<Vec<Movement>, StoreError> {
        stock::sqlite::history(&self.0, page)
    }

    async fn units(&self, variant: Uuid) -> Result<Option<Units>, StoreError> {
        stock::sqlite::find_units(&self.0, variant)
    }

    async fn set_low_stock(&self, variant: Uuid, threshold: Option<i64>, effects: Effects) -> Result<bool, StoreError> {
        stock::sqlite::set_low_stock(&self.0, variant, threshold, effects).await
    }

    async fn balances(&self, after: Uuid, limit: i64, longest: i64) -> Result<Vec<Balance>, StoreError> {
        stock::sqlite::balances(&self.0, after, limit, longest).await
    }

    async fn ledger_sum(&self, variant: Uuid, after: i64, until: i64) -> Result<Stock, StoreError> {
        stock::sqlite::sum(&self.0, variant, after, until).await
    }

    async fn ledgers(&self, after: Uuid, limit: i64) -> Result<Vec<(Uuid, bool)>, StoreError> {
        stock::sqlite::ledgers(&self.0, after, limit).await
    }

    async fn held(&self, after: (Timestamp, Uuid), limit: i64) -> Result<Vec<Reservation>, StoreError> {
        stock::sqlite::held(&self.0, after, limit).await
    }

    async fn promised(&self, variant: Uuid) -> Result<(Promised, Promised), StoreError> {
        stock::sqlite::promised(&self.0, variant).await
    }

    async fn oversold(&self) -> Result<i64, StoreError> {
        stock::sqlite::oversold(&self.0)
    }

    async fn page(&self, query: PageQuery) -> Result<(Vec<Product>, i64), StoreError> {
        let read = move |c: &Connection| {
            let (page, count) = rows::page_sql(&query, "instr");
            let owner = query.owner.map(|owner| Value::from(owner.as_bytes().to_vec()));
            let filters: Vec<Value> =
                [owner, query.category.map(Value::from), query.search.map(Value::from)].into_iter().flatten().collect();
            let total = c.prepare_cached(&count)?.query_row(params_from_iter(&filters), |row| row.get(0))?;
            let bounds = [Value::from(query.limit), Value::from(query.offset)];
            Ok((many(c, &page, params_from_iter(filters.iter().chain(&bounds)))?, total))
        };
        self.0.read(read).await
    }

    async fn look(&self, query: &ListQuery, look: usize, wanted: usize) -> Result<Looked, StoreError> {
        list::sqlite::look(&self.0, query, look, wanted).await
    }

    async fn count(&self, query: &ListQuery) -> Result<i64, StoreError> {
        list::sqlite::count(&self.0, query).await
    }

    async fn estimate(&self, query: &ListQuery) -> Result<i64, StoreError> {
        list::sqlite::estimate(&self.0, query).await
    }

    async fn categories(&self, after: Option<&str>, limit: usize) -> Result<Vec<(String, i64)>, StoreError> {
        list::sqlite::categories(&self.0, after, limit).await
    }
}

fn rename_if_taken(c: &Connection, insert: &mut Insert) -> Result<(), StoreError> {
    let owner = insert.stocked.product.owner_id;
    let is_taken = |handle: &str| {
        let mut statement = c.prepare_cached("select 1 from products where owner_id = $1 and handle = $2")?;
        Ok(statement.exists(params![owner.as_bytes(), handle])?)
    };
    if is_taken(&insert.stocked.product.handle)? { insert.rename(is_taken) } else { Ok(()) }
}

fn insert_product(c: &Connection, product: &Product) -> Result<(), StoreError> {
    let row = ProductRow::new(product);
    let (id, owner) = (product.id.as_bytes(), product.owner_id.as_bytes());
    let values: [&dyn ToSql; 22] = rows::edited_values!(row, id, owner, &product.created_at.0);
    c.prepare_cached(INSERT_PRODUCT)?.execute(&values[..])?;
    Ok(())
}

fn update_product(c: &Connection, product: &Product, expected: i64) -> Result<bool, StoreError> {
    let row = ProductRow::new(product);
    let values: [&dyn ToSql; 21] = rows::edited_values!(row, product.id.as_bytes(), &expected);
    Ok(c.prepare_cached(rows::UPDATE_PRODUCT)?.execute(&values[..])? == 1)
}

fn insert_variant(c: &Connection, row: &VariantRow<'_>) -> Result<(), StoreError> {
    let v = row.variant;
    c.prepare_cached(INSERT_VARIANT)?.execute(params![
        row.position,
        v.sku,
        row.sku_key,
        v.barcode,
        row.option_values,
        v.price,
        v.compare_at_price,
        v.id.as_bytes(),
        row.product.id.as_bytes(),
        row.product.owner_id.as_bytes(),
        row.stock.on_hand,
        row.stock.reserved,
        row.available,
        row.untracked,
        v.details.backorder,
        row.imported,
        row.imported_version,
    ])?;
    Ok(())
}

/// Does all edits, or none. `None` when one is based on another version than there is: nothing is written then.
fn update_all(c: &Connection, edits: Vec<Update>) -> Result<Option<Vec<HeldBack>>, StoreError> {
    let mut ready = Vec::with_capacity(edits.len());
    for edit in edits {
        let Update { stocked, expected, stock, cause, effects } = edit;
        let known = known_variants(c, stocked.product.id)?;
        let ledgers = match stock {
            StockEdit::Import(_) => ledgers_of(c, &known)?,
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
        update_product(c, &planned.edited.product, *expected)?;
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
    for (id, imported) in changes.imported {
        let values = params![imported.quantity, imported.version, id.as_bytes()];
        c.prepare_cached(SET_IMPORTED)?.execute(values)?;
    }
    Ok(())
}

fn ledgers_of(c: &Connection, known: &[Known]) -> Result<Ledgers, StoreError> {
    let mut ledgers = HashMap::new();
    for (variant, version) in changes::doubtful(known.iter()) {
        let mut statement = c.prepare_cached(rows::LAST_IMPORT)?;
        let last = |row: &Row<'_>| Ok(LastImport { on_hand: row.get(0)?, is_import: row.get(1)? });
        let found = statement.query_row(params![variant.as_bytes(), version], last).optional()?;
        ledgers.extend(found.map(|last| (variant, last)));
    }
    Ok(ledgers)
}

fn sku_holders(c: &Connection, owner: Uuid, keys: &[String]) -> Result<Vec<SkuHolder>, StoreError> {
    let mut holders = Vec::new();
    for key in keys {
        let mut statement = c.prepare_cached(SKU_HOLDERS)?;
        let found = statement.query_map(params![owner.as_bytes(), key], |row| {
            Ok(SkuHolder {
                key: row.get(0)?,
                variant_id: row.get(1).map(Uuid::from_bytes)?,
                product_id: row.get(2).map(Uuid::from_bytes)?,
                handle: row.get(3)?,
            })
        })?;
        for holder in found {
            holders.push(holder?);
        }
    }
    Ok(holders)
}

fn one(c: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<Option<Product>, StoreError> {
    let found = c.prepare_cached(sql)?.query_row(params, |row| Ok(rows::product(row))).optional()?;
    found.transpose()
}

fn many(c: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<Vec<Product>, StoreError> {
    let mut statement = c.prepare_cached(sql)?;
    let found = statement.query_map(params, |row| Ok(rows::product(row)))?;
    found.map(|row| row?).collect()
}

fn stocked(c: &Connection, product: Product) -> Result<Stocked, StoreError> {
    let (id, stock) = (product.id, stock_of(c, product.id)?);
    Stocked::pair(product, &stock)
        .ok_or_else(|| StoreError::corrupt("products", "variants", id, "a variant is not among the variants"))
}

fn stock_of(c: &Connection, product: Uuid) -> Result<Vec<Stock>, StoreError> {
    let mut statement = c.prepare_cached(rows::STOCK_OF)?;
    let found = statement.query_map([product.as_bytes()], |row| Ok(rows::stock(row)))?;
    found.map(|row| row?).collect()
}

fn known_variants(c: &Connection, product: Uuid) -> Result<Vec<Known>, StoreError> {
    let mut statement = c.prepare_cached(rows::keys_of!())?;
    let found = statement.query_map([product.as_bytes()], |row| Ok(Known::read(row)))?;
    found.map(|row| row?).collect()
}
