//! What every store must do, run on each database.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use effects::Effects;
use kernel::{Role, Timestamp, Uuid};
use storage::{Database, DatabaseUrl, Limits};

use super::{
    AccountChange, AccountQuery, CountedAttempt, EndSessions, LAST_ADMIN_RULE, MAX_NETWORKS, Opening, Refresh,
    Refreshed, Store, StoredAccount, TOKEN_RULE, Tally, USERNAME_KEY_RULE, open, sql,
};
use crate::Cause;
use crate::events::{self, Ended};
use crate::model::{Account, AccountFilter, AccountKind, OneTimeToken, Purpose, Session, UsedBy};
use crate::throttle::{ANYWHERE_WINDOW, PER_ACCOUNT_ANYWHERE};
use crate::tokens::Audience;

const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

pub const LIMITS: Limits = Limits { pool_size: 4, shared_connections: 1, ..Limits::DEFAULT };

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
    changes_are_fenced(&*store).await;
    hashes_are_replaced_once(&*store).await;
    lists_are_newest_first(&database, &*store).await;
    a_refresh_is_good_once(&*store).await;
    networks_are_known_by_their_last_log_in(&*store).await;
    failures_are_counted_one_by_one(&store).await;
    sessions_are_listed_and_ended_by_their_owner(&*store).await;
    the_last_administrator_stays(&*store).await;
    mailed_permissions_are_good_once(&*store).await;
    events_are_appended_with_their_change(&database, &*store).await;
    nothing_personal_is_left_of_the_erased(&database, &*store).await;
}

pub fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

pub fn stored(n: u128, username: &str, email: &str) -> StoredAccount {
    let time = Timestamp(1_000_000 * i64::try_from(n).unwrap());
    StoredAccount {
        account: Account {
            id: id(n),
            username: username.into(),
            email: email.into(),
            role: Role::User,
            active: true,
            email_verified_at: None,
            pending_email: None,
            version: 1,
            created_at: time,
            updated_at: time,
        },
        password_hash: "hash".into(),
    }
}

fn session(n: u128, account: u128) -> Session {
    Session {
        id: id(n),
        account_id: id(account),
        api: Audience::V2,
        created_at: Timestamp(1),
        expires_at: Timestamp(100),
        ended_at: None,
        generation: 0,
        refreshed_at: None,
        used_by: UsedBy { device: Some("a browser".into()), address: Some([192, 0, 2, 1].into()) },
    }
}

fn opening(session: Session) -> Opening {
    Opening { session, network: None }
}

/// Opens a session, by what is read of the account now.
async fn open_session(store: &dyn Store, session: Session) -> bool {
    let version = store.account(session.account_id).await.unwrap().map_or(1, |account| account.version);
    store.create_session(opening(session), version, Effects::default()).await.unwrap()
}

async fn end_sessions(store: &dyn Store, account: u128, now: i64) -> u64 {
    store.end_sessions(id(account), Timestamp(now), Effects::default()).await.unwrap()
}

async fn create(store: &dyn Store, account: StoredAccount) {
    store.create_account(account, None, None, Effects::default()).await.unwrap();
}

async fn accounts_are_unique(store: &dyn Store) {
    let first = stored(1, "Ada", "Ada@Example.com");
    create(store, first.clone()).await;
    let refused = |account| store.create_account(account, Some(opening(session(900, 2))), None, Effects::default());
    let error = refused(stored(2, "Ada", "other@example.com")).await.unwrap_err();
    assert!(error.is_conflict_on("accounts.username") || error.is_conflict_on(USERNAME_KEY_RULE), "{error}");
    let error = refused(stored(2, "Bob", "ada@EXAMPLE.com")).await.unwrap_err();
    assert!(error.is_conflict_on("accounts.email_key"), "{error}");
    assert!(store.session_with_account(id(900)).await.unwrap().is_none());

    assert_eq!(store.account(id(1)).await.unwrap(), Some(first.account.clone()));
    assert_eq!(store.account(id(2)).await.unwrap(), None);
    let found = store.account_by_email_key("ada@example.com").await.unwrap().unwrap();
    assert_eq!((found.account, found.password_hash.as_str()), (first.account, "hash"));
    assert!(store.account_by_email_key("a\0b").await.unwrap().is_none());
    create(store, stored(2, "bea", "ada2@example.com")).await;
    let mut ids: Vec<Uuid> = (1..=1_200).map(id).collect();
    assert_eq!(store.accounts_by_ids(&ids).await.unwrap().len(), 2);
    ids.truncate(1);
    assert_eq!(store.accounts_by_ids(&ids).await.unwrap()[0].id, id(1));
}

