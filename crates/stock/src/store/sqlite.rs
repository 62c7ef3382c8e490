//! Stock on SQLite: an operation is a job of the one writer, so nothing changes between its reads and its writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use effects::Effects;
use kernel::{Timestamp, Uuid};
use rusqlite::{Connection, OptionalExtension, Row, params};
use storage::StoreError;
use storage::sqlite::Sqlite;

use super::rows::{self, Balance, History};
use super::{Applied, Batch, Present, Promised, Sale, StockRefusal, StockWrite, Store, off_sale};
use crate::model::{Movement, OffSale, Reservation, Shelf, Stock, Units, latest_end};
use crate::store::RESERVED_RULE;

const UNITS: &str = rows::units!("id = $1");
const SALE: &str = rows::sales!("= $1");
const DETAILS: &str = rows::details!("= $1");
const CHANGE: &str = "update variants set on_hand = on_hand + $1, reserved = reserved + $2, available = available + $1 - $2, \
    backordered = backordered + $3, stock_version = $4, \
    imported_version = case when imported_version = $5 then $4 else imported_version end \
    where id = $6 and stock_version = $5 and available + $1 - $2 >= 0 and reserved + $2 >= 0 and backordered + $3 >= 0";
const INSERT_MOVEMENT: &str = rows::insert_movement!("values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)");
const INSERT_RESERVATION: &str =
    rows::insert_reservation!("values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)");
/// Reservations that were ended without what they keep beyond the stock.
const UNSETTLED: &str = "select id from reservations where counts_beyond = 1 and state <> 'held' order by id limit $1";
const EXPIRED: &str = rows::expired!("$1");
const UPDATE_RESERVATION: &str = "update reservations set state = $1, ttl = $2, expires_at = $3, version = $4, \
    updated_at = $5, counts_beyond = $6 where id = $7";

async fn write_one(db: &Sqlite, write: StockWrite) -> Result<Result<Applied, StockRefusal>, StoreError> {
    let job = move |c: &Connection| {
        let mut present = present(c, &write)?;
        let done = match present.apply(&write.op) {
            Ok(done) => done,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let mut batch = Batch::default();
        batch.add(&write, &done);
        write_batch(c, &batch)?;
        (write.effects)(&done)?.write_sqlite(c)?;
        Ok(Ok(done))
    };
    db.write(job).await
}

fn present(c: &Connection, write: &StockWrite) -> Result<Present, StoreError> {
    let mut reservations = BTreeMap::new();
    if let Some(id) = write.op.reservation()
        && let Some(found) = reservation(c, id)?
    {
        reservations.insert(id, found);
    }
    let mut known = Vec::new();
    for variant in write.op.variants(&reservations) {
        known.extend(units(c, variant)?);
    }
    let mut versions = BTreeMap::new();
    for variant in write.op.versioned() {
        let mut statement = c.prepare_cached(rows::VERSION)?;
        let version = statement.query_row([variant.as_bytes()], |row| Ok((Uuid::from_bytes(row.get(0)?), row.get(1)?)));
        versions.extend(version.optional()?);
    }
    Ok(Present { shelf: Shelf::new(known), reservations, versions })
}

fn units(c: &Connection, variant: Uuid) -> Result<Option<Units>, StoreError> {
    let mut statement = c.prepare_cached(UNITS)?;
    statement.query_row([variant.as_bytes()], |row| Ok(rows::read_units(row))).optional()?.transpose()
}

fn write_batch(c: &Connection, batch: &Batch) -> Result<(), StoreError> {
    for net in batch.nets() {
        let (id, expected) = (net.variant_id.as_bytes(), net.expected);
        let values = params![net.on_hand, net.reserved, net.backordered, net.version, expected, id];
        if c.prepare_cached(CHANGE)?.execute(values)? == 0 {
            return Err(StoreError::Conflict(RESERVED_RULE.into()));
        }
    }
    write_movements(c, batch.movements.iter().cloned())?;
    for r in &batch.held {
        let lines = rows::StoredLines::of(r);
        c.prepare_cached(INSERT_RESERVATION)?.execute(params![
            r.id.as_bytes(),
            r.account_id.as_bytes(),
            r.owner_id.as_bytes(),
            r.state.as_str(),
            lines.reserved,
            r.ttl,
            r.expires_at.0,
            r.version,
            r.created_at.0,
            r.updated_at.0,
            lines.beyond,
            r.counts_beyond,
            lines.goods,
        ])?;
    }
    for r in batch.changed.values() {
        let (state, counts_beyond) = (r.state.as_str(), r.counts_beyond);
        let values = params![state, r.ttl, r.expires_at.0, r.version, r.updated_at.0, counts_beyond, r.id.as_bytes()];
        c.prepare_cached(UPDATE_RESERVATION)?.execute(values)?;
    }
    batch.shown().into_iter().try_for_each(|(product, stock)| show(c, product, &stock))
}

pub fn write_movements(c: &Connection, movements: impl IntoIterator<Item = Movement>) -> Result<(), StoreError> {
    for m in movements {
        c.prepare_cached(INSERT_MOVEMENT)?.execute(params![
            m.variant_id.as_bytes(),
            m.version,
            m.kind.as_str(),
            m.on_hand,
            m.reserved,
            m.after.on_hand,
            m.after.reserved,
            m.reason,
            m.actor,
            m.reference.as_ref().map(Uuid::as_bytes),
            m.time.0,
            m.backordered,
        ])?;
    }
    Ok(())
}

/// Has a product show which of its variants are in stock.
fn show(c: &Connection, product: Uuid, stock: &[Stock]) -> Result<(), StoreError> {
    let id = product.as_bytes();
    let shown: String = c.prepare_cached(rows::SHOWN_VARIANTS)?.query_row([id], |row| row.get(0))?;
    let (shown, in_stock) = rows::show(&shown, product, stock)?;
    c.prepare_cached(rows::SHOW_VARIANTS)?.execute(params![shown, in_stock, id])?;
    Ok(())
}

fn reservation(c: &Connection, id: Uuid) -> Result<Option<Reservation>, StoreError> {
    let mut statement = c.prepare_cached(rows::RESERVATION)?;
    statement.query_row([id.as_bytes()], |row| Ok(rows::reservation(row))).optional()?.transpose()
}

/// A slow read of rows.
async fn all<T: Send + 'static>(
    db: &Arc<Sqlite>,
    sql: &'static str,
    params: impl rusqlite::Params + Send + 'static,
    read: fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let read = move |c: &Connection| {
        let mut statement = c.prepare_cached(sql)?;
        let found = statement.query_map(params, |row| Ok(read(row)))?;
        found.map(|row| row?).collect()
    };
    db.read(read).await
}

