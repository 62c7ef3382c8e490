//! Stock on PostgreSQL. Operations that arrive together share a transaction: the rows that all of them need are locked once, in the
//! order of ids, and what each does is decided on what the ones before it left. So a variant that everybody wants is locked once
//! for many buyers, and one buyer who gets nothing undoes nothing.

mod columns;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use effects::{EffectColumns, Effects};
use kernel::{Timestamp, Uuid};
use storage::StoreError;
use storage::commits::Stale;
use storage::group::{Groups, WriteGroup};
use storage::postgres::{POINT_KEYS, Postgres, Statement, Transaction};
use tokio_postgres::Row;

pub use self::columns::Movements;
use self::columns::{Nets, Reservations};
use super::rows::{self, Balance, History};
use super::{Applied, Batch, Present, Promised, Sale, StockRefusal, StockWrite, Store, off_sale};
use crate::model::{Movement, OffSale, Reservation, Shelf, Stock, Units, latest_end};

/// The one order in which locks are taken: reservations, variants by id, products.
const LOCK_RESERVATIONS: &str = rows::reservations!("id = any($1) order by id for update");
const UNITS: &str = rows::units!("id = $1");
const LOCK_UNITS: &str = rows::units!("id = any($1) order by id for update");
const LOCK_VERSIONS: &str = "select id, version from products where id = any($1) order by id for update";
const LOCK_SHOWN: &str = "select id, variants from products where id = any($1) order by id for update";
const SALES: &str = rows::sales!("= any($1)");
const DETAILS: &str = rows::details!("= any($1)");
/// By the clock of the database, where ours is ahead: whoever is early takes away what a buyer was promised.
const EXPIRED: &str = rows::expired!(concat!("least($1, ", storage::postgres_now!(), ")"));
/// Reservations that were ended without what they keep beyond the stock.
const UNSETTLED: &str = "select id from reservations where counts_beyond and state <> 'held' order by id limit $1";
const SHOW: &str = "update products set variants = given.variants, in_stock = given.in_stock \
    from unnest($1::uuid[], $2::text[], $3::boolean[]) as given (id, variants, in_stock) where products.id = given.id";

/// A write, and what came of it once its group is written.
pub struct Grouped {
    write: StockWrite,
    outcome: Option<Result<Applied, StockRefusal>>,
    stale: Stale,
}

impl Grouped {
    pub fn new(write: StockWrite) -> Self {
        Self { write, outcome: None, stale: Stale::new() }
    }

    /// # Errors
    /// `Unavailable` when it was not written.
    pub fn outcome(self) -> Result<Result<Applied, StockRefusal>, StoreError> {
        self.outcome.ok_or_else(|| StoreError::Unavailable("the write was dropped".into()))
    }
}

pub struct StockWrites(pub Arc<Postgres>);

#[async_trait]
impl WriteGroup for StockWrites {
    type Write = Grouped;
    /// First come, first served: locks are taken for all at once.
    type Key = ();

    fn key(_: &Grouped) {}

    fn stale(one: &mut Grouped) -> Stale {
        std::mem::take(&mut one.stale)
    }

    fn weight(one: &Grouped) -> usize {
        one.write.op.weight()
    }

    fn may_succeed_after(error: &StoreError) -> bool {
        matches!(error, StoreError::Undone(_))
    }

    async fn prepare(&self, group: &mut [Grouped]) -> Result<Vec<Option<StoreError>>, StoreError> {
        Ok(group.iter().map(|_| None).collect())
    }

    async fn write(&self, group: &mut [Grouped]) -> Result<(), StoreError> {
        let mut transaction = self.0.begin().await?;
        let written = write_all(&mut transaction, group).await;
        transaction.end(written).await
    }
}

async fn write_all(t: &mut Transaction<'_>, group: &mut [Grouped]) -> Result<(), StoreError> {
    let mut present = lock(t, group).await?;
    let (mut batch, mut effects) = (Batch::default(), Vec::<Effects>::new());
    for Grouped { write, outcome, stale } in group {
        let done = present.apply(&write.op);
        if let Ok(done) = &done {
            batch.add(write, done);
            let written = (write.effects)(done)?;
            *stale = written.stale().map(Box::from).collect();
            effects.push(written);
        }
        *outcome = Some(done);
    }
    let shown = shown(t, &batch).await?;
    let (nets, movements) = (Nets::of(&batch), Movements::of(&batch.movements));
    let (held, changed) = (Reservations::of(batch.held.iter()), Reservations::of(batch.changed.values()));
    t.note(effects.iter().flat_map(Effects::stale));
    let effects = EffectColumns::of(&effects);
    let mut statements = Vec::new();
    statements.extend(nets.statement());
    statements.extend(movements.statement());
    statements.extend(held.inserted());
    statements.extend(changed.updated());
    statements.extend(shown.statement());
    statements.extend(effects.statements());
    t.execute_all(&statements).await
}