async fn sessions_live_and_end(store: &dyn Store) {
    assert!(open_session(store, session(10, 1)).await);
    assert!(open_session(store, session(11, 1)).await);
    assert!(!open_session(store, session(12, 999)).await, "no such account");
    let (found, account) = store.session_with_account(id(10)).await.unwrap().unwrap();
    assert_eq!((found, account.id), (session(10, 1), id(1)));
    let stale = store.create_session(opening(session(12, 1)), 7, Effects::default()).await.unwrap();
    assert!(!stale, "the account changed after its password was read");
    let end = |account, now| store.end_session(id(account), id(10), Timestamp(now), Effects::default());
    assert!(!end(2, 4).await.unwrap(), "another's");
    assert!(end(1, 5).await.unwrap());
    assert!(!end(1, 6).await.unwrap(), "ended");
    let (found, _) = store.session_with_account(id(10)).await.unwrap().unwrap();
    assert_eq!(found.ended_at, Some(Timestamp(5)));
    assert_eq!(end_sessions(store, 1, 7).await, 1);
    assert_eq!(store.sweep_sessions(Timestamp(100), 10).await.unwrap(), 0);
    assert_eq!(store.sweep_sessions(Timestamp(101), 1).await.unwrap(), 1);
    assert_eq!(store.sweep_sessions(Timestamp(101), 10).await.unwrap(), 1);
}

fn refresh(session: u128, generation: i64, now: i64) -> Refresh {
    Refresh {
        session_id: id(session),
        generation,
        now: Timestamp(now),
        expires_at: Timestamp(now + 100),
        leeway: Duration::from_micros(10),
        used_by: UsedBy::default(),
    }
}

async fn a_refresh_is_good_once(store: &dyn Store) {
    assert!(open_session(store, session(30, 1)).await);
    let take = |generation, now| store.refresh(refresh(30, generation, now));
    assert_eq!(take(0, 10).await.unwrap(), Refreshed::To(1));
    assert_eq!(take(0, 20).await.unwrap(), Refreshed::To(1), "the answer was lost");
    assert_eq!(take(1, 30).await.unwrap(), Refreshed::To(2));
    let (found, _) = store.session_with_account(id(30)).await.unwrap().unwrap();
    assert_eq!((found.expires_at, found.refreshed_at), (Timestamp(130), Some(Timestamp(30))));
    assert_eq!(found.used_by, UsedBy::default());
    assert_eq!(take(0, 31).await.unwrap(), Refreshed::Replayed(id(1)), "not the one before");
    assert!(store.end_session(id(1), id(30), Timestamp(31), Effects::default()).await.unwrap());
    assert_eq!(take(2, 32).await.unwrap(), Refreshed::Ended, "its family has ended");

    assert!(open_session(store, session(31, 1)).await);
    assert_eq!(store.refresh(refresh(31, 0, 10)).await.unwrap(), Refreshed::To(1));
    assert_eq!(store.refresh(refresh(31, 0, 21)).await.unwrap(), Refreshed::Replayed(id(1)), "too late");
    assert!(open_session(store, session(32, 1)).await);
    assert_eq!(store.refresh(refresh(32, 7, 10)).await.unwrap(), Refreshed::Replayed(id(1)), "never given out");
    assert!(open_session(store, session(33, 1)).await);
    assert_eq!(store.refresh(refresh(33, 0, 100)).await.unwrap(), Refreshed::Ended, "expired");
    assert_eq!(store.refresh(refresh(999, 0, 10)).await.unwrap(), Refreshed::Ended);
    let v1 = Session { api: Audience::V1, ..session(34, 1) };
    assert!(open_session(store, v1).await);
    assert_eq!(store.refresh(refresh(34, 0, 10)).await.unwrap(), Refreshed::Ended, "v1 has no refresh");
}

