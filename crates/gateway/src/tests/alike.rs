//! Services answer those who ask them from another process as they answer in their own: one suite for both.

use auth::{AccountFilter, Accounts, Administration, Audience, Cause, Registration, UsedBy};
use kernel::error::Unauthenticated;
use kernel::{Actor, Caller, Currency, Error, Expected, Money, Principal, Role, Uuid, Violation};
use mesh::{Peer, Questions};
use products::catalogue::model::Content;
use products::{Catalogue, Lists, Products};

use super::*;

/// Auth and the catalogue on a store of their own.
struct Services {
    folder: tempfile::TempDir,
    auth: Arc<Auth>,
    products: Lists,
}

impl Services {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let auth = auth(folder.path()).await;
        let database = database(folder.path(), "products", &products::MIGRATIONS).await;
        let products = Lists::new(Arc::new(Products::new(database, context(), tasks(), Currency::USD)));
        Self { folder, auth, products }
    }

    /// The same services, as another process asks them.
    fn serve(&self, protocol: Protocol) -> (Peer, watch::Sender<bool>) {
        let statement_keys = statement_keys(self.folder.path());
        let routes = auth::internal_routes(Arc::clone(&self.auth))
            .merge(products::internal_routes(self.products.clone()))
            .route("/internal/health", axum::routing::get(async || "ok\n"));
        let router = crate::internal(routes, Arc::clone(&statement_keys), context(), &settings());
        let (socket, stop, _) = listen(router, Protocols::Http1AndH2c);
        (Peer { to: "auth", upstream: to(socket, protocol), statement_keys, from: "users" }, stop)
    }

    async fn account(&self, name: &str) -> Uuid {
        let email = format!("{name}@example.com");
        let registration = Registration::by_operator(name, &email, "incorrect zebra").unwrap();
        self.auth.register(&registration, UsedBy::default(), &cause()).await.unwrap().account.id
    }
}

fn cause() -> Cause {
    Cause { actor: Actor::System, request_id: Some("request-1".into()) }
}

#[tokio::test]
async fn accounts_here() {
    let services = Services::open().await;
    accounts(&*services.auth, &services).await;
}

#[tokio::test]
async fn accounts_elsewhere() {
    for protocol in [Protocol::Http1, Protocol::H2c] {
        let services = Services::open().await;
        let (peer, _stop) = services.serve(protocol);
        accounts(&auth::Remote(peer), &services).await;
    }
}

async fn accounts(asked: &dyn Accounts, services: &Services) {
    let (ada, bob) = (services.account("ada").await, services.account("bob").await);
    let found = asked.get(ada).await.unwrap().unwrap();
    assert_eq!((found.id, found.username.as_str(), found.email.as_str()), (ada, "ada", "ada@example.com"));
    assert_eq!((found.role, found.active, found.version), (Role::User, true, 1));
    assert_eq!(asked.get(Uuid::nil()).await.unwrap(), None);
    assert_eq!(asked.by_email("ADA@example.com").await.unwrap().as_ref(), Some(&found));
    assert_eq!(asked.by_email("\u{fc}\"@example.com\r\n").await.unwrap(), None);
    let ids = async |ids: &[Uuid]| {
        let mut found: Vec<Uuid> = asked.by_ids(ids).await.unwrap().iter().map(|account| account.id).collect();
        found.sort_unstable();
        found
    };
    assert_eq!(ids(&[]).await, Vec::<Uuid>::new());
    assert_eq!(ids(&[bob, Uuid::nil(), ada]).await, [ada.min(bob), ada.max(bob)]);

    let (page, all) = asked.page(1, 10).await.unwrap();
    assert_eq!((page.as_slice(), all), (&[found.clone()][..], 2), "newest first");
    assert_eq!(asked.page(u64::MAX, 10).await.unwrap(), (Vec::new(), 2));
    let (newest, next) = asked.list(&AccountFilter::default(), None, 1).await.unwrap();
    assert_eq!((newest[0].id, next), (bob, Some((newest[0].created_at, bob))));
    let rest = asked.list(&AccountFilter::default(), next, 10).await.unwrap();
    assert_eq!(rest, (vec![found.clone()], None));
    let named = AccountFilter { text: Some(found.username.to_uppercase()), ..AccountFilter::default() };
    assert_eq!(asked.list(&named, None, 10).await.unwrap(), (vec![found.clone()], None));

    let sessions = asked.sessions_of(ada).await.unwrap();
    assert_eq!((sessions.len(), sessions[0].account_id), (1, ada));
    assert_eq!(asked.sessions_of(Uuid::nil()).await.unwrap(), []);
    administration(asked, ada, bob).await;
    asked.end_sessions(ada, &cause()).await.unwrap();
    assert_eq!(asked.sessions_of(ada).await.unwrap(), []);
    assert!(matches!(asked.end_sessions(Uuid::nil(), &cause()).await, Err(Error::NotFound)));

    asked.erase(bob, &Expected::OneOf(vec![1]), &cause()).await.unwrap();
    let erased = asked.get(bob).await.unwrap().unwrap();
    assert!(
        !erased.active && erased.username.starts_with("erased") && erased.email.starts_with("erased"),
        "{erased:?}"
    );
    assert!(matches!(asked.erase(bob, &Expected::Any, &cause()).await, Err(Error::NotFound)));
    let erased: Vec<Uuid> = asked.erasures(Uuid::nil(), 10).await.unwrap().iter().map(|(id, _)| *id).collect();
    assert_eq!(erased, [bob]);
    assert_eq!(asked.erasures(bob, 10).await.unwrap(), []);
    asked.erasure_done(bob).await.unwrap();
    asked.erasure_done(bob).await.unwrap();
    assert_eq!(asked.erasures(Uuid::nil(), 10).await.unwrap(), []);
}