/// Of whom, as `sql` has it: a buyer's ([`rows::RESERVATIONS_OF`]) or a seller's ([`rows::HOLDS_OF`]).
pub async fn reservations_of(
    db: &Arc<Sqlite>,
    sql: &'static str,
    whose: Uuid,
    before: Uuid,
    limit: i64,
) -> Result<Vec<Reservation>, StoreError> {
    all(db, sql, (whose.into_bytes(), before.into_bytes(), limit), |row| rows::reservation(row)).await
}

/// Stock in a file.
pub struct SqliteStore(pub Arc<Sqlite>);

#[async_trait]
impl Store for SqliteStore {
    async fn product_of(&self, variant: Uuid) -> Result<Option<Uuid>, StoreError> {
        self.0.read_point(|c| {
            let mut statement = c.prepare_cached(rows::PRODUCT_OF)?;
            Ok(statement.query_row([variant.as_bytes()], |row| row.get(0).map(Uuid::from_bytes)).optional()?)
        })
    }

    async fn write(&self, write: StockWrite) -> Result<Result<Applied, StockRefusal>, StoreError> {
        write_one(&self.0, write).await
    }

    async fn reservation(&self, id: Uuid) -> Result<Option<Reservation>, StoreError> {
        self.0.read_point(|c| reservation(c, id))
    }

    async fn reservations_of(&self, account: Uuid, before: Uuid, limit: i64) -> Result<Vec<Reservation>, StoreError> {
        reservations_of(&self.0, rows::RESERVATIONS_OF, account, before, limit).await
    }

    async fn holds_of(&self, seller: Uuid, before: Uuid, limit: i64) -> Result<Vec<Reservation>, StoreError> {
        reservations_of(&self.0, rows::HOLDS_OF, seller, before, limit).await
    }

    async fn sales(&self, variants: &[Uuid]) -> Result<Vec<Sale>, StoreError> {
        self.0.read_point(|c| {
            let mut found = Vec::with_capacity(variants.len());
            for variant in variants {
                let mut statement = c.prepare_cached(SALE)?;
                let sale = statement.query_row([variant.as_bytes()], |row| Ok(rows::sale(row))).optional()?;
                found.extend(sale.transpose()?);
            }
            Ok(found)
        })
    }

    async fn expired(&self, now: Timestamp, limit: i64) -> Result<Vec<Uuid>, StoreError> {
        self.0.read_point(|c| {
            let mut statement = c.prepare_cached(EXPIRED)?;
            let found =
                statement.query_map([now.0, limit, latest_end(now).0], |row| row.get(0).map(Uuid::from_bytes))?;
            Ok(found.collect::<Result<_, _>>()?)
        })
    }

    async fn unsettled(&self, limit: i64) -> Result<Vec<Uuid>, StoreError> {
        self.0.read_point(|c| {
            let mut statement = c.prepare_cached(UNSETTLED)?;
            let found = statement.query_map([limit], |row| row.get(0).map(Uuid::from_bytes))?;
            Ok(found.collect::<Result<_, _>>()?)
        })
    }

