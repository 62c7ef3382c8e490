//! What every implementation of the store does, run on both.

use std::collections::HashSet;
use std::sync::Arc;

use effects::Effects;
use effects::idempotency::{Answer, Claim};
use effects::log::events as log;
use kernel::{Actor, Currency, SystemClock, Timestamp, Uuid};
use platform::Context;
use stock::model::{Cause, ChangedStock, Stock};
use stock::store::RESERVED_RULE;
use storage::migrate::Migrations;
use storage::{Database, DatabaseUrl, Limits, StoreError};

use super::{HANDLE_RULE, Insert, PageQuery, StockEdit, Store, Update, open};
use crate::MIGRATIONS;
use crate::catalogue::events;
use crate::catalogue::model::{Image, Product, ProductDetails, Status, Stocked, Variant, VariantDetails, handle};

/// Runs the test on an empty store of each kind.
pub(crate) fn on_both(test: impl AsyncFn(Fixture)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = DatabaseUrl::Sqlite(folder.path().to_owned());
        let postgres = testkit::postgres::database().parse().unwrap();
        for url in [sqlite, postgres] {
            let limits = Limits { pool_size: 8, ..Limits::DEFAULT };
            let database = Database::open(&url, "products", limits).await.unwrap();
            database.migrate(&MIGRATIONS).await.unwrap();
            let context = Context::new(Arc::new(SystemClock));
            test(Fixture {
                store: open(&database),
                stock: stock::store::open(&database),
                lists: crate::lists::store::open(&database),
                database,
                context,
                owner: Uuid::from_u128(1),
            })
            .await;
        }
    });
}

/// Steps are left out for as long as what is left still fails: so a failure is told by as few as it takes.
pub(crate) async fn shrunk<Step: Clone, Why>(
    mut steps: Vec<Step>,
    differs: impl AsyncFn(&[Step]) -> Option<Why>,
) -> Vec<Step> {
    let mut at = 0;
    while at < steps.len() {
        let mut fewer = steps.clone();
        fewer.remove(at);
        match differs(&fewer).await {
            Some(_) => (steps, at) = (fewer, 0),
            None => at += 1,
        }
    }
    steps
}

pub(crate) struct Fixture {
    pub store: Arc<dyn Store>,
    pub stock: Arc<dyn stock::store::Store>,
    pub lists: Arc<dyn crate::lists::store::ListStore>,
    pub database: Database,
    pub context: Context,
    pub owner: Uuid,
}

impl Fixture {
    pub async fn found(&self, id: Uuid) -> Option<Product> {
        self.store.get(id).await.unwrap().map(|found| found.product)
    }

    pub fn product(&self, handle: &str) -> Stocked {
        let variant = |size: &str, price, on_hand| Variant {
            id: self.context.id_for(self.owner).unwrap(),
            sku: Some(format!("{handle}-{size}")),
            barcode: None,
            option_values: vec![size.to_owned()],
            price,
            compare_at_price: Some(price + 500),
            in_stock: on_hand > 0,
            details: VariantDetails::default(),
        };
        let variants = vec![variant("S", 1_000, 3), variant("L", 800, 0)];
        let stock = |(variant, on_hand): (&Variant, _)| Stock::new(variant.id, on_hand);
        let stock = variants.iter().zip([3, 0]).map(stock).collect();
        let product = Product {
            id: self.context.id_for(self.owner).unwrap(),
            owner_id: self.owner,
            handle: handle.to_owned(),
            name: format!("Lämp {handle}"),
            description: Some("Bright".into()),
            category: None,
            tags: vec!["a".into(), "b".into()],
            vendor: None,
            status: Status::Active,
            currency: Currency::USD,
            option_names: vec!["Size".into()],
            images: vec![Image { url: "https://example.com/a.jpg".into(), alt: None }],
            variants,
            version: 1,
            created_at: Timestamp(1_700_000_000_000_000),
            updated_at: Timestamp(1_700_000_000_000_000),
            import_digest: None,
            details: ProductDetails::default(),
        };
        Stocked { product, stock }
    }

    pub fn cause(&self) -> Cause {
        Cause { actor: Actor::System, reason: None, reference: None, time: self.context.now() }
    }

