//! Products on PostgreSQL.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future;
use kernel::{Uuid, text};
use platform::db::postgres::{Params, Postgres, Transaction};
use platform::db::row::Columns;
use platform::db::{Effects, StoreError, events, idempotency};
use tokio_postgres::types::ToSql;

use super::rows::{self, list};
use super::{ActiveQuery, PageQuery, Store};
use crate::model::{Product, Variant};

pub struct PostgresStore(pub Arc<Postgres>);

#[async_trait]
impl Store for PostgresStore {
    async fn insert(&self, product: Product, effects: Effects) -> Result<(), StoreError> {
        let transaction = self.0.begin().await?;
        insert(transaction, &product, &effects).await
    }

    async fn update(
        &self,
        product: Product,
        expected: i64,
        set_stock: bool,
        effects: Effects,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.0.begin().await?;
        let written = update(&mut transaction, &product, expected, set_stock, &effects).await;
        end(transaction, written).await
    }

    async fn delete(&self, id: Uuid, expected: i64, effects: Effects) -> Result<bool, StoreError> {
        let mut transaction = self.0.begin().await?;
        let written = async {
            let deleted = format!("{} returning 1", rows::DELETE_PRODUCT);
            if transaction.query(&deleted, &[&id, &expected]).await?.is_empty() {
                return Ok(false);
            }
            finish(&mut transaction, &effects).await?;
            Ok(true)
        }
        .await;
        end(transaction, written).await
    }

    async fn get(&self, id: Uuid) -> Result<Option<Product>, StoreError> {
        // Both queries go out at once: one round trip.
        let (product, variants) =
            future::try_join(self.0.query_opt(rows::GET, &[&id]), self.0.query(rows::VARIANTS_OF, &[&id])).await?;
        let Some(row) = product else { return Ok(None) };
        let mut product = rows::product(&row)?;
        product.variants = variants.iter().map(rows::variant).collect::<Result<_, _>>()?;
        Ok(Some(product))
    }

    async fn by_handle(&self, owner: Uuid, handle: &str) -> Result<Option<Product>, StoreError> {
        let rows = self.0.query(rows::BY_HANDLE, &[&owner, &handle]).await?;
        Ok(self.with_variants(&rows).await?.pop())
    }

    async fn page(&self, query: PageQuery) -> Result<(Vec<Product>, i64), StoreError> {
        let (page, count) = rows::page_sql(&query, "strpos");
        let mut params: Vec<&(dyn ToSql + Sync)> = Vec::new();
        if let Some(owner) = &query.owner {
            params.push(owner);
        }
        for filter in [&query.category, &query.search].into_iter().flatten() {
            params.push(filter);
        }
        let total = self.0.query_slow(&count, &params).await?.first().map_or(0, |row| row.get(0));
        params.push(&query.limit);
        params.push(&query.offset);
        let rows = self.0.query_slow(&page, &params).await?;
        Ok((self.with_variants(&rows).await?, total))
    }

    async fn active(&self, query: ActiveQuery) -> Result<Vec<Product>, StoreError> {
        let (time, id) = query.after.map_or((i64::MAX, Uuid::max()), |(time, id)| (time.0, id));
        let rows = match &query.category {
            Some(category) => self.0.query(rows::ACTIVE_IN_CATEGORY, &[category, &time, &id, &query.limit]).await?,
            None => self.0.query(rows::ACTIVE, &[&time, &id, &query.limit]).await?,
        };
        self.with_variants(&rows).await
    }
}

impl PostgresStore {
    /// The products of the rows, with their variants from one more query.
    async fn with_variants(&self, rows: &[tokio_postgres::Row]) -> Result<Vec<Product>, StoreError> {
        let mut products = rows.iter().map(rows::product).collect::<Result<Vec<_>, _>>()?;
        if products.is_empty() {
            return Ok(products);
        }
        let ids: Vec<Uuid> = products.iter().map(|product| product.id).collect();
        let mut by_product: HashMap<Uuid, Vec<Variant>> = HashMap::with_capacity(ids.len());
        for row in self.0.query(rows::VARIANTS_OF_MANY, &[&ids]).await? {
            let variant = rows::variant(&row)?;
            let product =
                Columns::uuid(&row, 8).map_err(|e| StoreError::corrupt("variants", "product_id", variant.id, e))?;
            by_product.entry(product).or_default().push(variant);
        }
        for product in &mut products {
            product.variants = by_product.remove(&product.id).unwrap_or_default();
        }
        Ok(products)
    }
}

