//! What taking a seller off sale does to what everyone sees.

use kernel::{Currency, Timestamp, Uuid};
use stock::model::OffSale;

use crate::catalogue::model::Status;
use crate::catalogue::store::suite::{Fixture, on_both};
use crate::lists::store::{ListQuery, Shelf, page};

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
            let listed = page(&*f.lists, all.clone()).await.unwrap().products;
            let found = f.store.get(hers).await.unwrap().unwrap().is_public();
            let counts = (f.lists.count(&all).await.unwrap(), f.lists.estimate(&all).await.unwrap());
            (listed.len(), found, counts, f.lists.categories(None, 9).await.unwrap()[0].1)
        };
        assert_eq!(seen().await, (20, true, (151, 151), 151));
        f.stock.take_off_sale(entry(f.owner, 7, 10)).await.unwrap();
        assert_eq!(seen().await, (1, false, (1, 1), 1));
        assert_eq!(page(&*f.lists, all.clone()).await.unwrap().products[0].id, mine);
        let own = ListQuery::new(Shelf::Own(f.owner), Currency::USD);
        assert_eq!(f.lists.count(&own).await.unwrap(), 150, "they see their own");
        // Another request takes it over, and the first cannot end it any more.
        f.stock.take_off_sale(OffSale { erased: true, ..entry(f.owner, 8, 20) }).await.unwrap();
        f.stock.take_off_sale(entry(f.owner, 9, 30)).await.unwrap();
        f.stock.put_on_sale(f.owner, Uuid::from_u128(7)).await.unwrap();
        let last = OffSale { erased: true, ..entry(f.owner, 9, 30) };
        assert_eq!(f.stock.off_sale(f.owner).await.unwrap(), Some(last), "erased for good");
        assert_eq!(f.stock.off_sale_since(Timestamp(30), Uuid::nil(), 5).await.unwrap(), [last]);
        assert_eq!(f.stock.off_sale_since(Timestamp(31), Uuid::nil(), 5).await.unwrap(), []);
        assert_eq!(f.stock.off_sale_since(Timestamp(0), f.owner, 5).await.unwrap(), []);
        f.stock.put_on_sale(f.owner, Uuid::from_u128(9)).await.unwrap();
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
            f.stock.settle_off_sale(seller, Timestamp(until)).await.unwrap();
            // What counts pass over shows in them once there is something after all.
            f.lists.count(&all).await.unwrap()
        };
        f.stock.take_off_sale(gone(f.owner, 10)).await.unwrap();
        assert_eq!(settled(f.owner, 10).await, 0, "it has a product");
        f.stock.take_off_sale(entry(OTHER, 7, 10)).await.unwrap();
        settled(OTHER, 10).await;
        f.stock.take_off_sale(gone(OTHER, 20)).await.unwrap();
        settled(OTHER, 19).await;
        product(&f, "theirs", OTHER).await;
        assert_eq!(f.lists.count(&all).await.unwrap(), 0, "only deactivated, then too new");
        let third = Uuid::from_u128(3);
        f.stock.take_off_sale(gone(third, 20)).await.unwrap();
        settled(third, 20).await;
        product(&f, "late", third).await;
        assert_eq!(f.lists.count(&all).await.unwrap(), 1, "passed over");
        let listed = page(&*f.lists, all.clone()).await.unwrap().products;
        assert!(listed.is_empty(), "and still off sale");
    });
}