/// Locks what the group needs, and reads it.
async fn lock(t: &mut Transaction<'_>, group: &[Grouped]) -> Result<Present, StoreError> {
    let ids: Vec<Uuid> = group.iter().filter_map(|one| one.write.op.reservation()).collect();
    let mut reservations = BTreeMap::new();
    if !ids.is_empty() {
        for row in &t.query(LOCK_RESERVATIONS, &[&ids]).await? {
            let found = rows::reservation(row)?;
            reservations.insert(found.id, found);
        }
    }
    let mut variants: Vec<Uuid> = group.iter().flat_map(|one| one.write.op.variants(&reservations)).collect();
    variants.sort_unstable();
    variants.dedup();
    let known = if variants.is_empty() { Vec::new() } else { t.query(LOCK_UNITS, &[&variants]).await? };
    let units = known.iter().map(rows::read_units).collect::<Result<Vec<_>, _>>()?;
    let shelf = Shelf::new(units);
    let is_versioned = group.iter().any(|one| one.write.op.versioned().next().is_some());
    // All of the group, or those that are locked later to be shown anew would be locked out of their order.
    let products: Vec<Uuid> = variants.iter().filter_map(|variant| shelf.product_of(*variant)).collect();
    let versions = if !is_versioned {
        BTreeMap::new()
    } else {
        t.query(LOCK_VERSIONS, &[&products]).await?.iter().map(|row| (row.get(0), row.get(1))).collect()
    };
    Ok(Present { shelf, reservations, versions })
}

/// What products show of their variants, by column.
#[derive(Default)]
struct Shown {
    ids: Vec<Uuid>,
    variants: Vec<String>,
    in_stock: Vec<bool>,
}

async fn shown(t: &mut Transaction<'_>, batch: &Batch) -> Result<Shown, StoreError> {
    let stock: BTreeMap<Uuid, Vec<Stock>> = batch.shown();
    let mut shown = Shown::default();
    if stock.is_empty() {
        return Ok(shown);
    }
    let ids: Vec<Uuid> = stock.keys().copied().collect();
    for row in &t.query(LOCK_SHOWN, &[&ids]).await? {
        let id = row.get(0);
        let (variants, in_stock) = rows::show(row.get(1), id, stock.get(&id).map_or(&[], Vec::as_slice))?;
        shown.ids.push(id);
        shown.variants.push(variants);
        shown.in_stock.push(in_stock);
    }
    Ok(shown)
}

impl Shown {
    fn statement(&self) -> Option<Statement<'_>> {
        let statement = || Statement::new(SHOW, vec![&self.ids, &self.variants, &self.in_stock]);
        (!self.ids.is_empty()).then(statement)
    }
}

/// Of whom, as `sql` has it: a buyer's ([`rows::RESERVATIONS_OF`]) or a seller's ([`rows::HOLDS_OF`]).
pub async fn reservations_of(
    db: &Postgres,
    sql: &'static str,
    whose: Uuid,
    before: Uuid,
    limit: i64,
) -> Result<Vec<Reservation>, StoreError> {
    db.query_slow(sql, &[&whose, &before, &limit]).await?.iter().map(rows::reservation).collect()
}

/// Stock in a schema.
pub struct PostgresStore {
    db: Arc<Postgres>,
    writes: Groups<Grouped>,
}

