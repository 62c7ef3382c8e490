//! Products on PostgreSQL.

mod columns;

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use kernel::{Timestamp, Uuid};
use platform::db::group::{Groups, WriteGroup};
use platform::db::postgres::{Params, Postgres, Transaction};
use platform::db::row::Columns;
use platform::db::{EffectColumns, Effects, EffectsOf, StoreError};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use self::columns::{ProductColumns, VariantColumns};
use super::list::{self, ListQuery, Looked};
use super::rows::{self, Known, ProductRow, VariantChanges, VariantRow};
use super::stock::postgres::{Grouped, Movements, StockWrites};
use super::stock::{self, Balance, Done, History, Refusal, Sale, StockWrite};
use super::{HANDLE_RULE, Insert, PageQuery, RESERVED_RULE, Store};
use crate::model::{Cause, ChangedStock, Movement, Product, Reservation, Stock, Stocked, Units};

const TAKEN: &str = "select products.owner_id, products.handle from products \
    join unnest($1::uuid[], $2::text[]) as given (owner_id, handle) using (owner_id, handle)";
/// Variants by id before their product: the one order in which locks are taken.
const LOCK_KEYS_OF: &str = concat!(rows::keys_of!(), " for update");
const STOCK_OF_MANY: &str = "select id, on_hand, reserved, product_id from variants where product_id = any($1)";
/// So many keys do not hold up the queries behind them.
const POINT_IDS: usize = 100;
/// A product and its stock are two statements. When an edit came between them, they are read again, this often at most.
const PAIR_TRIES: usize = 5;

pub struct PostgresStore {
    db: Arc<Postgres>,
    inserts: Groups<Insert>,
    stock: Groups<Grouped>,
}

impl PostgresStore {
    pub fn new(db: Arc<Postgres>) -> Self {
        let inserts = Groups::start(Inserts(Arc::clone(&db)));
        let stock = Groups::start(StockWrites(Arc::clone(&db)));
        Self { db, inserts, stock }
    }

