//! Products on SQLite.

mod skus;
mod update;

use std::sync::Arc;

use async_trait::async_trait;
use effects::Effects;
use kernel::Uuid;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Params, ToSql, params, params_from_iter};
use storage::StoreError;
use storage::sqlite::Sqlite;

pub use self::skus::ALLOW_REPEATED_SKUS;
use stock::model::{Cause, Stock};
use stock::store::rows as stock_rows;
use stock::store::sqlite::write_movements;

use super::changes::{self, Known, VariantRow};
use super::rows::{self, ProductRow};
use super::{Found, HANDLE_RULE, HeldBack, Insert, PageQuery, SkuHolder, Store, Update};
use crate::catalogue::model::{Product, Stocked};

const INSERT_PRODUCT: &str = rows::insert_product!(
    "values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)"
);
const INSERT_VARIANT: &str =
    rows::insert_variant!("values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 0)");

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
        self.0.write(move |c: &Connection| update::all(c, edits)).await
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

    async fn get(&self, id: Uuid) -> Result<Option<Found>, StoreError> {
        self.0.read_point(|c| find(c, rows::FIND, [id.as_bytes()]))
    }

    async fn get_by_handle(&self, owner: Uuid, handle: &str) -> Result<Option<Found>, StoreError> {
        self.0.read_point(|c| find(c, rows::FIND_BY_HANDLE, params![owner.as_bytes(), handle]))
    }

    async fn get_all(&self, ids: &[Uuid]) -> Result<Vec<Found>, StoreError> {
        let ids = ids.to_vec();
        // Without a network between, a query a product is as fast as one for all.
        let read = move |c: &Connection| {
            ids.into_iter().filter_map(|id| find(c, rows::FIND, [id.as_bytes()]).transpose()).collect()
        };
        self.0.read(read).await
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
            let ledgers = update::ledgers(c, &known)?;
            let last = |known: &Known| (known.id(), changes::last_import(&known.units, &ledgers, was_imported));
            Ok(known.iter().map(last).collect())
        })
    }

    async fn sku_holders(&self, owner: Uuid, keys: &[String], except: Uuid) -> Result<Vec<SkuHolder>, StoreError> {
        self.0.read_point(|c| skus::others(c, owner, keys, except))
    }

    async fn repeated_skus(&self, limit: i64) -> Result<Vec<(Uuid, String, Vec<SkuHolder>)>, StoreError> {
        self.0.read(move |c: &Connection| skus::repeated(c, limit)).await
    }

    async fn unique_skus(&self) -> Result<bool, StoreError> {
        self.0.read_point(skus::are_unique)
    }

    async fn set_unique_skus(&self, unique: bool) -> Result<(), StoreError> {
        self.0.write(move |c: &Connection| skus::set_unique(c, unique)).await
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
    ])?;
    Ok(())
}

fn one(c: &Connection, sql: &str, params: impl Params) -> Result<Option<Product>, StoreError> {
    let found = c.prepare_cached(sql)?.query_row(params, |row| Ok(rows::product(row))).optional()?;
    found.transpose()
}

fn many(c: &Connection, sql: &str, params: impl Params) -> Result<Vec<Product>, StoreError> {
    let mut statement = c.prepare_cached(sql)?;
    let found = statement.query_map(params, |row| Ok(rows::product(row)))?;
    found.map(|row| row?).collect()
}

fn find(c: &Connection, statement: &str, which: impl Params) -> Result<Option<Found>, StoreError> {
    let mut statement = c.prepare_cached(statement)?;
    statement.query_row(which, |row| Ok(rows::found(row))).optional()?.transpose()
}

fn stocked(c: &Connection, product: Product) -> Result<Stocked, StoreError> {
    let (id, stock) = (product.id, stock_of(c, product.id)?);
    Stocked::pair(product, &stock)
        .ok_or_else(|| StoreError::corrupt("products", "variants", id, "a variant is not among the variants"))
}

fn stock_of(c: &Connection, product: Uuid) -> Result<Vec<Stock>, StoreError> {
    let mut statement = c.prepare_cached(rows::STOCK_OF)?;
    let found = statement.query_map([product.as_bytes()], |row| Ok(stock_rows::stock(row)))?;
    found.map(|row| row?).collect()
}

fn known_variants(c: &Connection, product: Uuid) -> Result<Vec<Known>, StoreError> {
    let mut statement = c.prepare_cached(rows::keys_of!())?;
    let found = statement.query_map([product.as_bytes()], |row| Ok(Known::read(row)))?;
    found.map(|row| row?).collect()
}
