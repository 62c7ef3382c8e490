//! SKUs that an owner has more than once.

use kernel::Uuid;
use rusqlite::{Connection, OptionalExtension, Row, params};
use storage::StoreError;

use crate::catalogue::store::SkuHolder;

macro_rules! holders {
    ($which:literal) => {
        concat!(
            "select variants.sku_key, variants.id, products.id, products.handle from variants \
             join products on products.id = variants.product_id where variants.owner_id = $1 and variants.sku_key = $2 ",
            $which
        )
    };
}
const HOLDERS: &str = holders!("limit 10");
const OTHER: &str = holders!("and variants.product_id <> $3 limit 1");
const REPEATED_SKUS: &str = "select owner_id, sku_key from variants where sku_key is not null \
    group by owner_id, sku_key having count(*) > 1 limit $1";
const UNIQUE_SKUS: &str = "select \"unique\" from pragma_index_list('variants') where name = 'variants_sku'";
/// The index by which variants are found by their SKU lets an owner have one twice, or not: there is no other switch.
pub const ALLOW_REPEATED_SKUS: &str = "drop index variants_sku; \
    create index variants_sku on variants (owner_id, sku_key) where sku_key is not null";
const REFUSE_REPEATED_SKUS: &str = "drop index variants_sku; \
    create unique index variants_sku on variants (owner_id, sku_key) where sku_key is not null";

pub fn others(c: &Connection, owner: Uuid, keys: &[String], except: Uuid) -> Result<Vec<SkuHolder>, StoreError> {
    let mut holders = Vec::new();
    for key in keys {
        let mut statement = c.prepare_cached(OTHER)?;
        let found = statement.query_row(params![owner.as_bytes(), key, except.as_bytes()], holder).optional()?;
        holders.extend(found);
    }
    Ok(holders)
}

fn holders(c: &Connection, owner: Uuid, key: &str) -> Result<Vec<SkuHolder>, StoreError> {
    let mut statement = c.prepare_cached(HOLDERS)?;
    let found = statement.query_map(params![owner.as_bytes(), key], holder)?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn holder(row: &Row<'_>) -> rusqlite::Result<SkuHolder> {
    Ok(SkuHolder {
        key: row.get(0)?,
        variant_id: row.get(1).map(Uuid::from_bytes)?,
        product_id: row.get(2).map(Uuid::from_bytes)?,
        handle: row.get(3)?,
    })
}

pub fn repeated(c: &Connection, limit: i64) -> Result<Vec<(Uuid, String, Vec<SkuHolder>)>, StoreError> {
    let mut statement = c.prepare_cached(REPEATED_SKUS)?;
    let repeated = statement.query_map([limit], |row| Ok((row.get(0).map(Uuid::from_bytes)?, row.get(1)?)))?;
    let with_holders = |(owner, key): (Uuid, String)| {
        let holders = holders(c, owner, &key)?;
        Ok((owner, key, holders))
    };
    repeated.map(|row| with_holders(row?)).collect()
}

pub fn are_unique(c: &Connection) -> Result<bool, StoreError> {
    Ok(c.query_row(UNIQUE_SKUS, [], |row| row.get(0)).optional()?.unwrap_or(false))
}

pub fn set_unique(c: &Connection, unique: bool) -> Result<(), StoreError> {
    Ok(c.execute_batch(if unique { REFUSE_REPEATED_SKUS } else { ALLOW_REPEATED_SKUS })?)
}
