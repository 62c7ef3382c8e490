//! Products on PostgreSQL.

mod columns;
mod skus;
mod update;

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use effects::{EffectColumns, Effects};
use kernel::Uuid;
use storage::StoreError;
use storage::commits::Stale;
use storage::group::{Groups, WriteGroup};
use storage::postgres::{POINT_KEYS, Params, Postgres};
use storage::row::Columns;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use self::columns::{ProductColumns, VariantColumns};
pub use self::skus::ALLOW_REPEATED_SKUS;
use stock::model::{Cause, Stock};
use stock::store::postgres::Movements;
use stock::store::rows as stock_rows;

use super::changes::{self, Known, Ledgers, VariantRow};
use super::{Found, HANDLE_RULE, HeldBack, Insert, PageQuery, SkuHolder, Store, Update, rows};
use crate::catalogue::model::{Product, Stocked};

const TAKEN: &str = "select products.owner_id, products.handle from products \
    join unnest($1::uuid[], $2::text[]) as given (owner_id, handle) using (owner_id, handle)";
const STOCK_OF_MANY: &str =
    "select id, on_hand, reserved, backordered, product_id from variants where product_id = any($1)";
/// A product and its stock are two statements. When an edit came between them, they are read again, this often at most.
const PAIR_TRIES: usize = 5;

pub struct PostgresStore {
    db: Arc<Postgres>,
    inserts: Groups<Insert>,
}

impl PostgresStore {
    pub fn new(db: Arc<Postgres>) -> Self {
        let inserts = Groups::start(Inserts(Arc::clone(&db)), db.write_timeout());
        Self { db, inserts }
    }

    async fn pair(&self, find: &'static str, key: Params<'_>) -> Result<Option<Stocked>, StoreError> {
        for _ in 0..PAIR_TRIES {
            let Some(row) = self.db.query_opt(find, key).await? else { return Ok(None) };
            let product = rows::product(&row)?;
            let stock = self.db.query(rows::STOCK_OF, &[&product.id]).await?;
            let stock = stock.iter().map(stock_rows::stock).collect::<Result<Vec<_>, _>>()?;
            if let Some(stocked) = Stocked::pair(product, &stock) {
                return Ok(Some(stocked));
            }
        }
        Err(StoreError::Unavailable("the product is being edited all the time".into()))
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn insert(&self, insert: Insert) -> Result<Stocked, StoreError> {
        Ok(self.inserts.write(insert).await?.stocked)
    }

    async fn update(&self, edits: Vec<Update>) -> Result<Option<Vec<HeldBack>>, StoreError> {
        let mut transaction = self.db.begin().await?;
        let updated = update::all(&mut transaction, edits).await;
        match updated {
            // Some may be written already.
            Ok(None) => {
                transaction.rollback().await;
                Ok(None)
            }
            updated => transaction.end(updated).await,
        }
    }

    async fn delete(&self, id: Uuid, expected: i64, cause: Cause, effects: Effects) -> Result<bool, StoreError> {
        let mut transaction = self.db.begin().await?;
        let deleted = async {
            let known = update::lock_variants(&mut transaction, &[id]).await?;
            rows::none_promised(known.iter())?;
            if transaction.execute(rows::DELETE_PRODUCT, &[&id, &expected]).await? == 0 {
                return Ok(false);
            }
            update::write_movements(&mut transaction, &changes::removal(known.iter(), &cause)).await?;
            effects.write_postgres(&mut transaction).await.map(|()| true)
        }
        .await;
        transaction.end(deleted).await
    }

    async fn get(&self, id: Uuid) -> Result<Option<Found>, StoreError> {
        self.db.query_opt(rows::FIND, &[&id]).await?.as_ref().map(rows::found).transpose()
    }

    async fn get_by_handle(&self, owner: Uuid, handle: &str) -> Result<Option<Found>, StoreError> {
        self.db.query_opt(rows::FIND_BY_HANDLE, &[&owner, &handle]).await?.as_ref().map(rows::found).transpose()
    }

    async fn get_all(&self, ids: &[Uuid]) -> Result<Vec<Found>, StoreError> {
        let rows = match ids.len() {
            0..=POINT_KEYS => self.db.query(rows::FIND_ALL, &[&ids]).await?,
            _ => self.db.query_slow(rows::FIND_ALL, &[&ids]).await?,
        };
        rows.iter().map(rows::found).collect()
    }

    async fn get_stocked(&self, id: Uuid) -> Result<Option<Stocked>, StoreError> {
        self.pair(rows::GET, &[&id]).await
    }

    async fn by_handle(&self, owner: Uuid, handle: &str) -> Result<Option<Stocked>, StoreError> {
        self.pair(rows::BY_HANDLE, &[&owner, &handle]).await
    }

    async fn imported(&self, product: Uuid, was_imported: bool) -> Result<Vec<(Uuid, Option<i64>)>, StoreError> {
        let rows = self.db.query(rows::keys_of!(), &[&product]).await?;
        let known = rows.iter().map(Known::read).collect::<Result<Vec<_>, _>>()?;
        let (ids, versions): (Vec<Uuid>, Vec<i64>) = changes::doubtful(known.iter()).unzip();
        let ledgers = if ids.is_empty() {
            Ledgers::new()
        } else {
            update::ledgers(&self.db.query(update::LAST_IMPORTS, &[&ids, &versions]).await?)
        };
        let last = |known: &Known| (known.id(), changes::last_import(&known.units, &ledgers, was_imported));
        Ok(known.iter().map(last).collect())
    }

    async fn sku_holders(&self, owner: Uuid, keys: &[String], except: Uuid) -> Result<Vec<SkuHolder>, StoreError> {
        skus::others(&self.db, owner, keys, except).await
    }

    async fn repeated_skus(&self, limit: i64) -> Result<Vec<(Uuid, String, Vec<SkuHolder>)>, StoreError> {
        skus::repeated(&self.db, limit).await
    }

    async fn unique_skus(&self) -> Result<bool, StoreError> {
        skus::are_unique(&self.db).await
    }

    async fn set_unique_skus(&self, unique: bool) -> Result<(), StoreError> {
        skus::set_unique(&self.db, unique).await
    }

    async fn stock_of(&self, products: &[Uuid]) -> Result<Vec<(Uuid, Stock)>, StoreError> {
        let rows = match products.len() {
            0..=POINT_KEYS => self.db.query(STOCK_OF_MANY, &[&products]).await?,
            _ => self.db.query_slow(STOCK_OF_MANY, &[&products]).await?,
        };
        let owned = |row: &Row| {
            let stock = stock_rows::stock(row)?;
            let product = Columns::uuid(row, 4);
            let product = product.map_err(|e| StoreError::corrupt("variants", "product_id", stock.variant_id, e))?;
            Ok((product, stock))
        };
        rows.iter().map(owned).collect()
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
        let total = self.db.query_slow(&count, &params).await?.first().map_or(0, |row| row.get(0));
        params.push(&query.limit);
        params.push(&query.offset);
        let rows = self.db.query_slow(&page, &params).await?;
        Ok((products(&rows)?, total))
    }
}

fn products(rows: &[Row]) -> Result<Vec<Product>, StoreError> {
    rows.iter().map(rows::product).collect()
}

struct Inserts(Arc<Postgres>);

impl Inserts {
    /// Which of these handles their owners have already.
    async fn taken(
        &self,
        handles: impl Iterator<Item = (Uuid, String)>,
    ) -> Result<HashSet<(Uuid, String)>, StoreError> {
        let (owners, handles): (Vec<_>, Vec<_>) = handles.unzip();
        if handles.is_empty() {
            return Ok(HashSet::new());
        }
        let rows = self.0.query(TAKEN, &[&owners, &handles]).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }
}

#[async_trait]
impl WriteGroup for Inserts {
    type Write = Insert;
    type Key = (Uuid, String);