impl PostgresStore {
    pub fn new(db: Arc<Postgres>) -> Self {
        let writes = Groups::start(StockWrites(Arc::clone(&db)), db.write_timeout());
        Self { db, writes }
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn product_of(&self, variant: Uuid) -> Result<Option<Uuid>, StoreError> {
        Ok(self.db.query_opt(rows::PRODUCT_OF, &[&variant]).await?.map(|row| row.get(0)))
    }

    async fn write(&self, write: StockWrite) -> Result<Result<Applied, StockRefusal>, StoreError> {
        self.writes.write(Grouped::new(write)).await?.outcome()
    }

    async fn reservation(&self, id: Uuid) -> Result<Option<Reservation>, StoreError> {
        self.db.query_opt(rows::RESERVATION, &[&id]).await?.as_ref().map(rows::reservation).transpose()
    }

    async fn reservations_of(&self, account: Uuid, before: Uuid, limit: i64) -> Result<Vec<Reservation>, StoreError> {
        reservations_of(&self.db, rows::RESERVATIONS_OF, account, before, limit).await
    }

    async fn holds_of(&self, seller: Uuid, before: Uuid, limit: i64) -> Result<Vec<Reservation>, StoreError> {
        reservations_of(&self.db, rows::HOLDS_OF, seller, before, limit).await
    }

    async fn sales(&self, variants: &[Uuid]) -> Result<Vec<Sale>, StoreError> {
        let rows = match variants.len() {
            0..=POINT_KEYS => self.db.query(SALES, &[&variants]).await?,
            _ => self.db.query_slow(SALES, &[&variants]).await?,
        };
        rows.iter().map(rows::sale).collect()
    }

    async fn expired(&self, now: Timestamp, limit: i64) -> Result<Vec<Uuid>, StoreError> {
        Ok(self.db.query(EXPIRED, &[&now.0, &limit, &latest_end(now).0]).await?.iter().map(|row| row.get(0)).collect())
    }

    async fn unsettled(&self, limit: i64) -> Result<Vec<Uuid>, StoreError> {
        Ok(self.db.query(UNSETTLED, &[&limit]).await?.iter().map(|row| row.get(0)).collect())
    }

    async fn history(&self, page: History) -> Result<Vec<Movement>, StoreError> {
        let before = page.before.unwrap_or(i64::MAX);
        self.db.query(rows::HISTORY, &[&page.variant, &before, &page.limit]).await?.iter().map(rows::movement).collect()
    }

    async fn units(&self, variant: Uuid) -> Result<Option<Units>, StoreError> {
        self.db.query_opt(UNITS, &[&variant]).await?.as_ref().map(rows::read_units).transpose()
    }

    async fn set_low_stock(&self, variant: Uuid, threshold: Option<i64>, effects: Effects) -> Result<bool, StoreError> {
        let mut transaction = self.db.begin().await?;
        let set = async {
            let set = transaction.execute(rows::SET_LOW_STOCK, &[&threshold, &variant]).await?;
            if set == 1 {
                effects.write_postgres(&mut transaction).await?;
            }
            Ok(set == 1)
        }
        .await;
        transaction.end(set).await
    }

    async fn balances(&self, after: Uuid, limit: i64, longest: i64) -> Result<Vec<Balance>, StoreError> {
        self.db.query_slow(rows::BALANCES, &[&after, &limit, &longest]).await?.iter().map(rows::balance).collect()
    }

    async fn ledger_sum(&self, variant: Uuid, after: i64, until: i64) -> Result<Stock, StoreError> {
        let sums = self.db.query_slow(rows::SUM, &[&variant, &after, &until]).await?;
        let stock = |row: &Row| Stock {
            variant_id: variant,
            on_hand: row.get(0),
            reserved: row.get(1),
            backordered: row.get(2),
        };
        Ok(sums.first().map_or(Stock::new(variant, 0), stock))
    }

    async fn ledgers(&self, after: Uuid, limit: i64) -> Result<Vec<(Uuid, bool)>, StoreError> {
        self.db.query_slow(rows::LEDGERS, &[&after, &limit]).await?.iter().map(rows::ledger_of).collect()
    }

    async fn held(&self, after: (Timestamp, Uuid), limit: i64) -> Result<Vec<Reservation>, StoreError> {
        let (expires_at, id) = after;
        self.db.query_slow(rows::HELD, &[&expires_at.0, &id, &limit]).await?.iter().map(rows::reservation).collect()
    }

    async fn promised(&self, variant: Uuid) -> Result<(Promised, Promised), StoreError> {
        const PROMISED: &str = "select coalesce((select reserved from variants where id = $1), 0), \
            coalesce((select backordered from variants where id = $1), 0), \
            (select coalesce(sum((line ->> 'quantity')::bigint), 0)::bigint \
             from reservations, jsonb_array_elements(lines::jsonb) as line \
             where state = 'held' and line ->> 'variant_id' = $2), \
            (select coalesce(sum((line ->> 'backordered')::bigint), 0)::bigint \
             from reservations, jsonb_array_elements(coalesce(beyond, '[]')::jsonb) as line \
             where state = 'held' and line ->> 'variant_id' = $2)";
        let rows = self.db.query_slow(PROMISED, &[&variant, &variant.to_string()]).await?;
        let promised = |row: &Row, at| Promised { reserved: row.get(at), backordered: row.get(at + 1) };
        Ok(rows.first().map(|row| (promised(row, 0), promised(row, 2))).unwrap_or_default())
    }

    async fn oversold(&self) -> Result<i64, StoreError> {
        Ok(self.db.query_opt(rows::OVERSOLD, &[]).await?.map_or(0, |row| row.get(0)))
    }

    async fn take_off_sale(&self, entry: OffSale) -> Result<(), StoreError> {
        off_sale::postgres::take(&self.db, entry).await
    }

    async fn put_on_sale(&self, seller: Uuid, mark: Uuid) -> Result<(), StoreError> {
        off_sale::postgres::put(&self.db, seller, mark).await
    }

    async fn off_sale(&self, seller: Uuid) -> Result<Option<OffSale>, StoreError> {
        off_sale::postgres::get(&self.db, seller).await
    }

    async fn off_sale_since(&self, since: Timestamp, after: Uuid, limit: i64) -> Result<Vec<OffSale>, StoreError> {
        off_sale::postgres::since(&self.db, since, after, limit).await
    }

    async fn showing_available(&self, variants: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
        let rows = self.db.query(DETAILS, &[&variants]).await?;
        let showing: Vec<Option<Uuid>> = rows.iter().map(rows::showing_available).collect::<Result<_, _>>()?;
        Ok(showing.into_iter().flatten().collect())
    }

    async fn settle_off_sale(&self, seller: Uuid, until: Timestamp) -> Result<(), StoreError> {
        off_sale::postgres::settle(&self.db, seller, until).await
    }
}
