//! What no client can bring about yet: units that are reserved.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Currency, Error, Money, Principal, Role, SystemClock, Uuid};
use platform::Context;
use platform::db::{Database, DatabaseUrl, Limits};
use platform::tasks::WriteTasks;

use super::{Caller, Products};
use crate::MIGRATIONS;
use crate::model::{Adjustment, Content, VariantContent};

fn caller() -> Caller {
    let principal = Principal {
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

#[tokio::test]
async fn a_variant_stays_while_units_of_it_are_reserved() {
    let folder = tempfile::tempdir().unwrap();
    let url = DatabaseUrl::Sqlite(folder.path().to_owned());
    let limits = Limits { pool_size: 2, shared_connections: 1 };
    let database = Database::open(&url, "products", limits).await.unwrap();
    database.migrate(&MIGRATIONS).await.unwrap();
    let Database::Sqlite(db) = database.clone() else { unreachable!("a folder") };
    let tasks = WriteTasks::new(8, Duration::from_secs(30));
    let products = Products::new(database, Context::new(Arc::new(SystemClock)), tasks, Currency::USD);
    let created = products.create(caller(), shirt(), None, |created| created.product.id.to_string().into()).await;
    let id: Uuid = std::str::from_utf8(&created.unwrap().body).unwrap().parse().unwrap();
    db.write(|c| Ok(c.execute("update variants set reserved = 1, available = 1", [])?)).await.unwrap();
    let before = products.managed(&caller().principal, id).await.unwrap();
    let [small, large] = &before.stock[..] else { panic!("two variants") };

    let mut without_large = shirt();
    without_large.variants.truncate(1);
    let replaced = products.replace(caller(), id, |_| Ok(()), without_large).await;
    assert!(matches!(replaced, Err(Error::Conflict(_))), "{replaced:?}");
    let deleted = products.delete_variant(caller(), large.variant_id, |_| Ok(())).await;
    assert!(matches!(deleted, Err(Error::Conflict(_))), "{deleted:?}");
    let on_hand = async |units| {
        let adjustment = Adjustment::check(None, Some(units), "counted".into()).unwrap();
        let render = |stock: &crate::model::Stock| format!("{} {}", stock.on_hand, stock.available()).into();
        products.change_stock(caller(), small.variant_id, adjustment, None, render).await
    };
    let refused = on_hand(0).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    assert_eq!(on_hand(1).await.unwrap().body, "1 0");
    // What stays as it is may be edited all the same.
    let mut renamed = shirt();
    renamed.name = "Blouse".into();
    let renamed = products.replace(caller(), id, |_| Ok(()), renamed).await.unwrap();
    assert_eq!((renamed.product.version, renamed.stock[1].reserved), (2, 1));
}