    pub fn effects(&self, kind: &'static str, stocked: &Stocked) -> Effects {
        let (id, time) = (self.context.id().unwrap(), stocked.product.updated_at);
        Effects::event(events::event(kind, id, stocked, Actor::System, time, Some("request-1")).unwrap())
    }

    pub async fn insert(&self, stocked: &Stocked) -> Result<Stocked, StoreError> {
        self.insert_with(stocked, self.effects(events::CREATED, stocked)).await
    }

    async fn insert_with(&self, stocked: &Stocked, effects: Effects) -> Result<Stocked, StoreError> {
        self.store.insert(Insert::new(stocked.clone(), self.cause(), effects)).await
    }

    async fn update(&self, edited: &Stocked, expected: i64, set_stock: bool) -> Result<bool, StoreError> {
        let mut effects = self.effects(events::UPDATED, edited);
        let (context, cause) = (self.context.clone(), self.cause());
        let told = cause.clone();
        let with_stock = move |changed: &Vec<ChangedStock>| {
            let event = |changed| stock::events::stock_event(context.id().unwrap(), changed, &told, None);
            effects.events.extend(changed.iter().map(|changed| event(changed).unwrap()));
            Ok(effects)
        };
        let stock = if set_stock { StockEdit::Set } else { StockEdit::Keep };
        let effects = Box::new(with_stock);
        let update = Update { stocked: edited.clone(), expected, stock, cause, effects };
        Ok(self.store.update(vec![update]).await?.is_some())
    }

    pub async fn execute(&self, sql: &'static str) {
        match &self.database {
            Database::Sqlite(db) => drop(db.write(move |c| Ok(c.execute(sql, [])?)).await.unwrap()),
            Database::Postgres(db) => drop(db.query(sql, &[]).await.unwrap()),
        }
    }
}

#[test]
fn what_is_inserted_is_read_back_whole() {
    on_both(async |f| {
        let desk = f.product("desk");
        let id = desk.product.id;
        f.insert(&desk).await.unwrap();
        assert_eq!(f.found(id).await, Some(desk.product.clone()));
        assert_eq!(f.store.get_stocked(id).await.unwrap(), Some(desk.clone()));
        assert_eq!(f.store.by_handle(f.owner, "desk").await.unwrap(), Some(desk.clone()));
        assert_eq!(f.store.by_handle(Uuid::from_u128(2), "desk").await.unwrap(), None);
        let found = f.store.get_by_handle(f.owner, "desk").await.unwrap();
        assert_eq!(found.map(|found| found.product), Some(desk.product.clone()));
        assert!(f.store.get_by_handle(Uuid::from_u128(2), "desk").await.unwrap().is_none());
        assert_eq!(f.found(Uuid::nil()).await, None);
        assert_eq!(f.store.get_stocked(Uuid::nil()).await.unwrap(), None);
        let mut stock = f.store.stock_of(&[Uuid::nil(), id]).await.unwrap();
        stock.sort_by_key(|(_, stock)| stock.variant_id);
        assert_eq!(stock, desk.stock.iter().map(|stock| (id, *stock)).collect::<Vec<_>>());
        let event = log::at_version(&f.database, &events::subject(id), 1).await.unwrap().unwrap();
        assert_eq!(events::stocked_in(&event).unwrap(), desk);
    });
}

#[test]
fn a_refused_insert_leaves_nothing() {
    on_both(async |f| {
        f.store.set_unique_skus(true).await.unwrap();
        let first = f.product("desk");
        f.insert(&first).await.unwrap();
        let same_handle = f.product("desk");
        assert!(f.insert(&same_handle).await.unwrap_err().is_conflict_on(HANDLE_RULE));
        let mut same_sku = f.product("chair");
        same_sku.product.variants[1].sku = Some("DESK-s".into());
        let refused = f.insert(&same_sku).await.unwrap_err();
        assert!(refused.is_conflict_on("variants.owner_id, variants.sku_key"), "{refused}");
        let mut negative = f.product("stool");
        negative.stock[0].on_hand = -1;
        assert!(matches!(f.insert(&negative).await, Err(StoreError::Conflict(_))));
        for refused in [same_handle, same_sku, negative] {
            let id = refused.product.id;
            assert_eq!(f.found(id).await, None);
            let event = log::at_version(&f.database, &events::subject(id), 1).await.unwrap();
            assert_eq!(event, None, "no event without its change");
        }
    });
}

