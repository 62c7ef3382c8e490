//! What no client can bring about yet: units that are reserved, and several processes.

use std::time::Duration;

use futures_util::future::join_all;
use kernel::{Caller, Currency, Error, Expected, Money, Principal, Role, Uuid};
use platform::tasks::WriteTasks;
use stock::model::{Adjustment, Stock};

use super::Products;
use crate::catalogue::model::{Content, Listing, Patch, Stocked, VariantContent};
use crate::catalogue::store::suite::{Fixture, on_both};

pub fn caller() -> Caller {
    let principal = Principal {
        logged_in_at: kernel::Timestamp(0),
        account_id: Uuid::from_u128(1),
        session_id: Uuid::nil(),
        username: String::new(),
        email: String::new(),
        role: Role::User,
    };
    Caller { principal, request_id: None, told_of_hidden: false }
}

/// A product of two variants with two units each.
fn shirt() -> Content {
    let mut shirt = Content::plain("Shirt".into(), Money { amount: 1, currency: Currency::USD }, 2);
    shirt.option_names = vec!["Size".into()];
    let sized = |size: &str| VariantContent { option_values: vec![size.into()], ..shirt.variants[0].clone() };
    shirt.variants = vec![sized("S"), sized("L")];
    shirt
}

/// The catalogue as one process has it.
pub fn process(f: &Fixture) -> Products {
    let tasks = WriteTasks::new(100, Duration::from_secs(30));
    Products::new(f.database.clone(), f.context.clone(), tasks, Currency::USD)
}

async fn created(products: &Products, content: Content) -> Stocked {
    let answer = products.create(caller(), content, None, |created, _| created.product.id.to_string().into()).await;
    let id = std::str::from_utf8(&answer.unwrap().body).unwrap().parse().unwrap();
    products.managed(&caller().principal, id).await.unwrap()
}

/// Reserves one unit of each variant.
const RESERVE: &str = "update variants set reserved = 1, available = on_hand - 1";

#[test]
fn what_is_reserved_stays() {
    on_both(async |f| {
        let products = process(&f);
        let before = created(&products, shirt()).await;
        let id = before.product.id;
        let [small, large] = &before.stock[..] else { panic!("two variants") };
        f.execute(RESERVE).await;

        let mut without_large = Listing::from(&before.product);
        without_large.variants.as_mut().unwrap().truncate(1);
        let replaced = products.replace(caller(), id, Expected::Any, without_large).await;
        assert!(matches!(replaced, Err(Error::Conflict(_))), "{replaced:?}");
        let deleted = products.delete_variant(caller(), large.variant_id, Expected::Any).await;
        assert!(matches!(deleted, Err(Error::Conflict(_))), "{deleted:?}");
        let on_hand = async |units| {
            let adjustment = Adjustment::check(None, Some(units), Some("counted".into())).unwrap();
            let render = |stock: &Stock| format!("{} {}", stock.on_hand, stock.available()).into();
            products.stock.change_stock(caller(), small.variant_id, adjustment, None, render).await
        };
        let refused = on_hand(0).await;
        assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
        assert_eq!(on_hand(1).await.unwrap().body, "1 0");
        let deleted = products.delete(caller(), id, Expected::Any).await;
        assert!(matches!(deleted, Err(Error::Conflict(_))), "{deleted:?}");
        // What stays as it is may be edited all the same.
        let renamed = Listing { name: "Blouse".into(), ..Listing::from(&before.product) };
        let renamed = products.replace(caller(), id, Expected::Any, renamed).await.unwrap();
        assert_eq!((renamed.product.version, renamed.stock[1].reserved), (2, 1));
    });
}

#[test]
fn editors_of_one_product_are_all_served_in_whatever_process() {
    on_both(async |f| {
        let processes = [process(&f), process(&f), process(&f)];
        let id = created(&processes[0], shirt()).await.product.id;
        let edits = (0..60).map(|n| {
            let patch = Patch { vendor: Some(Some(n.to_string())), ..Patch::default() };
            processes[n % 3].patch(caller(), id, Expected::Any, patch)
        });
        for edited in join_all(edits).await {
            edited.unwrap();
        }
        assert_eq!(processes[0].managed(&caller().principal, id).await.unwrap().product.version, 61);
    });
}
