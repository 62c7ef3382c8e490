//! Usernames that look alike, on each database: new ones, those of before, and those that the release before makes.

use std::sync::Arc;

use effects::Effects;
use storage::migrate::Migrations;
use storage::{Database, DatabaseUrl, StoreError};

use super::suite::{LIMITS, account_now, stored};
use super::{AccountChange, EndSessions, Store, StoredAccount, USERNAME_KEY_RULE, open, postgres, sql, sqlite};
use crate::MIGRATIONS;
use crate::model::{Account, username_key};

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
    let before = Migrations { sqlite: MIGRATIONS.sqlite, postgres: MIGRATIONS.postgres, additions: &[] };
    database.migrate(&before).await.unwrap();
    for (n, name) in [(1, "Ada"), (2, "ADA"), (3, "adA"), (4, "oil_10"), (5, "0IL_lO"), (6, "single")] {
        insert_as_before(&database, account(n, name)).await.unwrap();
    }
    database.migrate(&MIGRATIONS).await.unwrap();
    // The release before starts on it.
    database.migrate(&before).await.unwrap();
    let store = open(database.clone());
    names_are_found_by_their_indexes(&database);
    new_names_differ_from_all(&*store).await;
    keys_are_computed_alike(&*store).await;
    names_of_before_stay(&*store).await;
    the_release_before_is_held_to_it(&database, &*store).await;
    names_of_before_stay_taken(&*store).await;
    of_many_at_once_one_gets_the_name(&store).await;
}

fn account(n: u128, name: &str) -> StoredAccount {
    stored(n, name, &format!("{name}-{n}@example.com"))
}

async fn create(store: &dyn Store, n: u128, name: &str) -> Result<(), StoreError> {
    store.create_account(account(n, name), None, None, Effects::default()).await
}

async fn rename(store: &dyn Store, n: u128, name: &str) -> Result<(), StoreError> {
    let before = account_now(store, n).await;
    let after = Account { username: name.into(), version: before.version + 1, ..before };
    let change = AccountChange { renamed: true, ..AccountChange::to(after) };
    store.change_account(change, Effects::default()).await.map(|written| assert!(written))
}

/// By the statement of the release that does not know of keys, which is still ours.
async fn insert_as_before(database: &Database, account: StoredAccount) -> Result<(), StoreError> {
    match database {
        Database::Sqlite(db) => db.write(move |connection| sqlite::insert_account(connection, &account)).await,
        Database::Postgres(db) => {
            let mut transaction = db.begin().await?;
            let inserted = postgres::insert_account(&mut transaction, &account).await;
            transaction.end(inserted).await
        }
    }
}

#[track_caller]
fn assert_taken(result: Result<(), StoreError>) {
    let error = result.unwrap_err();
    assert!(error.is_conflict_on(USERNAME_KEY_RULE), "{error}");
}