#[test]
fn of_inserts_at_once_only_those_that_break_a_rule_are_refused() {
    on_both(async |f| {
        // Every fourth has the handle of the one before it.
        let products: Vec<Stocked> = (0..200_i32)
            .map(|n| {
                let mut stocked = f.product(&format!("p{n}"));
                if n % 4 == 3 {
                    stocked.product.handle = format!("p{}", n - 1);
                }
                stocked
            })
            .collect();
        let inserts = products.iter().map(|product| f.insert(product));
        let results = futures_util::future::join_all(inserts).await;
        for (n, pair) in results.chunks(4).enumerate() {
            assert!(pair[0].is_ok() && pair[1].is_ok(), "{n}: {pair:?}");
            assert!(pair[2].is_ok() != pair[3].is_ok(), "{n}: {pair:?}");
        }
        for (stocked, result) in products.iter().zip(results) {
            let id = stocked.product.id;
            let logged = log::at_version(&f.database, &events::subject(id), 1).await.unwrap();
            assert_eq!(f.found(id).await.is_some(), result.is_ok());
            assert_eq!(logged.is_some(), result.is_ok(), "an event with its change, and only then");
        }
    });
}

/// Two processes insert the same seller's products in opposite orders.
#[test]
fn groups_of_two_processes_do_not_lock_each_other_out() {
    on_both(async |f| {
        let (database, context) = (f.database.clone(), f.context.clone());
        let other = Fixture {
            store: open(&database),
            stock: stock::store::open(&database),
            lists: crate::lists::store::open(&database),
            database,
            context,
            owner: f.owner,
        };
        for round in 0..5 {
            let handles: Vec<String> = (0..60).map(|n| format!("r{round}-{n:02}")).collect();
            let inserted = async |f: &Fixture, handles: Vec<&String>| {
                let without_skus = |handle: &String| {
                    let mut stocked = f.product(handle);
                    stocked.product.variants.iter_mut().for_each(|variant| variant.sku = None);
                    stocked
                };
                let products: Vec<Stocked> = handles.into_iter().map(without_skus).collect();
                futures_util::future::join_all(products.iter().map(|product| f.insert(product))).await
            };
            let both = futures_util::future::join(
                inserted(&f, handles.iter().collect()),
                inserted(&other, handles.iter().rev().collect()),
            );
            let (up, down) = both.await;
            for (up, down) in up.iter().zip(down.iter().rev()) {
                let refused = up.as_ref().err().or(down.as_ref().err()).expect("one of the two is refused");
                assert!(up.is_ok() || down.is_ok(), "{up:?} {down:?}");
                assert!(refused.is_conflict_on(HANDLE_RULE), "{refused}");
            }
        }
    });
}

#[test]
fn a_product_whose_derived_handle_is_taken_gets_another() {
    on_both(async |f| {
        let derived = || {
            let id = f.context.id().unwrap();
            let mut desk = f.product("desk");
            desk.product.variants.iter_mut().for_each(|variant| variant.sku = None);
            let event = move |stocked: &Stocked| {
                let event = events::event(events::CREATED, id, stocked, Actor::System, Timestamp(0), None);
                Effects::event(event.unwrap())
            };
            let effects = event(&desk);
            Insert::new(desk, f.cause(), effects).or_renamed(Box::new(move |stocked| Ok(event(stocked))))
        };
        // One after the other.
        for n in 1..=12 {
            let Product { handle, id, .. } = f.store.insert(derived()).await.unwrap().product;
            match n {
                1 => assert_eq!(handle, "desk"),
                2..=9 => assert_eq!(handle, format!("desk-{n}")),
                _ => assert_eq!(handle, handle::distinct("desk", id)),
            }
        }
        // Many at once, in several processes.
        f.execute("delete from products").await;
        let processes = [0, 1, 2].map(|_| open(&f.database));
        let inserts = (0..60).map(|n| processes[n % 3].insert(derived()));
        let mut handles = HashSet::new();
        for inserted in futures_util::future::join_all(inserts).await {
            let inserted = inserted.unwrap();
            let event = log::at_version(&f.database, &events::subject(inserted.product.id), 1).await.unwrap();
            assert_eq!(events::stocked_in(&event.unwrap()).unwrap(), inserted, "the event tells what was written");
            assert_eq!(f.found(inserted.product.id).await.as_ref(), Some(&inserted.product));
            handles.insert(inserted.product.handle);
        }
        assert!(handles.len() == 60 && handles.contains("desk"), "{handles:?}");
    });
}