    async fn history(&self, page: History) -> Result<Vec<Movement>, StoreError> {
        self.0.read_point(|c| {
            let mut statement = c.prepare_cached(rows::HISTORY)?;
            let before = page.before.unwrap_or(i64::MAX);
            let found = statement
                .query_map(params![page.variant.as_bytes(), before, page.limit], |row| Ok(rows::movement(row)))?;
            found.map(|row| row?).collect()
        })
    }

    async fn units(&self, variant: Uuid) -> Result<Option<Units>, StoreError> {
        self.0.read_point(|c| units(c, variant))
    }

    async fn set_low_stock(&self, variant: Uuid, threshold: Option<i64>, effects: Effects) -> Result<bool, StoreError> {
        let write = move |c: &Connection| {
            let set = c.prepare_cached(rows::SET_LOW_STOCK)?.execute(params![threshold, variant.as_bytes()])?;
            if set == 1 {
                effects.write_sqlite(c)?;
            }
            Ok(set == 1)
        };
        self.0.write(write).await
    }

    async fn balances(&self, after: Uuid, limit: i64, longest: i64) -> Result<Vec<Balance>, StoreError> {
        all(&self.0, rows::BALANCES, (after.into_bytes(), limit, longest), |row| rows::balance(row)).await
    }

    async fn ledger_sum(&self, variant: Uuid, after: i64, until: i64) -> Result<Stock, StoreError> {
        let read = |row: &Row<'_>| {
            let (on_hand, reserved, backordered) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Stock { on_hand, reserved, backordered, ..Stock::new(Uuid::nil(), 0) })
        };
        let sums = all(&self.0, rows::SUM, (variant.into_bytes(), after, until), read).await?;
        Ok(Stock { variant_id: variant, ..sums.first().copied().unwrap_or(Stock::new(variant, 0)) })
    }

    async fn ledgers(&self, after: Uuid, limit: i64) -> Result<Vec<(Uuid, bool)>, StoreError> {
        all(&self.0, rows::LEDGERS, (after.into_bytes(), limit), |row| rows::ledger_of(row)).await
    }

    async fn held(&self, after: (Timestamp, Uuid), limit: i64) -> Result<Vec<Reservation>, StoreError> {
        let (expires_at, id) = after;
        all(&self.0, rows::HELD, (expires_at.0, id.into_bytes(), limit), |row| rows::reservation(row)).await
    }

    async fn promised(&self, variant: Uuid) -> Result<(Promised, Promised), StoreError> {
        const PROMISED: &str = "select coalesce((select reserved from variants where id = $1), 0), \
            coalesce((select backordered from variants where id = $1), 0), \
            (select coalesce(sum(json_extract(line.value, '$.quantity')), 0) from reservations, json_each(lines) as line \
             where state = 'held' and json_extract(line.value, '$.variant_id') = $2), \
            (select coalesce(sum(json_extract(line.value, '$.backordered')), 0) \
             from reservations, json_each(coalesce(beyond, '[]')) as line \
             where state = 'held' and json_extract(line.value, '$.variant_id') = $2)";
        let read = |row: &Row<'_>| {
            let promised = |at| Ok::<_, StoreError>(Promised { reserved: row.get(at)?, backordered: row.get(at + 1)? });
            Ok((promised(0)?, promised(2)?))
        };
        let params = (variant.into_bytes(), variant.to_string());
        Ok(all(&self.0, PROMISED, params, read).await?.first().copied().unwrap_or_default())
    }

    async fn oversold(&self) -> Result<i64, StoreError> {
        self.0.read_point(|c| Ok(c.prepare_cached(rows::OVERSOLD)?.query_row([], |row| row.get(0))?))
    }

    async fn take_off_sale(&self, entry: OffSale) -> Result<(), StoreError> {
        off_sale::sqlite::take(&self.0, entry).await
    }

    async fn put_on_sale(&self, seller: Uuid, mark: Uuid) -> Result<(), StoreError> {
        off_sale::sqlite::put(&self.0, seller, mark).await
    }

    async fn off_sale(&self, seller: Uuid) -> Result<Option<OffSale>, StoreError> {
        off_sale::sqlite::get(&self.0, seller)
    }

    async fn off_sale_since(&self, since: Timestamp, after: Uuid, limit: i64) -> Result<Vec<OffSale>, StoreError> {
        off_sale::sqlite::since(&self.0, since, after, limit).await
    }

    async fn showing_available(&self, variants: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
        self.0.read_point(|c| {
            let mut found = Vec::new();
            for variant in variants {
                let mut statement = c.prepare_cached(DETAILS)?;
                let row = statement.query_row([variant.as_bytes()], |row| Ok(rows::showing_available(row)));
                found.extend(row.optional()?.transpose()?.flatten());
            }
            Ok(found)
        })
    }

    async fn settle_off_sale(&self, seller: Uuid, until: Timestamp) -> Result<(), StoreError> {
        off_sale::sqlite::settle(&self.0, seller, until).await
    }
}
