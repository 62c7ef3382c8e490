//! Products on SQLite.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{Uuid, text};
use platform::db::sqlite::Sqlite;
use platform::db::{Effects, StoreError, events, idempotency};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::rows::{self, list};
use super::{ActiveQuery, PageQuery, Store};
use crate::model::{Product, Variant};

pub struct SqliteStore(pub Arc<Sqlite>);

#[async_trait]
impl Store for SqliteStore {
    async fn insert(&self, product: Product, effects: Effects) -> Result<(), StoreError> {
        let write = move |c: &Connection| {
            let p = &product;
            c.prepare_cached(rows::INSERT_PRODUCT)?.execute(params![
                p.id.as_bytes(),
                p.owner_id.as_bytes(),
                p.handle,
                p.name,
                text::fold(&p.name),
                p.description,
                p.category,
                list(&p.tags),
                p.vendor,
                p.status.as_str(),
                p.currency.as_str(),
                list(&p.option_names),
                list(&p.images),
                p.lowest_price(),
                p.in_stock(),
                p.version,
                p.created_at.0,
                p.updated_at.0,
                p.import_digest
            ])?;
            for (position, variant) in p.variants.iter().enumerate() {
                save_variant(c, p, position, variant)?;
            }
            finish(c, &effects)
        };
        self.0.write(write).await
    }

    async fn update(
        &self,
        product: Product,
        expected: i64,
        set_stock: bool,
        effects: Effects,
    ) -> Result<bool, StoreError> {
        let write = move |c: &Connection| {
            let p = &product;
            let changed = c.prepare_cached(rows::UPDATE_PRODUCT)?.execute(params![
                p.handle,
                p.name,
                text::fold(&p.name),
                p.description,
                p.category,
                list(&p.tags),
                p.vendor,
                p.status.as_str(),
                p.currency.as_str(),
                list(&p.option_names),
                list(&p.images),
                p.lowest_price(),
                p.version,
                p.updated_at.0,
                p.import_digest,
                p.id.as_bytes(),
                expected
            ])?;
            if changed == 0 {
                return Ok(false);
            }
            delete_other_variants(c, p)?;
            for (position, variant) in p.variants.iter().enumerate() {
                save_variant(c, p, position, variant)?;
                let id = variant.id.as_bytes();
                if set_stock && c.prepare_cached(rows::SET_STOCK)?.execute(params![variant.on_hand, id])? == 0 {
                    return Err(StoreError::Conflict("variants.reserved".into()));
                }
            }
            c.prepare_cached(rows::REFRESH_IN_STOCK)?.execute([p.id.as_bytes()])?;
            finish(c, &effects)?;
            Ok(true)
        };
        self.0.write(write).await
    }

    async fn delete(&self, id: Uuid, expected: i64, effects: Effects) -> Result<bool, StoreError> {
        let write = move |c: &Connection| {
            if c.prepare_cached(rows::DELETE_PRODUCT)?.execute(params![id.as_bytes(), expected])? == 0 {
                return Ok(false);
            }
            finish(c, &effects)?;
            Ok(true)
        };
        self.0.write(write).await
    }

    async fn get(&self, id: Uuid) -> Result<Option<Product>, StoreError> {
        self.0.read_point(|c| one(c, rows::GET, params![id.as_bytes()]))
    }

    async fn by_handle(&self, owner: Uuid, handle: &str) -> Result<Option<Product>, StoreError> {
        self.0.read_point(|c| one(c, rows::BY_HANDLE, params![owner.as_bytes(), handle]))
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

    async fn active(&self, query: ActiveQuery) -> Result<Vec<Product>, StoreError> {
        let read = move |c: &Connection| {
            let (time, id) = query.after.map_or((i64::MAX, Uuid::max()), |(time, id)| (time.0, id));
            match &query.category {
                Some(category) => {
                    many(c, rows::ACTIVE_IN_CATEGORY, params![category, time, id.as_bytes(), query.limit])
                }
                None => many(c, rows::ACTIVE, params![time, id.as_bytes(), query.limit]),
            }
        };
        self.0.read(read).await
    }
}

fn save_variant(c: &Connection, p: &Product, position: usize, v: &Variant) -> Result<(), StoreError> {
    c.prepare_cached(rows::SAVE_VARIANT)?.execute(params![
        v.id.as_bytes(),
        p.id.as_bytes(),
        p.owner_id.as_bytes(),
        i64::try_from(position).unwrap_or(i64::MAX),
        v.sku,
        v.sku.as_deref().map(text::fold),
        v.barcode,
        list(&v.option_values),
        v.price,
        v.compare_at_price,
        v.on_hand,
        v.on_hand
    ])?;
    Ok(())
}

fn delete_other_variants(c: &Connection, p: &Product) -> Result<(), StoreError> {
    let mut statement = c.prepare_cached(rows::VARIANT_IDS)?;
    let ids = statement.query_map([p.id.as_bytes()], |row| row.get::<_, [u8; 16]>(0))?;
    for id in ids.collect::<Result<Vec<_>, _>>()? {
        if !p.variants.iter().any(|variant| *variant.id.as_bytes() == id) {
            c.prepare_cached(rows::DELETE_VARIANT)?.execute([id])?;
        }
    }
    Ok(())
}

fn finish(c: &Connection, effects: &Effects) -> Result<(), StoreError> {
    events::append_sqlite(c, &effects.events)?;
    idempotency::claim_sqlite(c, effects.answered.as_ref())
}

fn one(c: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<Option<Product>, StoreError> {
    let found = c.prepare_cached(sql)?.query_row(params, |row| Ok(rows::product(row))).optional()?;
    let Some(mut product) = found.transpose()? else {
        return Ok(None);
    };
    product.variants = variants_of(c, product.id)?;
    Ok(Some(product))
}

fn many(c: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<Vec<Product>, StoreError> {
    let mut statement = c.prepare_cached(sql)?;
    let found = statement.query_map(params, |row| Ok(rows::product(row)))?;
    let mut products = found.map(|row| row?).collect::<Result<Vec<_>, StoreError>>()?;
    for product in &mut products {
        // Without a network between, a query a product is as fast as one for all.
        product.variants = variants_of(c, product.id)?;
    }
    Ok(products)
}

fn variants_of(c: &Connection, product: Uuid) -> Result<Vec<Variant>, StoreError> {
    let mut statement = c.prepare_cached(rows::VARIANTS_OF)?;
    let found = statement.query_map([product.as_bytes()], |row| Ok(rows::variant(row)))?;
    found.map(|row| row?).collect()
}
