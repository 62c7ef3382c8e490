//! What every implementation of the store does, run on both.

use std::sync::Arc;

use kernel::{Currency, SystemClock, Timestamp, Uuid};
use platform::Context;
use platform::db::{Database, DatabaseUrl, Effects, Limits, StoreError, events as log};
use platform::idempotency::{Answered, Claim};

use super::{ActiveQuery, HANDLE_RULE, MIGRATIONS, PageQuery, Store, open};
use crate::events;
use crate::model::{Image, Product, Status, Variant};

/// Runs the test on an empty store of each kind.
fn on_both(test: impl AsyncFn(Fixture)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = DatabaseUrl::Sqlite(folder.path().to_owned());
        let postgres = testkit::postgres::database().parse().unwrap();
        for url in [sqlite, postgres] {
            let limits = Limits { pool_size: 8, shared_connections: 2 };
            let database = Database::open(&url, "products", limits).await.unwrap();
            database.migrate(&MIGRATIONS).await.unwrap();
            let context = Context::new(Arc::new(SystemClock));
            test(Fixture { store: open(&database), database, context, owner: Uuid::from_u128(1) }).await;
        }
    });
}

struct Fixture {
    store: Arc<dyn Store>,
    database: Database,
    context: Context,
    owner: Uuid,
}

impl Fixture {
    fn product(&self, handle: &str) -> Product {
        let variant = |size: &str, price, on_hand| Variant {
            id: self.context.id_for(self.owner).unwrap(),
            sku: Some(format!("{handle}-{size}")),
            barcode: None,
            option_values: vec![size.to_owned()],
            price,
            compare_at_price: Some(price + 500),
            on_hand,
            reserved: 0,
        };
        Product {
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
            variants: vec![variant("S", 1_000, 3), variant("L", 800, 0)],
            version: 1,
            created_at: Timestamp(1_700_000_000_000_000),
            updated_at: Timestamp(1_700_000_000_000_000),
            import_digest: None,
        }
    }

    fn effects(&self, kind: &'static str, product: &Product) -> Effects {
        let id = self.context.id().unwrap();
        let event = events::event(kind, id, product, kernel::Actor::System, product.updated_at, Some("request-1"));
        Effects::event(event.unwrap())
    }

    async fn insert(&self, product: &Product) -> Result<(), StoreError> {
        self.store.insert(product.clone(), self.effects(events::CREATED, product)).await
    }
}

#[test]
fn what_is_inserted_is_read_back_whole() {
    on_both(async |f| {
        let product = f.product("desk");
        f.insert(&product).await.unwrap();
        assert_eq!(f.store.get(product.id).await.unwrap(), Some(product.clone()));
        assert_eq!(f.store.by_handle(f.owner, "desk").await.unwrap(), Some(product.clone()));
        assert_eq!(f.store.by_handle(Uuid::from_u128(2), "desk").await.unwrap(), None);
        assert_eq!(f.store.get(Uuid::nil()).await.unwrap(), None);
        let event = log::at_version(&f.database, &events::subject(product.id), 1).await.unwrap().unwrap();
        assert_eq!(events::product_in(&event).unwrap(), product);
    });
}

#[test]
fn a_refused_insert_leaves_nothing() {
    on_both(async |f| {
        let first = f.product("desk");
        f.insert(&first).await.unwrap();
        let same_handle = f.product("desk");
        assert!(f.insert(&same_handle).await.unwrap_err().is_conflict_on(HANDLE_RULE));
        let mut same_sku = f.product("chair");
        same_sku.variants[1].sku = Some("DESK-s".into());
        let refused = f.insert(&same_sku).await.unwrap_err();
        assert!(refused.is_conflict_on("variants.owner_id, variants.sku_key"), "{refused}");
        let mut negative = f.product("stool");
        negative.variants[0].on_hand = -1;
        assert!(matches!(f.insert(&negative).await, Err(StoreError::Conflict(_))));
        for refused in [same_handle, same_sku, negative] {
            assert_eq!(f.store.get(refused.id).await.unwrap(), None);
            let subject = events::subject(refused.id);
            assert_eq!(log::at_version(&f.database, &subject, 1).await.unwrap(), None, "no event without its change");
        }
    });
}

#[test]
fn an_edit_applies_to_the_version_it_was_made_on() {
    on_both(async |f| {
        let before = f.product("desk");
        f.insert(&before).await.unwrap();
        let mut after = before.clone();
        after.version = 2;
        after.name = "Desk".into();
        after.variants.swap(0, 1);
        after.variants[1].price = 700;
        after.variants[1].on_hand = 9;
        assert!(f.store.update(after.clone(), 1, false, f.effects(events::UPDATED, &after)).await.unwrap());
        let stored = f.store.get(before.id).await.unwrap().unwrap();
        assert_eq!((stored.name.as_str(), stored.lowest_price()), ("Desk", 700));
        assert_eq!(stored.total_stock(), 3, "stock is left alone unless it is set");
        let stale = f.store.update(after.clone(), 1, true, f.effects(events::UPDATED, &after)).await.unwrap();
        assert!(!stale);
        let mut emptied = stored.clone();
        emptied.version = 3;
        emptied.variants.truncate(1);
        emptied.variants[0].on_hand = 0;
        assert!(f.store.update(emptied.clone(), 2, true, f.effects(events::UPDATED, &emptied)).await.unwrap());
        assert_eq!(f.store.get(before.id).await.unwrap(), Some(emptied));
    });
}