async fn networks_are_known_by_their_last_log_in(store: &dyn Store) {
    let network = |n: u8| IpAddr::from([203, 0, 113, n]);
    let from = async |n: u8, created: i64| {
        let session = Session { created_at: Timestamp(created), ..session(1_000 + u128::from(n), 2) };
        let opening = Opening { session, network: Some(network(n)) };
        let version = store.account(id(2)).await.unwrap().unwrap().version;
        assert!(store.create_session(opening, version, Effects::default()).await.unwrap());
    };
    let last = async |n: u8| store.last_log_in(id(2), network(n)).await.unwrap();
    for n in 1..=MAX_NETWORKS as u8 {
        from(n, 1_000 + i64::from(n)).await;
    }
    assert_eq!((last(1).await, last(100).await), (Some(Timestamp(1_001)), None));
    assert_eq!(store.last_log_in(id(1), network(1)).await.unwrap(), None, "another account's");
    store.sweep_sessions(Timestamp(101), 1_000).await.unwrap();
    from(1, 2_000).await;
    from(100, 2_001).await;
    assert_eq!((last(1).await, last(2).await), (Some(Timestamp(2_000)), None), "the one of longest ago went");
    assert_eq!(store.sweep_attempts(Timestamp(0), Timestamp(1_004), 100).await.unwrap(), 1);
    assert_eq!((last(3).await, last(4).await), (None, Some(Timestamp(1_004))));
    store.sweep_attempts(Timestamp(0), Timestamp(9_000), 100).await.unwrap();
    store.sweep_sessions(Timestamp(101), 1_000).await.unwrap();
}

/// Whoever counts at the same time as others takes a place of its own.
async fn failures_are_counted_one_by_one(store: &Arc<dyn Store>) {
    let hour = i64::try_from(ANYWHERE_WINDOW.as_micros()).unwrap();
    let count = async |key: u8, now: i64| {
        let attempt = CountedAttempt { account_key: [key; 32], now: Timestamp(now) };
        store.count_attempt(attempt).await.unwrap()
    };
    let counted = Tally::Counted(Timestamp(hour));
    let attempts = (0..PER_ACCOUNT_ANYWHERE + 20).map(|_| {
        let store = Arc::clone(store);
        let attempt = CountedAttempt { account_key: [1; 32], now: Timestamp(0) };
        tokio::spawn(async move { store.count_attempt(attempt).await.unwrap() })
    });
    let tallies = futures_util::future::join_all(attempts).await;
    let all = tallies.into_iter().filter(|tally| *tally.as_ref().unwrap() == counted).count();
    assert_eq!(i64::try_from(all).unwrap(), PER_ACCOUNT_ANYWHERE);
    assert_eq!(count(1, hour - 1).await, Tally::Refused(Timestamp(hour)));
    assert_eq!(count(2, 0).await, counted, "another account");
    store.take_attempt_back([1; 32], Timestamp(hour + 1)).await.unwrap();
    assert_eq!(count(1, 0).await, Tally::Refused(Timestamp(hour)), "of another window");
    store.take_attempt_back([1; 32], Timestamp(hour)).await.unwrap();
    assert_eq!((count(1, 0).await, count(1, 0).await), (counted, Tally::Refused(Timestamp(hour))));
    // Another process's clock may be a little behind; one that is far behind cannot know this window.
    assert_eq!(count(1, -1_000).await, Tally::Refused(Timestamp(hour)));
    assert_eq!(count(1, -2 * hour).await, Tally::Counted(Timestamp(-hour)));
    assert_eq!(count(1, -hour).await, Tally::Counted(Timestamp(0)), "its window is over");
    for (now, swept) in [(0, 0), (1, 1), (hour, 0), (hour + 1, 1)] {
        assert_eq!(store.sweep_attempts(Timestamp(now), Timestamp(0), 100).await.unwrap(), swept);
    }
}

async fn sessions_are_listed_and_ended_by_their_owner(store: &dyn Store) {
    end_sessions(store, 2, 9).await;
    for (n, created) in [(40, 1), (41, 3), (42, 2)] {
        assert!(open_session(store, Session { created_at: Timestamp(created), ..session(n, 2) }).await);
    }
    let listed = async || {
        let listed = store.sessions_of(id(2), Timestamp(50), 10).await.unwrap();
        listed.iter().map(|session| session.id).collect::<Vec<_>>()
    };
    assert_eq!(listed().await, [id(41), id(42), id(40)]);
    assert!(store.end_session(id(2), id(41), Timestamp(50), Effects::default()).await.unwrap());
    assert_eq!(listed().await, [id(42), id(40)]);
    assert!(store.sessions_of(id(2), Timestamp(100), 10).await.unwrap().is_empty(), "expired");
    assert_eq!(end_sessions(store, 2, 51).await, 2);
}