#[test]
fn an_edit_applies_to_the_version_it_was_made_on() {
    on_both(async |f| {
        let before = f.product("desk");
        let id = before.product.id;
        f.insert(&before).await.unwrap();
        let mut after = before.clone();
        after.product.version = 2;
        after.product.name = "Desk".into();
        after.product.variants.swap(0, 1);
        after.stock.swap(0, 1);
        after.product.variants[1].price = 700;
        after.stock[1].on_hand = 9;
        assert!(f.update(&after, 1, false).await.unwrap());
        let stored = f.store.get_stocked(id).await.unwrap().unwrap();
        assert_eq!((stored.product.name.as_str(), stored.product.lowest_price()), ("Desk", 700));
        assert_eq!(stored.total(), 3, "stock is left alone unless it is set");
        let stale = f.update(&after, 1, true).await.unwrap();
        assert!(!stale);
        let stock_event =
            async |variant: Uuid| log::at_version(&f.database, &format!("variants/{variant}"), 1).await.unwrap();
        assert_eq!(stock_event(after.stock[1].variant_id).await, None);
        let mut emptied = stored.clone();
        emptied.product.version = 3;
        emptied.product.variants.remove(0);
        emptied.stock.remove(0);
        emptied.stock[0].on_hand = 0;
        emptied.product.variants[0].in_stock = false;
        assert!(f.update(&emptied, 2, true).await.unwrap());
        assert!(stock_event(emptied.stock[0].variant_id).await.is_some(), "a stock that an edit sets is told too");
        assert_eq!(f.store.get_stocked(id).await.unwrap(), Some(emptied.clone()));
        assert_eq!(f.found(id).await, Some(emptied.product));
    });
}

#[test]
fn variants_of_a_product_may_trade_skus_and_options() {
    on_both(async |f| {
        f.store.set_unique_skus(true).await.unwrap();
        let mut desk = f.product("desk");
        f.insert(&desk).await.unwrap();
        desk.product.version = 2;
        let [small, large] = &mut desk.product.variants[..] else { panic!("two variants") };
        std::mem::swap(&mut small.sku, &mut large.sku);
        std::mem::swap(&mut small.option_values, &mut large.option_values);
        assert!(f.update(&desk, 1, false).await.unwrap());
        assert_eq!(f.store.get_stocked(desk.product.id).await.unwrap(), Some(desk.clone()));
        let mut other = f.product("chair");
        other.product.variants[0].sku = desk.product.variants[0].sku.clone();
        assert!(matches!(f.insert(&other).await, Err(StoreError::Conflict(_))), "the SKU still belongs to the desk");
    });
}

#[test]
fn an_edit_shows_the_stock_as_it_is() {
    on_both(async |f| {
        let mut desk = f.product("desk");
        f.insert(&desk).await.unwrap();
        // Somebody bought all of it since the edit began.
        f.execute("update variants set on_hand = 0, available = 0 where on_hand = 3").await;
        desk.product.version = 2;
        assert!(f.update(&desk, 1, false).await.unwrap());
        assert!(!f.found(desk.product.id).await.unwrap().in_stock());
    });
}

#[test]
fn stock_never_falls_below_what_is_reserved() {
    on_both(async |f| {
        let mut desk = f.product("desk");
        f.insert(&desk).await.unwrap();
        f.execute("update variants set reserved = 2, available = available - 2 where on_hand = 3").await;
        desk.product.version = 2;
        desk.stock[0].on_hand = 1;
        let refused = f.update(&desk, 1, true).await.unwrap_err();
        assert!(refused.is_conflict_on(RESERVED_RULE), "{refused}");
        assert_eq!(f.found(desk.product.id).await.unwrap().version, 1, "nothing of the edit is left");
        desk.product.variants.remove(0);
        desk.stock.remove(0);
        let refused = f.update(&desk, 1, false).await.unwrap_err();
        assert!(refused.is_conflict_on(RESERVED_RULE), "a variant stays while units of it are reserved: {refused}");
    });
}