async fn administration(asked: &dyn Accounts, ada: Uuid, bob: Uuid) {
    let administer = async |id, expected, role, active| {
        asked.administer(id, &expected, Administration { role, active }, &cause()).await
    };
    let nobody = administer(Uuid::nil(), Expected::Any, Some(Role::Admin), None).await;
    assert!(matches!(nobody, Err(Error::NotFound)), "{nobody:?}");
    let stale = administer(ada, Expected::OneOf(vec![7]), Some(Role::Admin), None).await;
    assert!(matches!(stale, Err(Error::Stale)), "{stale:?}");
    let admin = administer(ada, Expected::OneOf(vec![7, 1]), Some(Role::Admin), None).await.unwrap();
    assert_eq!((admin.role, admin.version), (Role::Admin, 2));
    assert_eq!(asked.get(ada).await.unwrap().as_ref(), Some(&admin));
    let last = administer(ada, Expected::Any, None, Some(false)).await;
    let Err(Error::Conflict(violation)) = last else { panic!("{last:?}") };
    assert_eq!((&*violation.code, violation.detail.as_str()), ("conflict", "This is the last administrator."));
    let last = asked.erase(ada, &Expected::Any, &cause()).await;
    assert!(matches!(last, Err(Error::Conflict(_))), "{last:?}");
    assert_eq!(asked.get(bob).await.unwrap().unwrap().version, 1, "the other one is as it was");
}

#[tokio::test]
async fn tokens_are_checked_alike() {
    let services = Services::open().await;
    let (peer, _stop) = services.serve(Protocol::Http1);
    let (here, elsewhere) = (&services.auth, auth::Remote(peer));
    let registration = Registration::by_operator("ada", "ada@example.com", "incorrect zebra").unwrap();
    let ada = here.register(&registration, UsedBy::default(), &cause()).await.unwrap();
    let known = elsewhere.authenticate(&ada.token, Audience::V1).await.unwrap();
    assert_eq!((known.principal.account_id, known.principal.role), (ada.account.id, Role::User));
    let expected = here.authenticate(&ada.token, Audience::V1).await.unwrap();
    assert_eq!((known.until, known.principal.logged_in_at), (expected.until, expected.principal.logged_in_at));
    let refused = async |token: &str, audience| {
        let (here, elsewhere) =
            (here.authenticate(token, audience).await, elsewhere.authenticate(token, audience).await);
        let (Err(Error::Unauthenticated(here)), Err(Error::Unauthenticated(elsewhere))) = (here, elsewhere) else {
            panic!("{token:?} is good")
        };
        assert_eq!(here, elsewhere, "{token:?}");
        here
    };
    assert_eq!(refused(&ada.token, Audience::V2).await, Unauthenticated::Invalid);
    assert_eq!(refused("nonsense", Audience::V1).await, Unauthenticated::Invalid);
    assert_eq!(refused(&"x".repeat(100_000), Audience::V1).await, Unauthenticated::Invalid);
    here.log_out_everywhere(ada.account.id, &cause()).await.unwrap();
    assert_eq!(refused(&ada.token, Audience::V1).await, Unauthenticated::Ended);
}

mesh::questions! {
    once "hold" => Hold { variant_id: Uuid, quantity: i64 } -> Vec<i64>;
}

/// A refusal is the same 409 for the client of the process that asked as for one of the process that refused.
#[tokio::test]
async fn a_conflict_of_stock_crosses_processes() {
    let folder = tempfile::tempdir().unwrap();
    let statement_keys = statement_keys(folder.path());
    let holding = Questions::of("stock", 2_i64).on(|left, Hold { variant_id, quantity }| async move {
        if quantity <= left {
            return Ok(vec![quantity]);
        }
        let field = format!("lines/{variant_id}/quantity");
        let mut line = Violation::new(field, "insufficient-stock", format!("{left} units are left"));
        line.more().available = Some(left);
        Err(Error::InsufficientStock(vec![line]))
    });
    let routes = holding.routes().route("/internal/health", axum::routing::get(async || "ok\n"));
    let router = crate::internal(routes, Arc::clone(&statement_keys), context(), &settings());
    for protocol in [Protocol::Http1, Protocol::H2c] {
        let (socket, _stop, _) = listen(router.clone(), Protocols::Http1AndH2c);
        let statement_keys = Arc::clone(&statement_keys);
        let peer = Peer { to: "stock", upstream: to(socket, protocol), statement_keys, from: "orders" };
        let hold = async |quantity| peer.ask(Hold { variant_id: Uuid::nil(), quantity }).await;
        assert_eq!(hold(2).await.unwrap(), [2]);
        let refused = hold(3).await.unwrap_err();
        let Error::InsufficientStock(lines) = &refused else { panic!("{refused:?}") };
        assert_eq!(lines[0].field, format!("lines/{}/quantity", Uuid::nil()));
        assert_eq!(lines[0].more.as_ref().unwrap().available, Some(2));
        assert_eq!(api::v2::Refusal::from(refused).status().as_u16(), 409);
    }
}

