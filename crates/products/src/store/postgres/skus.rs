//! SKUs that an owner has more than once.

use std::collections::HashMap;

use kernel::Uuid;
use platform::db::StoreError;
use platform::db::postgres::Postgres;
use tokio_postgres::Row;

use crate::store::SkuHolder;

const HOLDERS: &str = "select variants.owner_id, variants.sku_key, variants.id, products.id, products.handle from variants \
    join products on products.id = variants.product_id where variants.owner_id = $1 and variants.sku_key = any($2)";
const REPEATED: &str = "select owner_id, sku_key from variants where sku_key is not null \
    group by owner_id, sku_key having count(*) > 1 limit $1";
const UNIQUE: &str =
    "select indisunique from pg_index where indexrelid = to_regclass('\"variants.owner_id, variants.sku_key\"')";

/// The index by which variants are found by their SKU lets an owner have one twice, or not: there is no other switch.
pub const ALLOW_REPEATED_SKUS: &str = "drop index \"variants.owner_id, variants.sku_key\"; \
    create index \"variants.owner_id, variants.sku_key\" on variants (owner_id, sku_key) where sku_key is not null";
const REFUSE_REPEATED_SKUS: &str = "drop index \"variants.owner_id, variants.sku_key\"; \
    create unique index \"variants.owner_id, variants.sku_key\" on variants (owner_id, sku_key) where sku_key is not null";

pub async fn holders(db: &Postgres, owner: Uuid, keys: &[String]) -> Result<Vec<SkuHolder>, StoreError> {
    let rows = db.query(HOLDERS, &[&owner, &keys]).await?;
    Ok(rows.iter().map(|row| holder(row).1).collect())
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
            let holder = holder(&row).1;
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

fn holder(row: &Row) -> (Uuid, SkuHolder) {
    let holder = SkuHolder { key: row.get(1), variant_id: row.get(2), product_id: row.get(3), handle: row.get(4) };
    (row.get(0), holder)
}