#[test]
fn a_store_of_the_schema_before_keeps_its_data() {
    on_both(async |f| {
        let desk = f.product("desk");
        f.insert(&desk).await.unwrap();
        // The store as it was before step 3, holding the same.
        let folder = tempfile::tempdir().unwrap();
        let url = match &f.database {
            Database::Sqlite(_) => DatabaseUrl::Sqlite(folder.path().to_owned()),
            Database::Postgres(_) => testkit::postgres::database().parse().unwrap(),
        };
        let limits = Limits { pool_size: 2, shared_connections: 1, ..Limits::DEFAULT };
        let old = Database::open(&url, "products", limits).await.unwrap();
        let steps = Migrations { sqlite: &MIGRATIONS.sqlite[..2], postgres: &MIGRATIONS.postgres[..2], additions: &[] };
        old.migrate(&steps).await.unwrap();
        let (id, quote): (fn(Uuid) -> String, _) = match &old {
            Database::Sqlite(_) => (|id| format!("x'{}'", id.simple()), ""),
            Database::Postgres(_) => (|id| format!("'{id}'"), "'"),
        };
        let p = &desk.product;
        let mut rows = vec![format!(
            "insert into products (id, owner_id, handle, name, name_key, description, tags, status, currency, option_names, \
             images, price, in_stock, version, created_at, updated_at) values ({}, {}, 'desk', '{}', '', 'Bright', \
             '[\"a\",\"b\"]', 'active', 'USD', '[\"Size\"]', '[{{\"url\":\"https://example.com/a.jpg\",\"alt\":null}}]', 800, \
             {quote}1{quote}, 1, {}, {})",
            id(p.id),
            id(p.owner_id),
            p.name,
            p.created_at.0,
            p.updated_at.0
        )];
        for (n, (v, stock)) in p.variants.iter().zip(&desk.stock).enumerate() {
            rows.push(format!(
                "insert into variants (id, product_id, owner_id, position, sku, sku_key, option_values, price, compare_at_price, \
                 on_hand, available) values ({}, {}, {}, {n}, '{}', 'k{n}', '[\"{}\"]', {}, {}, {}, {})",
                id(v.id), id(p.id), id(p.owner_id), v.sku.as_deref().unwrap(), v.option_values[0], v.price,
                v.compare_at_price.unwrap(), stock.on_hand, stock.on_hand
            ));
        }
        for row in rows {
            match &old {
                Database::Sqlite(db) => drop(db.write(move |c| Ok(c.execute(&row, [])?)).await.unwrap()),
                Database::Postgres(db) => drop(db.query_slow(&row, &[]).await.unwrap()),
            }
        }
        old.migrate(&MIGRATIONS).await.unwrap();
        assert_eq!(open(&old).get_stocked(p.id).await.unwrap(), Some(desk));
    });
}

#[test]
fn a_deleted_product_is_gone_with_its_variants() {
    on_both(async |f| {
        let mut desk = f.product("desk");
        let id = desk.product.id;
        f.insert(&desk).await.unwrap();
        desk.product.version = 2;
        assert!(!f.store.delete(id, 7, f.cause(), f.effects(events::DELETED, &desk)).await.unwrap());
        assert!(f.store.delete(id, 1, f.cause(), f.effects(events::DELETED, &desk)).await.unwrap());
        assert_eq!(f.found(id).await, None);
        assert_eq!(f.store.stock_of(&[id]).await.unwrap(), []);
        f.insert(&f.product("desk")).await.unwrap();
    });
}

#[test]
fn a_product_stays_while_units_of_it_are_reserved() {
    on_both(async |f| {
        let mut desk = f.product("desk");
        let id = desk.product.id;
        f.insert(&desk).await.unwrap();
        f.execute("update variants set reserved = 1, available = available - 1 where on_hand = 3").await;
        desk.product.version = 2;
        let delete = async || f.store.delete(id, 1, f.cause(), f.effects(events::DELETED, &desk)).await;
        let refused = delete().await.unwrap_err();
        assert!(refused.is_conflict_on(RESERVED_RULE), "{refused}");
        assert_eq!(f.store.get_stocked(id).await.unwrap().unwrap().stock.len(), 2);
        assert_eq!(log::at_version(&f.database, &events::subject(id), 2).await.unwrap(), None);
        f.execute("update variants set reserved = 0, available = on_hand").await;
        assert!(delete().await.unwrap());
    });
}