    fn key(insert: &Insert) -> (Uuid, String) {
        (insert.stocked.product.owner_id, insert.stocked.product.handle.clone())
    }

    fn stale(insert: &mut Insert) -> Stale {
        insert.effects.stale().map(Box::from).collect()
    }

    /// Another process took the handle at the last moment, or a SKU was contended.
    fn may_succeed_after(error: &StoreError) -> bool {
        error.is_conflict_on(HANDLE_RULE) || matches!(error, StoreError::Undone(_))
    }

    /// Sellers reuse names, and handles follow names.
    async fn prepare(&self, group: &mut [Insert]) -> Result<Vec<Option<StoreError>>, StoreError> {
        let mut taken = self.taken(group.iter().map(Self::key)).await?;
        let meet: Vec<bool> = group.iter().map(|insert| !taken.insert(Self::key(insert))).collect();
        let others = group.iter().zip(&meet).filter(|(insert, meets)| **meets && !insert.tried);
        let others = others.flat_map(|(insert, _)| insert.numbered().map(|handle| (Self::key(insert).0, handle)));
        taken.extend(self.taken(others).await?);
        let mut refused = Vec::with_capacity(group.len());
        for (insert, meets) in group.iter_mut().zip(meet) {
            // Somebody else may take a number as fast as we do, once, but not again and again.
            let tried = std::mem::replace(&mut insert.tried, true);
            let owner = insert.stocked.product.owner_id;
            let is_taken = |handle: &str| Ok(tried || taken.contains(&(owner, handle.to_owned())));
            refused.push(if meets { insert.rename(is_taken).err() } else { None });
            taken.insert(Self::key(insert));
        }
        Ok(refused)
    }

    async fn write(&self, group: &mut [Insert]) -> Result<(), StoreError> {
        let products = ProductColumns::of(group.iter().map(|insert| &insert.stocked.product));
        let variants = group.iter().flat_map(|insert| VariantRow::all(&insert.stocked, &insert.imported));
        let variants = VariantColumns::of(variants);
        let effects = EffectColumns::of(group.iter().map(|insert| &insert.effects));
        let opening: Vec<_> =
            group.iter().flat_map(|insert| changes::opening(&insert.stocked, &insert.cause)).collect();
        let opening = Movements::of(&opening);
        let mut statements = vec![products.statement(), variants.statement()];
        statements.extend(opening.statement());
        statements.extend(effects.statements());
        let mut transaction = self.0.begin().await?;
        transaction.note(group.iter().flat_map(|insert| insert.effects.stale()));
        transaction.commit_all(&statements).await
    }
}
