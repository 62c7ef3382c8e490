//! What every store must do, run on each database.

use std::sync::Arc;

use kernel::{Role, Timestamp, Uuid};
use platform::db::{Database, DatabaseUrl, Effects, Limits};

use super::{ActiveChange, Store, StoredAccount, open};
use crate::Cause;
use crate::events;
use crate::model::{Account, Session};

const LIMITS: Limits = Limits { pool_size: 4, shared_connections: 1 };

#[tokio::test]
async fn on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    run(&DatabaseUrl::Sqlite(folder.path().to_owned())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres() {
    let url = tokio::task::spawn_blocking(testkit::postgres::database).await.unwrap();
    run(&DatabaseUrl::Postgres(url)).await;
}

async fn run(url: &DatabaseUrl) {
    let database = Database::open(url, "auth", LIMITS).await.unwrap();
    database.migrate(&crate::MIGRATIONS).await.unwrap();
    let store = open(database.clone());
    accounts_are_unique(&*store).await;
    sessions_live_and_end(&*store).await;
    active_changes_are_fenced(&*store).await;
    hashes_are_replaced_once(&*store).await;
    lists_are_newest_first(&*store).await;
    events_are_appended_with_their_change(&database, &*store).await;
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn stored(n: u128, username: &str, email: &str) -> StoredAccount {
    let time = Timestamp(1_000_000 * i64::try_from(n).unwrap());
    StoredAccount {
        account: Account {
            id: id(n),
            username: username.into(),
            email: email.into(),
            role: Role::User,
            active: true,
            version: 1,
            created_at: time,
            updated_at: time,
        },
        password_hash: "hash".into(),
    }
}

fn session(n: u128, account: u128) -> Session {
    Session { id: id(n), account_id: id(account), created_at: Timestamp(1), expires_at: Timestamp(100), ended_at: None }
}

async fn create(store: &dyn Store, account: StoredAccount) {
    store.create_account(account, None, Effects::default()).await.unwrap();
}

async fn accounts_are_unique(store: &dyn Store) {
    let first = stored(1, "Ada", "Ada@Example.com");
    create(store, first.clone()).await;
    let refused = |account| store.create_account(account, Some(session(900, 2)), Effects::default());
    let error = refused(stored(2, "Ada", "other@example.com")).await.unwrap_err();
    assert!(error.is_conflict_on("accounts.username"), "{error}");
    let error = refused(stored(2, "Bob", "ada@EXAMPLE.com")).await.unwrap_err();
    assert!(error.is_conflict_on("accounts.email_key"), "{error}");
    assert!(store.session_with_account(id(900)).await.unwrap().is_none());

    assert_eq!(store.account(id(1)).await.unwrap(), Some(first.account.clone()));
    assert_eq!(store.account(id(2)).await.unwrap(), None);
    let found = store.account_by_email_key("ada@example.com").await.unwrap().unwrap();
    assert_eq!((found.account, found.password_hash.as_str()), (first.account, "hash"));
    assert!(store.account_by_email_key("a\0b").await.unwrap().is_none());
    // Usernames are compared as bytes.
    create(store, stored(2, "ada", "ada2@example.com")).await;
    let mut ids: Vec<Uuid> = (1..=1_200).map(id).collect();
    assert_eq!(store.accounts_by_ids(&ids).await.unwrap().len(), 2);
    ids.truncate(1);
    assert_eq!(store.accounts_by_ids(&ids).await.unwrap()[0].id, id(1));
}

async fn sessions_live_and_end(store: &dyn Store) {
    assert!(store.create_session(session(10, 1)).await.unwrap());
    assert!(store.create_session(session(11, 1)).await.unwrap());
    assert!(!store.create_session(session(12, 999)).await.unwrap(), "no such account");
    let (found, account) = store.session_with_account(id(10)).await.unwrap().unwrap();
    assert_eq!((found, account.id), (session(10, 1), id(1)));
    store.end_session(id(10), Timestamp(5)).await.unwrap();
    store.end_session(id(10), Timestamp(6)).await.unwrap();
    let (found, _) = store.session_with_account(id(10)).await.unwrap().unwrap();
    assert_eq!(found.ended_at, Some(Timestamp(5)));
    assert_eq!(store.end_sessions(id(1), Timestamp(7)).await.unwrap(), 1);
    assert_eq!(store.sweep_sessions(Timestamp(100), 10).await.unwrap(), 0);
    assert_eq!(store.sweep_sessions(Timestamp(101), 1).await.unwrap(), 1);
    assert_eq!(store.sweep_sessions(Timestamp(101), 10).await.unwrap(), 1);
}

async fn active_changes_are_fenced(store: &dyn Store) {
    assert!(store.create_session(session(20, 2)).await.unwrap());
    let change =
        |active, expected_version| ActiveChange { account_id: id(2), active, expected_version, now: Timestamp(50) };
    assert!(!store.set_active(change(false, 7), Effects::default()).await.unwrap());
    assert!(store.set_active(change(false, 1), Effects::default()).await.unwrap());
    let account = store.account(id(2)).await.unwrap().unwrap();
    assert_eq!((account.active, account.version, account.updated_at), (false, 2, Timestamp(50)));
    let (ended, _) = store.session_with_account(id(20)).await.unwrap().unwrap();
    assert_eq!(ended.ended_at, Some(Timestamp(50)));
    assert!(!store.create_session(session(21, 2)).await.unwrap());
    assert!(store.set_active(change(true, 2), Effects::default()).await.unwrap());
    assert!(store.create_session(session(21, 2)).await.unwrap());
}

async fn hashes_are_replaced_once(store: &dyn Store) {
    let rehash = |old: &str, new: &str| store.rehash(id(1), old.into(), new.into());
    assert!(rehash("hash", "new").await.unwrap());
    assert!(!rehash("hash", "newer").await.unwrap());
    let found = store.account_by_email_key("ada@example.com").await.unwrap().unwrap();
    assert_eq!(found.password_hash, "new");
}

async fn lists_are_newest_first(store: &dyn Store) {
    create(store, stored(3, "third", "third@example.com")).await;
    let ids = |accounts: Vec<Account>| accounts.iter().map(|account| account.id).collect::<Vec<_>>();
    let (accounts, total) = store.list(0, 2).await.unwrap();
    assert_eq!((ids(accounts), total), (vec![id(3), id(2)], 3));
    let (accounts, _) = store.list(2, 2).await.unwrap();
    assert_eq!(ids(accounts), [id(1)]);
    assert!(store.list(i64::MAX, 2).await.unwrap().0.is_empty());
}

async fn events_are_appended_with_their_change(database: &Database, store: &dyn Store) {
    let context = platform::Context::new(Arc::new(kernel::SystemClock));
    let account = stored(4, "fourth", "fourth@example.com");
    let event = || events::registered(&context, &account.account, &Cause::SYSTEM).unwrap();
    let (kept, lost) = (event(), event());
    assert!(!String::from_utf8_lossy(&kept.bytes).contains("fourth@"), "personal fields stand beside the event");
    let create = |event| store.create_account(account.clone(), None, Effects::event(event));
    create(kept.clone()).await.unwrap();
    create(lost.clone()).await.unwrap_err();
    let at = platform::db::events::at_version(database, &kept.subject, 1).await.unwrap();
    assert_eq!(at, Some(kept.bytes));
}