pub async fn account_now(store: &dyn Store, n: u128) -> Account {
    store.account(id(n)).await.unwrap().unwrap()
}

async fn changes_are_fenced(store: &dyn Store) {
    assert!(open_session(store, session(20, 2)).await);
    assert!(open_session(store, session(22, 2)).await);
    let before = account_now(store, 2).await;
    let change = |active: bool, expected: i64, end_sessions| {
        let after = Account { active, version: expected + 1, updated_at: Timestamp(50), ..before.clone() };
        AccountChange { end_sessions, ..AccountChange::to(after) }
    };
    let write = |change| store.change_account(change, Effects::default());
    assert!(!write(change(false, 7, EndSessions::All)).await.unwrap());
    assert!(write(change(true, 1, EndSessions::AllBut(id(22)))).await.unwrap());
    let ended = async |n| store.session_with_account(id(n)).await.unwrap().unwrap().0.ended_at;
    assert_eq!((ended(20).await, ended(22).await), (Some(Timestamp(50)), None));
    assert!(write(change(false, 2, EndSessions::All)).await.unwrap());
    let account = account_now(store, 2).await;
    assert_eq!((account.active, account.version, account.updated_at), (false, 3, Timestamp(50)));
    assert_eq!(ended(22).await, Some(Timestamp(50)));
    assert!(!open_session(store, session(21, 2)).await);
    assert!(write(change(true, 3, EndSessions::None)).await.unwrap());
    assert!(open_session(store, session(21, 2)).await);
    let taken = Account { email: "ADA@example.com".into(), version: 5, ..before.clone() };
    let error = write(AccountChange::to(taken)).await.unwrap_err();
    assert!(error.is_conflict_on("accounts.email_key"), "{error}");
}

async fn the_last_administrator_stays(store: &dyn Store) {
    for (n, name) in [(50, "root"), (51, "admin")] {
        let mut admin = stored(n, name, &format!("{name}@example.com"));
        admin.account.role = Role::Admin;
        create(store, admin).await;
    }
    let demote = async |n| {
        let before = account_now(store, n).await;
        let after = Account { role: Role::User, version: before.version + 1, ..before };
        let change = AccountChange { loses_admin: true, ..AccountChange::to(after) };
        store.change_account(change, Effects::default()).await
    };
    assert!(demote(50).await.unwrap());
    assert!(demote(51).await.unwrap_err().is_conflict_on(LAST_ADMIN_RULE));
    assert_eq!(account_now(store, 51).await.role, Role::Admin);
}

fn token(n: u128, account: Option<u128>) -> OneTimeToken {
    let expires_at = Timestamp(100);
    OneTimeToken {
        id: id(n),
        account_id: account.map(id),
        purpose: Purpose::VerifyEmail,
        email_key: "ada@example.com".into(),
        expires_at,
    }
}

async fn mailed_permissions_are_good_once(store: &dyn Store) {
    let issue = |token: OneTimeToken| store.issue_token(token.account_id, token, Effects::default());
    issue(token(60, Some(1))).await.unwrap();
    issue(token(61, None)).await.unwrap();
    let find = async |n, now| store.token(id(n), Purpose::VerifyEmail, Timestamp(now)).await.unwrap();
    assert_eq!(find(60, 99).await, Some(token(60, Some(1))));
    assert_eq!(find(60, 100).await, None, "over");
    assert_eq!(find(61, 1).await, None, "a decoy");
    assert_eq!(store.token(id(60), Purpose::ResetPassword, Timestamp(1)).await.unwrap(), None);
    issue(token(62, Some(1))).await.unwrap();
    assert_eq!(find(60, 1).await, None, "the newer one takes its place");
    let consume = async || {
        let before = account_now(store, 1).await;
        let after = Account {
            email_verified_at: Some(Timestamp(70)),
            version: before.version + 1,
            updated_at: Timestamp(70),
            ..before
        };
        let change = AccountChange { consume: Some((id(62), Purpose::VerifyEmail)), ..AccountChange::to(after) };
        store.change_account(change, Effects::default()).await
    };
    assert!(consume().await.unwrap());
    assert!(consume().await.unwrap_err().is_conflict_on(TOKEN_RULE));
    let ada = account_now(store, 1).await;
    assert_eq!((ada.email_verified_at, ada.version), (Some(Timestamp(70)), 2), "the second wrote nothing");
    issue(token(63, Some(1))).await.unwrap();
    let after = Account { version: ada.version + 1, ..ada };
    let revoke = AccountChange { revoke: Some(Purpose::VerifyEmail), ..AccountChange::to(after) };
    assert!(store.change_account(revoke, Effects::default()).await.unwrap());
    assert_eq!(find(63, 1).await, None, "revoked");
    store.sweep_sessions(Timestamp(101), 1000).await.unwrap();
    assert!(store.session_with_account(id(41)).await.unwrap().is_none());
}

