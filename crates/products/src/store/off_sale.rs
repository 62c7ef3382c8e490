//! Sellers of whom nothing is for sale.

use std::sync::Arc;

use effects::Effects;
use effects::jobs::Job;
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

    pub async fn enqueue(db: &Sqlite, job: Job) -> Result<(), StoreError> {
        let effects = Effects { jobs: vec![job], ..Effects::default() };
        db.write(move |c: &Connection| effects.write_sqlite(c)).await
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

    pub async fn enqueue(db: &Postgres, job: Job) -> Result<(), StoreError> {
        let mut transaction = db.begin().await?;
        let effects = Effects { jobs: vec![job], ..Effects::default() };
        let written = effects.write_postgres(&mut transaction).await;
        transaction.end(written).await
    }
}

#[cfg(test)]
mod tests {
    use kernel::Currency;

    use super::*;
    use crate::model::Status;
    use crate::store::suite::{Fixture, on_both};
    use crate::store::{ListQuery, Shelf, page};

    const OTHER: Uuid = Uuid::from_u128(2);

    async fn product(f: &Fixture, handle: &str, owner: Uuid) -> Uuid {
        let mut stocked = f.product(handle);
        (stocked.product.owner_id, stocked.product.status) = (owner, Status::Active);
        stocked.product.category = Some("Light".into());
        f.insert(&stocked).await.unwrap();
        stocked.product.id
    }

    fn entry(seller_id: Uuid, mark: u128, since: i64) -> OffSale {
        OffSale { seller_id, mark: Uuid::from_u128(mark), erased: false, since: Timestamp(since) }
    }

    #[test]
    fn an_entry_hides_all_of_a_seller_until_its_own_mark_ends_it() {
        on_both(async |f| {
            let mine = product(&f, "mine", OTHER).await;
            // More than a page, and newer.
            let mut hers = mine;
            for n in 0..150 {
                hers = product(&f, &format!("hers-{n}"), f.owner).await;
            }
            let all = ListQuery::new(Shelf::Public(None), Currency::USD);
            let seen = async || {
                let listed = page(&*f.store, all.clone()).await.unwrap().products;
                let found = f.store.get(hers).await.unwrap().unwrap().is_public();
                let counts = (f.store.count(&all).await.unwrap(), f.store.estimate(&all).await.unwrap());
                (listed.len(), found, counts, f.store.categories(None, 9).await.unwrap()[0].1)
            };
            assert_eq!(seen().await, (20, true, (151, 151), 151));
            f.store.take_off_sale(entry(f.owner, 7, 10)).await.unwrap();
            assert_eq!(seen().await, (1, false, (1, 1), 1));
            assert_eq!(page(&*f.store, all.clone()).await.unwrap().products[0].id, mine);
            let own = ListQuery::new(Shelf::Own(f.owner), Currency::USD);
            assert_eq!(f.store.count(&own).await.unwrap(), 150, "they see their own");
            // Another request takes it over, and the first cannot end it any more.
            f.store.take_off_sale(OffSale { erased: true, ..entry(f.owner, 8, 20) }).await.unwrap();
            f.store.take_off_sale(entry(f.owner, 9, 30)).await.unwrap();
            f.store.put_on_sale(f.owner, Uuid::from_u128(7)).await.unwrap();
            let last = OffSale { erased: true, ..entry(f.owner, 9, 30) };
            assert_eq!(f.store.off_sale(f.owner).await.unwrap(), Some(last), "erased for good");
            assert_eq!(f.store.off_sale_since(Timestamp(30), Uuid::nil(), 5).await.unwrap(), [last]);
            assert_eq!(f.store.off_sale_since(Timestamp(31), Uuid::nil(), 5).await.unwrap(), []);
            assert_eq!(f.store.off_sale_since(Timestamp(0), f.owner, 5).await.unwrap(), []);
            f.store.put_on_sale(f.owner, Uuid::from_u128(9)).await.unwrap();
            assert_eq!(seen().await, (20, true, (151, 151), 151));
        });
    }

    #[test]
    fn who_is_gone_and_had_nothing_is_not_looked_at_by_counts() {
        on_both(async |f| {
            product(&f, "mine", f.owner).await;
            let all = ListQuery::new(Shelf::Public(None), Currency::USD);
            let gone = |seller, since| OffSale { erased: true, ..entry(seller, 7, since) };
            let settled = async |seller, until| {
                f.store.settle_off_sale(seller, Timestamp(until)).await.unwrap();
                // What counts pass over shows in them once there is something after all.
                f.store.count(&all).await.unwrap()
            };
            f.store.take_off_sale(gone(f.owner, 10)).await.unwrap();
            assert_eq!(settled(f.owner, 10).await, 0, "it has a product");
            f.store.take_off_sale(entry(OTHER, 7, 10)).await.unwrap();
            settled(OTHER, 10).await;
            f.store.take_off_sale(gone(OTHER, 20)).await.unwrap();
            settled(OTHER, 19).await;
            product(&f, "theirs", OTHER).await;
            assert_eq!(f.store.count(&all).await.unwrap(), 0, "only deactivated, then too new");
            let third = Uuid::from_u128(3);
            f.store.take_off_sale(gone(third, 20)).await.unwrap();
            settled(third, 20).await;
            product(&f, "late", third).await;
            assert_eq!(f.store.count(&all).await.unwrap(), 1, "passed over");
            let listed = page(&*f.store, all.clone()).await.unwrap().products;
            assert!(listed.is_empty(), "and still off sale");
        });
    }
}
