//! Sellers of whom nothing is for sale.

use std::sync::Arc;

use kernel::{Timestamp, Uuid};
use rusqlite::{Connection, OptionalExtension, params};
use storage::StoreError;
use storage::postgres::Postgres;
use storage::row::Columns;
use storage::sqlite::Sqlite;

use crate::model::OffSale;

const TAKE: &str = "insert into sellers_off_sale (seller_id, mark, erased, since) values ($1, $2, $3, $4) \
    on conflict (seller_id) do update set mark = excluded.mark, since = excluded.since, \
    erased = case when excluded.erased then excluded.erased else sellers_off_sale.erased end";
const PUT: &str = "delete from sellers_off_sale where seller_id = $1 and mark = $2";
const SETTLE: &str = "update sellers_off_sale set settled = true where seller_id = $1 and erased and since <= $2 \
    and not exists (select 1 from products where owner_id = $1)";
const GET: &str = "select seller_id, mark, erased, since from sellers_off_sale where seller_id = $1";
const SINCE: &str = "select seller_id, mark, erased, since from sellers_off_sale where since >= $1 and seller_id > $2 \
    order by seller_id limit $3";

fn entry(row: &impl Columns) -> Result<OffSale, StoreError> {
    let seller_id = row.uuid(0).map_err(|error| StoreError::corrupt("sellers_off_sale", "seller_id", "?", error))?;
    let wrong = |column| move |error: String| StoreError::corrupt("sellers_off_sale", column, seller_id, error);
    Ok(OffSale {
        seller_id,
        mark: row.uuid(1).map_err(wrong("mark"))?,
        erased: row.boolean(2).map_err(wrong("erased"))?,
        since: row.integer(3).map(Timestamp).map_err(wrong("since"))?,
    })
}

pub mod sqlite {
    use super::*;

    pub async fn take(db: &Sqlite, entry: OffSale) -> Result<(), StoreError> {
        let OffSale { seller_id, mark, erased, since } = entry;
        db.write(move |c: &Connection| {
            let values = params![seller_id.as_bytes(), mark.as_bytes(), erased, since.0];
            c.prepare_cached(TAKE)?.execute(values)?;
            Ok(())
        })
        .await
    }

    pub async fn put(db: &Sqlite, seller: Uuid, mark: Uuid) -> Result<(), StoreError> {
        db.write(move |c: &Connection| {
            c.prepare_cached(PUT)?.execute(params![seller.as_bytes(), mark.as_bytes()])?;
            Ok(())
        })
        .await
    }

    pub async fn settle(db: &Sqlite, seller: Uuid, until: Timestamp) -> Result<(), StoreError> {
        db.write(move |c: &Connection| {
            c.prepare_cached(SETTLE)?.execute(params![seller.as_bytes(), until.0])?;
            Ok(())
        })
        .await
    }

    pub fn get(db: &Sqlite, seller: Uuid) -> Result<Option<OffSale>, StoreError> {
        db.read_point(|c| {
            let mut statement = c.prepare_cached(GET)?;
            statement.query_row([seller.as_bytes()], |row| Ok(entry(row))).optional()?.transpose()
        })
    }

    pub async fn since(
        db: &Arc<Sqlite>,
        since: Timestamp,
        after: Uuid,
        limit: i64,
    ) -> Result<Vec<OffSale>, StoreError> {
        db.read(move |c: &Connection| {
            let mut statement = c.prepare_cached(SINCE)?;
            let found = statement.query_map(params![since.0, after.as_bytes(), limit], |row| Ok(entry(row)))?;
            found.map(|row| row?).collect()
        })
        .await
    }
}

pub mod postgres {
    use super::*;

    pub async fn take(db: &Postgres, entry: OffSale) -> Result<(), StoreError> {
        let OffSale { seller_id, mark, erased, since } = entry;
        let mut transaction = db.begin().await?;
        let taken = transaction.execute(TAKE, &[&seller_id, &mark, &erased, &since.0]).await.map(drop);
        transaction.end(taken).await
    }

    pub async fn put(db: &Postgres, seller: Uuid, mark: Uuid) -> Result<(), StoreError> {
        let mut transaction = db.begin().await?;
        let put = transaction.execute(PUT, &[&seller, &mark]).await.map(drop);
        transaction.end(put).await
    }

    pub async fn settle(db: &Postgres, seller: Uuid, until: Timestamp) -> Result<(), StoreError> {
        let mut transaction = db.begin().await?;
        let settled = transaction.execute(SETTLE, &[&seller, &until.0]).await.map(drop);
        transaction.end(settled).await
    }

    pub async fn get(db: &Postgres, seller: Uuid) -> Result<Option<OffSale>, StoreError> {
        db.query_opt(GET, &[&seller]).await?.as_ref().map(entry).transpose()
    }

    pub async fn since(db: &Postgres, since: Timestamp, after: Uuid, limit: i64) -> Result<Vec<OffSale>, StoreError> {
        db.query_slow(SINCE, &[&since.0, &after, &limit]).await?.iter().map(entry).collect()
    }
}