    async fn pair(&self, find: &'static str, key: Params<'_>) -> Result<Option<Stocked>, StoreError> {
        for _ in 0..PAIR_TRIES {
            let Some(row) = self.db.query_opt(find, key).await? else { return Ok(None) };
            let product = rows::product(&row)?;
            let stock = self.db.query(rows::STOCK_OF, &[&product.id]).await?;
            let stock = stock.iter().map(rows::stock).collect::<Result<Vec<_>, _>>()?;
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

    async fn update(
        &self,
        stocked: Stocked,
        expected: i64,
        set_stock: bool,
        cause: Cause,
        effects: EffectsOf<Vec<ChangedStock>>,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.db.begin().await?;
        let updated = update(&mut transaction, stocked, expected, set_stock, &cause, effects).await;
        transaction.end(updated).await
    }

    async fn delete(&self, id: Uuid, expected: i64, cause: Cause, effects: Effects) -> Result<bool, StoreError> {
        let mut transaction = self.db.begin().await?;
        let deleted = async {
            let known = lock_variants(&mut transaction, id).await?;
            rows::none_reserved(known.iter())?;
            if transaction.execute(rows::DELETE_PRODUCT, &[&id, &expected]).await? == 0 {
                return Ok(false);
            }
            write_movements(&mut transaction, &rows::removal(known.iter(), &cause)).await?;
            effects.write_postgres(&mut transaction).await.map(|()| true)
        }
        .await;
        transaction.end(deleted).await
    }

    async fn get(&self, id: Uuid) -> Result<Option<Product>, StoreError> {
        self.db.query_opt(rows::GET, &[&id]).await?.as_ref().map(rows::product).transpose()
    }

    async fn get_stocked(&self, id: Uuid) -> Result<Option<Stocked>, StoreError> {
        self.pair(rows::GET, &[&id]).await
    }

    async fn by_handle(&self, owner: Uuid, handle: &str) -> Result<Option<Stocked>, StoreError> {
        self.pair(rows::BY_HANDLE, &[&owner, &handle]).await
    }

    async fn stock_of(&self, products: &[Uuid]) -> Result<Vec<(Uuid, Stock)>, StoreError> {
        let rows = match products.len() {
            0..=POINT_IDS => self.db.query(STOCK_OF_MANY, &[&products]).await?,
            _ => self.db.query_slow(STOCK_OF_MANY, &[&products]).await?,
        };
        let owned = |row: &Row| {
            let stock = rows::stock(row)?;
            let product = Columns::uuid(row, 3);
            let product = product.map_err(|e| StoreError::corrupt("variants", "product_id", stock.variant_id, e))?;
            Ok((product, stock))
        };
        rows.iter().map(owned).collect()
    }

    async fn product_of(&self, variant: Uuid) -> Result<Option<Uuid>, StoreError> {
        Ok(self.db.query_opt(rows::PRODUCT_OF, &[&variant]).await?.map(|row| row.get(0)))
    }

    async fn stock(&self, write: StockWrite) -> Result<Result<Done, Refusal>, StoreError> {
        self.stock.write(Grouped::new(write)).await?.outcome()
    }

    async fn reservation(&self, id: Uuid) -> Result<Option<Reservation>, StoreError> {
        stock::postgres::find_reservation(&self.db, id).await
    }

    async fn reservations_of(&self, account: Uuid, before: Uuid, limit: i64) -> Result<Vec<Reservation>, StoreError> {
        stock::postgres::reservations_of(&self.db, account, before, limit).await
    }

    async fn sales(&self, variants: &[Uuid]) -> Result<Vec<Sale>, StoreError> {
        stock::postgres::sales(&self.db, variants).await
    }

    async fn expired(&self, now: Timestamp, limit: i64) -> Result<Vec<Uuid>, StoreError> {
        stock::postgres::expired(&self.db, now, limit).await
    }

    async fn history(&self, page: History) -> Result<Vec<Movement>, StoreError> {
        stock::postgres::history(&self.db, page).await
    }

    async fn units(&self, variant: Uuid) -> Result<Option<Units>, StoreError> {
        stock::postgres::find_units(&self.db, variant).await
    }

    async fn set_low_stock(&self, variant: Uuid, threshold: Option<i64>, effects: Effects) -> Result<bool, StoreError> {
        stock::postgres::set_low_stock(&self.db, variant, threshold, effects).await
    }

    async fn balances(&self, after: Uuid, limit: i64, longest: i64) -> Result<Vec<Balance>, StoreError> {
        stock::postgres::balances(&self.db, after, limit, longest).await
    }

    async fn ledger_sum(&self, variant: Uuid, after: i64, until: i64) -> Result<(i64, i64), StoreError> {
        stock::postgres::sum(&self.db, variant, after, until).await
    }

    async fn ledgers(&self, after: Uuid, limit: i64) -> Result<Vec<(Uuid, bool)>, StoreError> {
        stock::postgres::ledgers(&self.db, after, limit).await
    }

    async fn held(&self, after: (Timestamp, Uuid), limit: i64) -> Result<Vec<Reservation>, StoreError> {
        stock::postgres::held(&self.db, after, limit).await
    }

    async fn reserved(&self, variant: Uuid) -> Result<(i64, i64), StoreError> {
        stock::postgres::reserved(&self.db, variant).await
    }

    async fn oversold(&self) -> Result<i64, StoreError> {
        stock::postgres::oversold(&self.db).await
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

    async fn look(&self, query: &ListQuery, look: usize, wanted: usize) -> Result<Looked, StoreError> {
        list::postgres::look(&self.db, query, look, wanted).await
    }

    async fn count(&self, query: &ListQuery) -> Result<i64, StoreError> {
        list::postgres::count(&self.db, query).await
    }

    async fn estimate(&self, query: &ListQuery) -> Result<i64, StoreError> {
        list::postgres::estimate(&self.db, query).await
    }

    async fn categories(&self, after: Option<&str>, limit: usize) -> Result<Vec<(String, i64)>, StoreError> {
        list::postgres::categories(&self.db, after, limit).await
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
        let variants = VariantColumns::of(group.iter().flat_map(|insert| VariantRow::all(&insert.stocked)));
        let effects = EffectColumns::of(group.iter().map(|insert| &insert.effects));
        let opening: Vec<_> = group.iter().flat_map(|insert| rows::opening(&insert.stocked, &insert.cause)).collect();
        let opening = Movements::of(&opening);
        let mut statements = vec![products.statement(), variants.statement()];
        statements.extend(opening.statement());
        statements.extend(effects.statements());
        self.0.begin().await?.commit_all(&statements).await
    }
}

async fn lock_variants(t: &mut Transaction<'_>, product: Uuid) -> Result<Vec<Known>, StoreError> {
    t.query(LOCK_KEYS_OF, &[&product]).await?.iter().map(Known::read).collect()
}

async fn update(
    t: &mut Transaction<'_>,
    stocked: Stocked,
    expected: i64,
    set_stock: bool,
    cause: &Cause,
    effects: EffectsOf<Vec<ChangedStock>>,
) -> Result<bool, StoreError> {
    let known = lock_variants(t, stocked.product.id).await?;
    let edited = rows::with_known_stock(stocked, &known, set_stock);
    let row = ProductRow::new(&edited.product);
    let values: Params<'_> = &rows::edited_values!(row, &edited.product.id, &expected);
    if t.execute(rows::UPDATE_PRODUCT, values).await? == 0 {
        return Ok(false);
    }
    let changes = VariantChanges::plan(&edited, &known, set_stock)?;
    let movements = changes.movements(&known, cause);
    let changed = change_variants(t, changes).await?;
    write_movements(t, &movements).await?;
    effects(&changed)?.write_postgres(t).await.map(|()| true)
}

/// Returns the stock that changed with them.
async fn change_variants(
    t: &mut Transaction<'_>,
    changes: VariantChanges<'_>,
) -> Result<Vec<ChangedStock>, StoreError> {
    for id in &changes.delete {
        t.execute(rows::DELETE_VARIANT, &[id]).await?;
    }
    for id in &changes.release {
        t.execute(rows::RELEASE_KEYS, &[&id.to_string(), id]).await?;
    }
    for row in &changes.update {
        let v = row.variant;
        let values: Params<'_> = &[
            &row.position,
            &v.sku,
            &row.sku_key,
            &v.barcode,
            &row.option_values,
            &v.price,
            &v.compare_at_price,
            &v.id,
        ];
        t.execute(rows::UPDATE_VARIANT, values).await?;
    }
    if !changes.insert.is_empty() {
        t.execute_all(&[VariantColumns::of(changes.insert.into_iter()).statement()]).await?;
    }
    for changed in &changes.set {
        let Stock { variant_id, on_hand, .. } = changed.stock();
        let version = changed.units.version;
        if t.execute(rows::SET_STOCK, &[&on_hand, &version, &variant_id]).await? == 0 {
            return Err(StoreError::Conflict(RESERVED_RULE.into()));
        }
    }
    Ok(changes.set)
}

async fn write_movements(t: &mut Transaction<'_>, movements: &[Movement]) -> Result<(), StoreError> {
    let columns = Movements::of(movements);
    let statements: Vec<_> = columns.statement().into_iter().collect();
    if statements.is_empty() { Ok(()) } else { t.execute_all(&statements).await }
}