#[tokio::test]
async fn the_catalogue_here() {
    let services = Services::open().await;
    catalogue(&services.products, &services).await;
}

#[tokio::test]
async fn the_catalogue_elsewhere() {
    for protocol in [Protocol::Http1, Protocol::H2c] {
        let services = Services::open().await;
        let (peer, _stop) = services.serve(protocol);
        catalogue(&products::Remote(Peer { to: "products", ..peer }), &services).await;
    }
}

async fn catalogue(asked: &dyn Catalogue, services: &Services) {
    let owner = Uuid::from_u128(7);
    let principal = Principal {
        account_id: owner,
        session_id: Uuid::nil(),
        username: String::new(),
        email: String::new(),
        role: Role::User,
        logged_in_at: kernel::Timestamp(0),
    };
    let caller = Caller { principal, request_id: None, told_of_hidden: false };
    for number in 0..150 {
        let price = Money { amount: 1_000 + number, currency: Currency::USD };
        let content = Content::plain(format!("Desk \u{fc} \"{number}\""), price, 3);
        services.products.products.create(caller.clone(), content, None, |_, _| Default::default()).await.unwrap();
    }
    let summaries = asked.summaries(owner, 2).await.unwrap();
    let told = serde_json::to_value(&summaries).unwrap();
    assert_eq!(summaries.len(), 2);
    assert_eq!((&told[0]["name"], &told[0]["price"]), (&"Desk \u{fc} \"149\"".into(), &"11.49".into()), "newest first");
    assert_eq!((&told[0]["stock"], &told[0]["category"]), (&3.into(), &serde_json::Value::Null));
    assert!(asked.summaries(Uuid::nil(), 10).await.unwrap().is_empty());

    let (mut exported, mut pages, mut after) = (Vec::new(), 0, None);
    loop {
        let page = asked.export(owner, after).await.unwrap();
        let items: Vec<serde_json::Value> = serde_json::from_str(&format!("[{}]", page.items)).unwrap();
        exported.extend(items);
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(exported.len() == 150 && pages > 1, "{} in {pages} pages", exported.len());
    assert!(exported.iter().all(|product| product["owner_id"] == owner.to_string()));
    let strange = asked.export(owner, Some("nowhere".into())).await;
    assert!(matches!(&strange, Err(Error::Internal(why)) if why.contains("no place of its own")), "{strange:?}");
    assert_eq!(asked.export(Uuid::nil(), None).await.unwrap().items, "");

    assert_eq!(asked.export_reservations(owner, None).await.unwrap().items, "");
    let strange = asked.export_reservations(owner, Some("nowhere".into())).await;
    assert!(matches!(&strange, Err(Error::Internal(why)) if why.contains("no place of its own")), "{strange:?}");

    let mark = asked.take_off_sale(owner, true).await.unwrap().unwrap();
    let entries = async || asked.off_sale(kernel::Timestamp(0), Uuid::nil()).await.unwrap();
    let entry = entries().await[0];
    assert_eq!((entry.seller_id, entry.mark, entry.erased), (owner, mark, true));
    asked.put_on_sale(owner, Uuid::nil()).await.unwrap();
    assert_eq!(entries().await, [entry]);
    asked.put_on_sale(owner, mark).await.unwrap();
    assert_eq!(entries().await, []);
    // Done by a job.
    asked.archive_all(owner).await.unwrap();
    asked.archive_all(owner).await.unwrap();
}

#[tokio::test]
async fn a_service_that_is_gone_is_unavailable() {
    let services = Services::open().await;
    let (peer, stop) = services.serve(Protocol::Http1);
    let remote = auth::Remote(peer.clone());
    remote.get(Uuid::nil()).await.unwrap();
    stop.send_replace(true);
    let gone = async {
        loop {
            match remote.get(Uuid::nil()).await {
                Ok(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                Err(error) => return error,
            }
        }
    };
    let error = tokio::time::timeout(PATIENCE, gone).await.unwrap();
    assert!(matches!(&error, Error::Unavailable(why) if why.starts_with("products ")), "{error:?}");
    let error = products::Remote(peer).archive_all(Uuid::nil()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
}