fn names_are_found_by_their_indexes(database: &Database) {
    let Database::Sqlite(db) = database else { return };
    for (statement, indexes) in [
        (sql::USERNAME, &["accounts.username_key", "accounts_excepted_usernames"][..]),
        (sql::EXCEPTED_USERNAME, &["accounts_excepted_usernames"]),
    ] {
        let plan: Vec<String> = db
            .read_point(|connection| {
                let mut plan = connection.prepare(&format!("explain query plan {statement}"))?;
                let rows = plan
                    .query_map(rusqlite::params_from_iter(vec![""; plan.parameter_count()]), |row| row.get("detail"))?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .unwrap();
        let plan = plan.join("; ");
        assert!(indexes.iter().all(|index| plan.contains(index)) && !plan.contains("SCAN"), "{statement}: {plan}");
    }
}

async fn new_names_differ_from_all(store: &dyn Store) {
    for alike in ["ada", "aDa", "SINGLE", "s1ngle", "slngIe", "OIL_1O", "0il_l0"] {
        assert!(store.username_taken(alike).await.unwrap(), "{alike}");
        assert_taken(create(store, 50, alike).await);
    }
    for other in ["adam", "ad", "sing_le", "5ingle"] {
        assert!(!store.username_taken(other).await.unwrap(), "{other}");
    }
    create(store, 7, "Eve").await.unwrap();
    assert_taken(create(store, 50, "EVE").await);
    // Another case of one's own name is no other's.
    rename(store, 7, "eVe").await.unwrap();
    assert_taken(rename(store, 7, "sINg1e").await);
    rename(store, 7, "Eve").await.unwrap();
}

/// What an index keeps apart is found by the key that Rust computes.
async fn keys_are_computed_alike(store: &dyn Store) {
    let all: String = ('0'..='9').chain('A'..='Z').chain('a'..='z').chain(['_']).collect();
    for (n, part) in (100..).zip(all.as_bytes().chunks(7)) {
        let name = String::from_utf8(part.to_vec()).unwrap();
        let name = format!("key{n}{name}");
        assert!(!store.username_taken(&name).await.unwrap(), "{name}");
        create(store, n, &name).await.unwrap();
        assert!(store.username_taken(&name).await.unwrap(), "{name}");
        assert!(store.username_taken(&username_key(&name)).await.unwrap(), "{name}");
    }
}

async fn names_of_before_stay(store: &dyn Store) {
    for (n, name) in [(1, "Ada"), (2, "ADA"), (3, "adA"), (4, "oil_10"), (5, "0IL_lO")] {
        let before = account_now(store, n).await;
        assert_eq!(before.username, name);
        let email = format!("other-{n}@example.com");
        let after = Account { email, version: before.version + 1, ..before };
        let change = AccountChange { end_sessions: EndSessions::All, ..AccountChange::to(after) };
        assert!(store.change_account(change, Effects::default()).await.unwrap(), "{name}");
    }
    // A name that is chosen now is new, whoever chooses it.
    assert_taken(rename(store, 2, "aDA").await);
    assert_taken(rename(store, 3, "eve").await);
}

async fn the_release_before_is_held_to_it(database: &Database, store: &dyn Store) {
    for alike in ["aDa", "oIl_IO", "eve"] {
        assert_taken(insert_as_before(database, account(51, alike)).await);
    }
    insert_as_before(database, account(8, "Grace")).await.unwrap();
    assert_taken(create(store, 52, "grace").await);
}

async fn names_of_before_stay_taken(store: &dyn Store) {
    // The one that held the key goes; the others are there.
    rename(store, 1, "Hopper").await.unwrap();
    assert_taken(create(store, 53, "ada").await);
    assert_taken(rename(store, 1, "Ada").await);
    rename(store, 2, "Lovelace").await.unwrap();
    assert_taken(create(store, 53, "ADA").await);
    assert_taken(create(store, 53, "love1ace").await);
    let before = account_now(store, 3).await;
    let erased = before.erased(before.updated_at);
    let erase = AccountChange { erase: true, ..AccountChange::to(erased) };
    assert!(store.change_account(erase, Effects::default()).await.unwrap());
    create(store, 53, "ada").await.unwrap();
}

async fn of_many_at_once_one_gets_the_name(store: &Arc<dyn Store>) {
    for round in 0..5_u128 {
        let names = ["lilo", "LILO", "1i1o", "Li10", "l1l0", "iIl0", "I1iO", "LlIo"];
        let racers: Vec<_> = (0..)
            .zip(names)
            .map(|(n, name)| {
                let store = Arc::clone(store);
                tokio::spawn(async move { create(&*store, 1_000 + 100 * round + n, &format!("{name}_{round}")).await })
            })
            .collect();
        let mut made = 0;
        for racer in racers {
            match racer.await.unwrap() {
                Ok(()) => made += 1,
                refused => assert_taken(refused),
            }
        }
        assert_eq!(made, 1);
    }
}