#[test]
fn stock_never_falls_below_what_is_reserved() {
    on_both(async |f| {
        let mut product = f.product("desk");
        f.insert(&product).await.unwrap();
        let reserve = "update variants set reserved = 2, available = available - 2 where on_hand = 3";
        match &f.database {
            Database::Sqlite(db) => drop(db.write(move |c| Ok(c.execute(reserve, [])?)).await.unwrap()),
            Database::Postgres(db) => drop(db.query(reserve, &[]).await.unwrap()),
        }
        product.version = 2;
        product.variants[0].on_hand = 1;
        let effects = f.effects(events::UPDATED, &product);
        let refused = f.store.update(product.clone(), 1, true, effects).await.unwrap_err();
        assert!(refused.is_conflict_on("variants.reserved"), "{refused}");
        assert_eq!(f.store.get(product.id).await.unwrap().unwrap().version, 1, "nothing of the edit is left");
    });
}

#[test]
fn a_deleted_product_is_gone_with_its_variants() {
    on_both(async |f| {
        let mut product = f.product("desk");
        f.insert(&product).await.unwrap();
        product.version = 2;
        assert!(!f.store.delete(product.id, 7, f.effects(events::DELETED, &product)).await.unwrap());
        assert!(f.store.delete(product.id, 1, f.effects(events::DELETED, &product)).await.unwrap());
        assert_eq!(f.store.get(product.id).await.unwrap(), None);
        f.insert(&f.product("desk")).await.unwrap();
    });
}

#[test]
fn pages_filter_count_and_order() {
    on_both(async |f| {
        for n in 0..30 {
            let mut product = f.product(&format!("p{n}"));
            product.created_at = Timestamp(product.created_at.0 + n / 2);
            product.category = Some(if n % 3 == 0 { "Light" } else { "light" }.into());
            product.status = if n % 2 == 0 { Status::Active } else { Status::Draft };
            f.insert(&product).await.unwrap();
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
        let mut after = None;
        let mut walked = Vec::new();
        loop {
            let page = f.store.active(ActiveQuery { category: None, after, limit: 4 }).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some((last.created_at, last.id));
            walked.extend(page.iter().map(|product| (product.created_at, product.id)));
        }
        assert_eq!(walked.len(), 15);
        assert!(walked.windows(2).all(|pair| pair[0] > pair[1]), "newest first, each once");
    });
}

#[test]
fn a_key_is_claimed_once_with_its_effect() {
    on_both(async |f| {
        let claim = Claim::new(f.owner, "POST", "/r", "key", b"body", f.context.now());
        let answered = |product: &Product| Answered {
            claim: claim.clone(),
            status: 201,
            body: "answer".into(),
            subject: events::subject(product.id),
            version: 1,
        };
        let (first, second) = (f.product("one"), f.product("two"));
        let mut effects = f.effects(events::CREATED, &first);
        effects.answered = Some(answered(&first));
        f.store.insert(first.clone(), effects).await.unwrap();
        let mut effects = f.effects(events::CREATED, &second);
        effects.answered = Some(answered(&second));
        let refused = f.store.insert(second.clone(), effects).await.unwrap_err();
        assert!(refused.is_conflict_on(platform::db::idempotency::CONFLICT), "{refused}");
        assert_eq!(f.store.get(second.id).await.unwrap(), None);
        let stored = f.database.answered(&claim).await.unwrap().unwrap();
        assert_eq!((stored.status, stored.body.as_deref()), (201, Some(&b"answer"[..])));
        let expired = claim.expires_at().after(std::time::Duration::from_secs(1));
        assert_eq!(f.database.sweep_idempotency(expired, 10).await.unwrap(), 1);
        assert!(f.database.answered(&claim).await.unwrap().is_none());
    });
}

#[test]
fn a_row_that_does_not_fit_is_named() {
    on_both(async |f| {
        let product = f.product("desk");
        f.insert(&product).await.unwrap();
        let damage = "update products set currency = 'XXZ'";
        match &f.database {
            Database::Sqlite(db) => drop(db.write(move |c| Ok(c.execute(damage, [])?)).await.unwrap()),
            Database::Postgres(db) => drop(db.query(damage, &[]).await.unwrap()),
        }
        let error = f.store.get(product.id).await.unwrap_err().to_string();
        assert!(
            error.contains("products") && error.contains("currency") && error.contains(&product.id.to_string()),
            "{error}"
        );
    });
}