async fn nothing_personal_is_left_of_the_erased(database: &Database, store: &dyn Store) {
    let context = platform::Context::new(Arc::new(kernel::SystemClock));
    let eve = stored(70, "eve", "eve@example.com");
    let registered = events::registered(&context, &eve.account, &Cause::SYSTEM).unwrap();
    let opened = events::session_opened(&context, &session(70, 70), &Cause::SYSTEM).unwrap();
    let effects = Effects::events(vec![registered.clone(), opened.clone()]);
    store
        .create_account(
            eve.clone(),
            Some(Opening { network: Some(HOME), ..opening(session(70, 70)) }),
            Some(token(70, Some(70))),
            effects,
        )
        .await
        .unwrap();
    let personal = async |event: &kernel::Event| effects::log::events::personal_of(database, event.id).await.unwrap();
    assert!(personal(&registered).await.is_some() && personal(&opened).await.is_some());
    assert_eq!(store.last_log_in(id(70), HOME).await.unwrap(), Some(Timestamp(1)));
    let after = eve.account.erased(Timestamp(80));
    let change = AccountChange { password_hash: Some(String::new()), erase: true, ..AccountChange::to(after.clone()) };
    assert!(store.change_account(change, Effects::default()).await.unwrap());
    assert_eq!(account_now(store, 70).await, after);
    assert!(store.account_by_email_key("eve@example.com").await.unwrap().is_none());
    assert!(store.session_with_account(id(70)).await.unwrap().is_none());
    assert_eq!(store.last_log_in(id(70), HOME).await.unwrap(), None);
    assert!(store.token(id(70), Purpose::VerifyEmail, Timestamp(1)).await.unwrap().is_none());
    assert!(personal(&registered).await.is_none() && personal(&opened).await.is_none());
    let late =
        events::mail_requested(&context, &eve.account, events::Template::ResetPassword, None, &Cause::SYSTEM).unwrap();
    store.issue_token(Some(id(70)), token(71, Some(70)), Effects::event(late.clone())).await.unwrap();
    assert!(store.token(id(71), Purpose::VerifyEmail, Timestamp(1)).await.unwrap().is_none());
    assert!(personal(&late).await.is_none(), "asked for before, and written after it was erased");
    assert_eq!(store.erasures(Uuid::nil(), 10).await.unwrap(), [(id(70), Timestamp(80))]);
    assert!(store.erasures(id(70), 10).await.unwrap().is_empty());
    store.erased(id(70)).await.unwrap();
    assert!(store.erasures(Uuid::nil(), 10).await.unwrap().is_empty());
}

async fn hashes_are_replaced_once(store: &dyn Store) {
    assert_eq!(store.highest_bcrypt_cost().await.unwrap(), None);
    for (old, new, cost) in
        [("hash", "$2b$10$x", Some(10)), ("$2b$10$x", "$2a$04$x", Some(4)), ("$2a$04$x", "hash", None)]
    {
        assert!(store.rehash(id(1), old.into(), new.into()).await.unwrap());
        assert_eq!(store.highest_bcrypt_cost().await.unwrap(), cost);
    }
    let rehash = |old: &str, new: &str| store.rehash(id(1), old.into(), new.into());
    assert!(rehash("hash", "new").await.unwrap());
    assert!(!rehash("hash", "newer").await.unwrap());
    let found = store.account_by_email_key("ada@example.com").await.unwrap().unwrap();
    assert_eq!(found.password_hash, "new");
}