#[test]
fn pages_filter_count_and_order() {
    on_both(async |f| {
        for n in 0..30 {
            let mut stocked = f.product(&format!("p{n}"));
            let product = &mut stocked.product;
            product.created_at = Timestamp(product.created_at.0 + n / 2);
            product.category = Some(if n % 3 == 0 { "Light" } else { "light" }.into());
            product.status = if n % 2 == 0 { Status::Active } else { Status::Draft };
            f.insert(&stocked).await.unwrap();
        }
        let all = PageQuery { owner: Some(f.owner), limit: 7, offset: 28, ..PageQuery::default() };
        let (page, total) = f.store.page(all).await.unwrap();
        assert_eq!((page.len(), total), (2, 30));
        let light = PageQuery { category: Some("Light".into()), limit: 100, ..PageQuery::default() };
        assert_eq!(f.store.page(light).await.unwrap().1, 10, "categories are exact");
        for (search, found) in [("LÄMP P1", 11), ("lämp", 30), ("%", 0), ("_", 0), ("amp", 0)] {
            let search = Some(kernel::text::fold(search));
            let query = PageQuery { search, limit: 100, ..PageQuery::default() };
            assert_eq!(f.store.page(query).await.unwrap().1, found);
        }
    });
}

#[test]
fn a_key_is_claimed_once_with_its_effect() {
    on_both(async |f| {
        let claim = Claim::new(f.owner, "POST", "/r", "key", b"body", f.context.now());
        let answer = |stocked: &Stocked| Answer::new(201, "answer".into(), events::subject(stocked.product.id), 1);
        let answered = |stocked: &Stocked| answer(stocked).under(claim.clone());
        let (first, second) = (f.product("one"), f.product("two"));
        let mut effects = f.effects(events::CREATED, &first);
        effects.answered = Some(answered(&first));
        f.insert_with(&first, effects).await.unwrap();
        let mut effects = f.effects(events::CREATED, &second);
        effects.answered = Some(answered(&second));
        let refused = f.insert_with(&second, effects).await.unwrap_err();
        assert!(refused.is_conflict_on(effects::idempotency::records::CONFLICT), "{refused}");
        assert_eq!(f.found(second.product.id).await, None);
        let stored = effects::idempotency::records::find(&f.database, &claim).await.unwrap().unwrap();
        assert_eq!((stored.status, stored.body.as_deref()), (201, Some(&b"answer"[..])));
        let expired = claim.expires_at().after(std::time::Duration::from_secs(1));
        assert_eq!(effects::idempotency::records::sweep(&f.database, expired, 10).await.unwrap(), 1);
        assert!(effects::idempotency::records::find(&f.database, &claim).await.unwrap().is_none());
    });
}

#[test]
fn a_row_that_does_not_fit_is_named() {
    on_both(async |f| {
        let desk = f.product("desk");
        let id = desk.product.id;
        f.insert(&desk).await.unwrap();
        f.execute("update products set currency = 'XXZ'").await;
        let error = f.store.get(id).await.unwrap_err().to_string();
        assert!(error.contains("products") && error.contains("currency") && error.contains(&id.to_string()), "{error}");
    });
}

/// Plans are made on a small table and kept.
#[test]
fn a_look_up_by_handle_is_planned_for_a_large_table_from_the_start() {
    on_both(async |f| {
        let Database::Postgres(db) = &f.database else { return };
        for statement in [super::rows::BY_HANDLE, super::rows::FIND_BY_HANDLE] {
            let explain = format!("explain {}", statement.replace("$1", "$1::uuid").replace("$2", "$2::text"));
            let plan = db.query_slow(&explain, &[&f.owner, &"desk"]).await.unwrap();
            let plan: String = plan.iter().map(|row| row.get::<_, String>(0)).collect();
            assert!(plan.contains(HANDLE_RULE), "{plan}");
        }
    });
}
