//! SKUs that an owner has more than once.

use std::collections::HashMap;

use kernel::Uuid;
use storage::StoreError;
use storage::postgres::Postgres;
use tokio_postgres::Row;

use crate::catalogue::store::SkuHolder;

/// For each SKU so many variants, by the index: some have thousands.
macro_rules! holders {
    ($which:literal) => {
        concat!(
            "select holders.sku_key, holders.id, products.id, products.handle from unnest($2::text[]) as given (sku_key) \
             cross join lateral (select id, product_id, sku_key from variants where owner_id = $1 \
               and variants.sku_key = given.sku_key ",
            $which,
            ") as holders join products on products.id = holders.product_id"
        )
    };
}
const HOLDERS: &str = holders!("limit 10");
const OTHERS: &str = holders!("and product_id <> $3 limit 1");
const REPEATED: &str = "select owner_id, sku_key from variants where sku_key is not null \
    group by owner_id, sku_key having count(*) > 1 limit $1";
const UNIQUE: &str =
    "select indisunique from pg_index where indexrelid = to_regclass('\"variants.owner_id, variants.sku_key\"')";

/// The index by which variants are found by their SKU lets an owner have one twice, or not: there is no other switch.
pub const ALLOW_REPEATED_SKUS: &str = "drop index \"variants.owner_id, variants.sku_key\"; \
    create index \"variants.owner_id, variants.sku_key\" on variants (owner_id, sku_key) where sku_key is not null";
const REFUSE_REPEATED_SKUS: &str = "drop index \"variants.owner_id, variants.sku_key\"; \
    create unique index \"variants.owner_id, variants.sku_key\" on variants (owner_id, sku_key) where sku_key is not null";

pub async fn others(db: &Postgres, owner: Uuid, keys: &[String], except: Uuid) -> Result<Vec<SkuHolder>, StoreError> {
    Ok(db.query(OTHERS, &[&owner, &keys, &except]).await?.iter().map(holder).collect())
}

pub async fn repeated(db: &Postgres, limit: i64) -> Result<Vec<(Uuid, String, Vec<SkuHolder>)>, StoreError> {
    let mut by_owner: HashMap<Uuid, Vec<String>> = HashMap::new();
    for row in db.query_slow(REPEATED, &[&limit]).await? {
        by_owner.entry(row.get(0)).or_default().push(row.get(1));
    }
    let mut repeated = Vec::new();
    for (owner, keys) in by_owner {
        let mut holders: HashMap<String, Vec<SkuHolder>> = HashMap::new();
        for row in db.query_slow(HOLDERS, &[&owner, &keys]).await? {
            let holder = holder(&row);
            holders.entry(holder.key.clone()).or_default().push(holder);
        }
        repeated.extend(holders.into_iter().map(|(key, holders)| (owner, key, holders)));
    }
    repeated.sort_unstable_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    Ok(repeated)
}

pub async fn are_unique(db: &Postgres) -> Result<bool, StoreError> {
    Ok(db.query_opt(UNIQUE, &[]).await?.is_some_and(|row| row.get(0)))
}

pub async fn set_unique(db: &Postgres, unique: bool) -> Result<(), StoreError> {
    db.change_schema(if unique { REFUSE_REPEATED_SKUS } else { ALLOW_REPEATED_SKUS }).await
}

fn holder(row: &Row) -> SkuHolder {
    SkuHolder { key: row.get(0), variant_id: row.get(1), product_id: row.get(2), handle: row.get(3) }
}