async fn lists_are_newest_first(database: &Database, store: &dyn Store) {
    create(store, stored(3, "third", "third@example.com")).await;
    let ids = |accounts: Vec<Account>| accounts.iter().map(|account| account.id).collect::<Vec<_>>();
    let (accounts, total) = store.list(0, 2).await.unwrap();
    assert_eq!((ids(accounts), total), (vec![id(3), id(2)], 3));
    let (accounts, _) = store.list(2, 2).await.unwrap();
    assert_eq!(ids(accounts), [id(1)]);
    assert!(store.list(i64::MAX, 2).await.unwrap().0.is_empty());
    let after = |account: &Account| Some((account.created_at, account.id));
    let accounts = |kind, after| store.accounts(AccountQuery { kind, after, limit: 2 });
    let page = accounts(AccountKind::All, None).await.unwrap();
    let next = accounts(AccountKind::All, after(&page[1])).await.unwrap();
    let role = |role| AccountFilter { role: Some(role), ..AccountFilter::default() };
    let active = |active| AccountFilter { active: Some(active), ..AccountFilter::default() };
    for (filter, index) in [
        (AccountFilter::default(), "accounts_by_creation"),
        (role(Role::User), "accounts_by_role"),
        (role(Role::Admin), "accounts_by_role"),
        (active(true), "accounts_by_active"),
        (active(false), "accounts_by_active"),
    ] {
        if let Database::Sqlite(db) = database {
            let plan = format!("explain query plan {}", sql::accounts(filter.kind()));
            let plan: String = db.read_point(|c| Ok(c.query_row(&plan, [0, 0, 1], |row| row.get("detail"))?)).unwrap();
            assert!(plan.contains(index), "{filter:?}: {plan}");
        }
        let found = accounts(filter.kind(), None).await.unwrap();
        assert!(found.iter().all(|account| filter.fits(account)), "{filter:?}: {found:?}");
        assert_eq!(found.is_empty(), !page.iter().chain(&next).any(|account| filter.fits(account)), "{filter:?}");
    }
    assert_eq!((ids(page), ids(next)), (vec![id(3), id(2)], vec![id(1)]));
}

async fn events_are_appended_with_their_change(database: &Database, store: &dyn Store) {
    let context = platform::Context::new(Arc::new(kernel::SystemClock));
    let account = stored(4, "fourth", "fourth@example.com");
    let event = || events::registered(&context, &account.account, &Cause::SYSTEM).unwrap();
    let (kept, lost) = (event(), event());
    assert!(!String::from_utf8_lossy(&kept.bytes).contains("fourth@"), "personal fields stand beside the event");
    let create = |event| store.create_account(account.clone(), None, None, Effects::event(event));
    create(kept.clone()).await.unwrap();
    create(lost.clone()).await.unwrap_err();
    let at = effects::log::events::at_version(database, &kept.subject, 1).await.unwrap();
    assert_eq!(at, Some(kept.bytes));

    let opened = |n| events::session_opened(&context, &session(n, 4), &Cause::SYSTEM).unwrap();
    let (kept, lost) = (opened(80), opened(81));
    assert!(store.create_session(opening(session(80, 4)), 1, Effects::event(kept.clone())).await.unwrap());
    assert!(!store.create_session(opening(session(81, 4)), 2, Effects::event(lost.clone())).await.unwrap());
    let ended = |n, now| {
        let told = events::session_ended(&context, (id(4), id(n)), Ended::LoggedOut, Timestamp(now), &Cause::SYSTEM);
        store.end_session(id(4), id(n), Timestamp(now), Effects::event(told.unwrap()))
    };
    assert!(ended(80, 5).await.unwrap());
    assert!(!ended(81, 5).await.unwrap());
    let at = async |subject: &str, version| {
        effects::log::events::at_version(database, subject, version).await.unwrap().is_some()
    };
    assert!(at(&kept.subject, 1).await && at(&kept.subject, 2).await);
    assert!(!at(&lost.subject, 1).await && !at(&lost.subject, 2).await);
    let everywhere = async || {
        let told = events::sessions_ended(&context, &account.account, None, Timestamp(6), &Cause::SYSTEM).unwrap();
        store.end_sessions(id(4), Timestamp(6), Effects::event(told)).await.unwrap()
    };
    assert_eq!(everywhere().await, 0);
    assert!(open_session(store, session(82, 4)).await);
    assert_eq!(everywhere().await, 1);
}