async fn insert(mut t: Transaction<'_>, p: &Product, effects: &Effects) -> Result<(), StoreError> {
    let (name_key, tags, options, images) =
        (text::fold(&p.name), list(&p.tags), list(&p.option_names), list(&p.images));
    let (status, currency) = (p.status.as_str(), p.currency.as_str());
    let (price, in_stock) = (p.lowest_price(), p.in_stock());
    let product: Params<'_> = &[
        &p.id,
        &p.owner_id,
        &p.handle,
        &p.name,
        &name_key,
        &p.description,
        &p.category,
        &tags,
        &p.vendor,
        &status,
        &currency,
        &options,
        &images,
        &price,
        &in_stock,
        &p.version,
        &p.created_at.0,
        &p.updated_at.0,
        &p.import_digest,
    ];
    let variants: Vec<VariantRow<'_>> = VariantRow::all(p).collect();
    let variants: Vec<_> = variants.iter().map(VariantRow::params).collect();
    if effects.answered.is_none() {
        // Nothing in between needs an answer, so everything travels at once.
        let inbox: Vec<_> = effects.events.iter().map(events::inbox_params).collect();
        let mut statements = vec![(rows::INSERT_PRODUCT, product)];
        statements.extend(variants.iter().map(|params| (rows::SAVE_VARIANT, &params[..])));
        statements.extend(inbox.iter().map(|params| (events::INBOX, &params[..])));
        return t.commit_all(&statements).await;
    }
    let written = async {
        t.query(rows::INSERT_PRODUCT, product).await?;
        for params in &variants {
            t.query(rows::SAVE_VARIANT, params).await?;
        }
        finish(&mut t, effects).await
    }
    .await;
    end(t, written.map(|()| true)).await.map(drop)
}

async fn update(
    t: &mut Transaction<'_>,
    p: &Product,
    expected: i64,
    set_stock: bool,
    effects: &Effects,
) -> Result<bool, StoreError> {
    let (name_key, tags, options, images) =
        (text::fold(&p.name), list(&p.tags), list(&p.option_names), list(&p.images));
    let (status, currency, price) = (p.status.as_str(), p.currency.as_str(), p.lowest_price());
    let values: Params<'_> = &[
        &p.handle,
        &p.name,
        &name_key,
        &p.description,
        &p.category,
        &tags,
        &p.vendor,
        &status,
        &currency,
        &options,
        &images,
        &price,
        &p.version,
        &p.updated_at.0,
        &p.import_digest,
        &p.id,
        &expected,
    ];
    if t.query(&format!("{} returning 1", rows::UPDATE_PRODUCT), values).await?.is_empty() {
        return Ok(false);
    }
    for row in t.query(rows::VARIANT_IDS, &[&p.id]).await? {
        let id: Uuid = row.get(0);
        if !p.variants.iter().any(|variant| variant.id == id) {
            t.query(rows::DELETE_VARIANT, &[&id]).await?;
        }
    }
    for row in VariantRow::all(p) {
        t.query(rows::SAVE_VARIANT, &row.params()).await?;
        let variant = row.variant;
        let set = format!("{} returning 1", rows::SET_STOCK);
        if set_stock && t.query(&set, &[&variant.on_hand, &variant.id]).await?.is_empty() {
            return Err(StoreError::Conflict("variants.reserved".into()));
        }
    }
    t.query(rows::REFRESH_IN_STOCK, &[&p.id]).await?;
    finish(t, effects).await?;
    Ok(true)
}

/// A variant with the columns that are computed for it.
struct VariantRow<'a> {
    product: &'a Product,
    variant: &'a Variant,
    position: i64,
    sku_key: Option<String>,
    option_values: String,
}

impl<'a> VariantRow<'a> {
    fn all(product: &'a Product) -> impl Iterator<Item = VariantRow<'a>> {
        product.variants.iter().zip(0..).map(move |(variant, position)| VariantRow {
            product,
            variant,
            position,
            sku_key: variant.sku.as_deref().map(text::fold),
            option_values: list(&variant.option_values),
        })
    }

    fn params(&self) -> [&(dyn ToSql + Sync); 12] {
        let v = self.variant;
        [
            &v.id,
            &self.product.id,
            &self.product.owner_id,
            &self.position,
            &v.sku,
            &self.sku_key,
            &v.barcode,
            &self.option_values,
            &v.price,
            &v.compare_at_price,
            &v.on_hand,
            &v.on_hand,
        ]
    }
}

async fn finish(t: &mut Transaction<'_>, effects: &Effects) -> Result<(), StoreError> {
    events::append_postgres(t, &effects.events).await?;
    idempotency::claim_postgres(t, effects.answered.as_ref()).await
}

/// Commits what was written; undoes what was refused or did not apply.
async fn end(transaction: Transaction<'_>, written: Result<bool, StoreError>) -> Result<bool, StoreError> {
    match written {
        Ok(true) => transaction.commit().await.map(|()| true),
        other => {
            transaction.rollback().await;
            other
        }
    }
}
