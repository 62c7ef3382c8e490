//! What both databases promise to every service: all or nothing, dense positions, per-subject order.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kernel::event::EventHead;
use kernel::{Actor, Event, SystemClock, Timestamp, Uuid};
use platform::Context;
use storage::migrate::{AddedSql, Addition, Migration, Migrations};
use storage::{Database, DatabaseUrl, Limits, StoreError};
use tempfile::TempDir;

use super::Effects;
use crate::log::events;
use crate::log::sequencer::Sequencer;
use crate::{COMMON_POSTGRES, COMMON_SQLITE, TAGS};

/// A service with one table: counters, whose every step is an event.
pub(crate) const COUNTERS: Migrations = Migrations {
    sqlite: &[
        Migration { version: 1, name: "common", sql: COMMON_SQLITE },
        Migration {
            version: 2,
            name: "counters",
            sql: "create table counters (id integer primary key, value integer not null)",
        },
    ],
    postgres: &[
        Migration { version: 1, name: "common", sql: COMMON_POSTGRES },
        Migration {
            version: 2,
            name: "counters",
            sql: "create table counters (id bigint primary key, value bigint not null)",
        },
    ],
    additions: &[TAGS],
};
const STEP: &str = "update counters set value = value + 1 where id = $1 returning value";

/// Both databases, empty and migrated. The folder lives as long as the SQLite one.
pub(crate) async fn both() -> (TempDir, [Database; 2]) {
    let (folder, opened) = both_of(&COUNTERS).await;
    (folder, opened.map(|(_, database)| database))
}

/// As [`both`], of any service, with where they are.
pub(crate) async fn both_of(migrations: &Migrations) -> (TempDir, [(DatabaseUrl, Database); 2]) {
    let folder = TempDir::new().unwrap();
    let sqlite = DatabaseUrl::Sqlite(folder.path().to_owned());
    let postgres: DatabaseUrl = testkit::postgres::database().parse().unwrap();
    let mut databases = Vec::new();
    for url in [sqlite, postgres] {
        let database = open(&url).await;
        database.migrate(migrations).await.unwrap();
        databases.push((url, database));
    }
    let Ok(databases) = databases.try_into() else { panic!("two were opened") };
    (folder, databases)
}

pub(crate) async fn open(url: &DatabaseUrl) -> Database {
    Database::open(url, "counters", Limits::DEFAULT).await.unwrap()
}

pub(crate) fn run<F: Future>(test: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap().block_on(test)
}

fn stepped(id: Uuid, counter: i64, value: i64) -> Event {
    let head = EventHead {
        id,
        source: "/counters",
        kind: "counter.stepped",
        subject: format!("counters/{counter}"),
        version: value,
        time: Timestamp(0),
        actor: Actor::System,
        request_id: None,
        traceparent: None,
    };
    Event::new(head, value, None).unwrap().tagged([kernel::tag("parity", value % 2)])
}

/// Adds one and appends the event, then waits, then commits or gives up.
pub(crate) async fn step(
    database: &Database,
    id: Uuid,
    counter: i64,
    pause: Duration,
    give_up: bool,
) -> Result<(), StoreError> {
    match database {
        Database::Sqlite(db) => {
            db.write(move |c| {
                let value = c.query_row(STEP, [counter], |row| row.get(0))?;
                Effects::event(stepped(id, counter, value)).write_sqlite(c)?;
                std::thread::sleep(pause / 20);
                if give_up { Err(StoreError::Conflict("given up".into())) } else { Ok(()) }
            })
            .await
        }
        Database::Postgres(db) => {
            let mut transaction = db.begin().await?;
            let value = transaction.query(STEP, &[&counter]).await?[0].get(0);
            Effects::event(stepped(id, counter, value)).write_postgres(&mut transaction).await?;
            tokio::time::sleep(pause).await;
            if give_up {
                transaction.rollback().await
            } else {
                transaction.commit().await?
            }
            Ok(())
        }
    }
}

/// Fifty at once, which pause within their transactions and give up some; returns how many steps were committed.
pub(crate) async fn fifty_writers(database: &Database, steps: i64, subjects: i64) -> i64 {
    const WRITERS: i64 = 50;
    for counter in 0..subjects {
        create_counter(database, counter).await;
    }
    let context = Context::new(Arc::new(SystemClock));
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let (database, context) = (database.clone(), context.clone());
        writers.push(tokio::spawn(async move {
            let mut committed = 0;
            for n in 0..steps {
                let give_up = (writer * 31 + n * 17) % 5 == 0;
                let pause = Duration::from_micros(((writer * 7 + n * 13) % 9 * 400) as u64);
                let stepped = step(&database, context.id().unwrap(), (writer + n) % subjects, pause, give_up).await;
                committed += i64::from(!give_up && stepped.is_ok());
            }
            committed
        }));
    }
    let mut committed = 0;
    for writer in writers {
        committed += writer.await.unwrap();
    }
    committed
}

#[test]
fn fifty_writers_with_delays_and_rollbacks_leave_a_dense_ordered_log() {
    run(async {
        let (_folder, databases) = both().await;
        for database in databases {
            let sequencers = start_sequencers(&database);
            let committed = fifty_writers(&database, 20, 7).await;
            let log = wait_for_events(&database, committed).await;
            for sequencer in sequencers {
                sequencer.abort();
            }
            assert_eq!(log.len() as i64, committed, "every committed step has one event, no other has any");
            let mut next: HashMap<&str, i64> = HashMap::new();
            for (index, event) in log.iter().enumerate() {
                assert_eq!(event.position, index as i64 + 1, "positions are dense from 1");
                let expected = next.entry(&event.subject).or_insert(1);
                assert_eq!(event.version, *expected, "{} is in commit order", event.subject);
                *expected += 1;
            }
        }
    });
}

pub(crate) async fn create_counter(database: &Database, counter: i64) {
    const INSERT: &str = "insert into counters values ($1, 0)";
    match database {
        Database::Sqlite(db) => drop(db.write(move |c| Ok(c.execute(INSERT, [counter])?)).await.unwrap()),
        Database::Postgres(db) => drop(db.query(INSERT, &[&counter]).await.unwrap()),
    }
}

/// Two on PostgreSQL, as two processes would have: the lease and its fence must keep them apart.
fn start_sequencers(database: &Database) -> Vec<tokio::task::JoinHandle<()>> {
    let Database::Postgres(db) = database else {
        return Vec::new();
    };
    let sequencer = |db: Arc<storage::postgres::Postgres>| async move {
        let mut sequencer = Sequencer::default();
        loop {
            sequencer.advance(&db).await.unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    vec![tokio::spawn(sequencer(Arc::clone(db))), tokio::spawn(sequencer(Arc::clone(db)))]
}

async fn wait_for_events(database: &Database, count: i64) -> Vec<events::Logged> {
    for _ in 0..500 {
        let log = events::after(database, 0, 1_000_000).await.unwrap();
        if log.len() as i64 >= count {
            return log;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{count} events did not get positions within 10 s");
}

#[test]
fn a_sequencer_that_lost_its_lease_moves_nothing() {
    run(async {
        let (_folder, [_, database]) = both().await;
        let Database::Postgres(db) = &database else { panic!("the second is PostgreSQL") };
        create_counter(&database, 1).await;
        let (mut first, mut second) = (Sequencer::default(), Sequencer::default());
        first.advance(db).await.unwrap();
        let context = Context::new(Arc::new(SystemClock));
        step(&database, context.id().unwrap(), 1, Duration::ZERO, false).await.unwrap();
        assert_eq!(second.advance(db).await.unwrap(), 0, "the first holds the lease");
        db.query("update events_head set lease_until = 'epoch'", &[]).await.unwrap();
        assert_eq!(second.advance(db).await.unwrap(), 1, "an expired lease is taken over");
        step(&database, context.id().unwrap(), 1, Duration::ZERO, false).await.unwrap();
        assert_eq!(first.advance(db).await.unwrap(), 0, "the first is fenced off");
        assert_eq!(second.advance(db).await.unwrap(), 1);
    });
}

#[test]
fn a_failing_or_panicking_write_leaves_the_rest_of_its_batch_alone() {
    run(async {
        let (_folder, [database, _]) = both().await;
        let Database::Sqlite(db) = &database else { panic!("the first is SQLite") };
        let writes = (0..300_i64).map(|n| {
            db.write(move |c| {
                c.execute("insert into counters values ($1, 0)", [n])?;
                match n % 3 {
                    0 => Ok(()),
                    1 => Err(StoreError::Conflict("refused".into())),
                    _ => panic!("a defect"),
                }
            })
        });
        let results = futures_util::future::join_all(writes).await;
        assert!(results.iter().enumerate().all(|(n, result)| result.is_ok() == (n % 3 == 0)));
        let kept: i64 =
            db.read_point(|c| Ok(c.query_row("select count(*) from counters", [], |row| row.get(0))?)).unwrap();
        assert_eq!(kept, 100);
    });
}

#[test]
fn a_full_disk_fails_its_batch_and_nothing_else() {
    run(async {
        let (_folder, [database, _]) = both().await;
        let Database::Sqlite(db) = &database else { panic!("the first is SQLite") };
        let insert = |id: i64, bytes: usize| {
            db.write(move |c| {
                // The first job holds the writer up, so that the others share its batch.
                std::thread::sleep(Duration::from_millis(if id == 1 { 50 } else { 0 }));
                c.execute("insert into counters values ($1, 0)", [id])?;
                c.execute("insert into blobs values (zeroblob($1))", [bytes as i64])?;
                Ok(())
            })
        };
        let limit = |pages: i64| {
            db.write(move |c| {
                c.execute_batch("create table if not exists blobs (bytes blob)")?;
                Ok(c.query_row(&format!("pragma max_page_count = {pages}"), [], |_| Ok(()))?)
            })
        };
        let count = || db.read_point(|c| Ok(c.query_row("select count(*) from counters", [], |row| row.get(0))?));
        limit(60).await.unwrap();
        let batch = [insert(1, 10), insert(2, 10), insert(3, 10_000_000), insert(4, 10)];
        let results = futures_util::future::join_all(batch).await;
        assert!(matches!(results[2], Err(StoreError::DiskFull(_))), "{results:?}");
        let unnamed = |result: &Result<(), StoreError>| !matches!(result, Ok(()) | Err(StoreError::DiskFull(_)));
        assert!(!results.iter().any(unnamed), "all of its batch are told why: {results:?}");
        let kept: i64 = count().unwrap();
        let told = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(kept, told as i64, "what was told is what is there: {results:?}");
        limit(1_000_000).await.unwrap();
        insert(5, 10_000_000).await.unwrap();
        assert_eq!(count().unwrap(), kept + 1, "writes go on when there is space");
    });
}

#[test]
fn the_log_of_writes_starts_over_although_somebody_always_reads() {
    run(async {
        let (folder, [database, _]) = both().await;
        let Database::Sqlite(db) = &database else { panic!("the first is SQLite") };
        db.write(|c| Ok(c.execute_batch("create table blobs (bytes blob)")?)).await.unwrap();
        let readers: Vec<_> = (0..3)
            .map(|n| {
                let db = Arc::clone(db);
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(n * 10)).await;
                    loop {
                        let slow = |c: &rusqlite::Connection| {
                            let rows: i64 = c.query_row("select count(*) from counters", [], |row| row.get(0))?;
                            std::thread::sleep(Duration::from_millis(30));
                            Ok(rows)
                        };
                        db.read(slow).await.unwrap();
                    }
                })
            })
            .collect();
        let mut longest = 0;
        for _ in 0..1_200 {
            db.write(|c| Ok(c.execute("insert into blobs values (zeroblob(40000))", [])?)).await.unwrap();
            let log = std::fs::metadata(folder.path().join("counters.db-wal")).unwrap();
            longest = longest.max(log.len());
        }
        readers.iter().for_each(tokio::task::JoinHandle::abort);
        assert!(longest < 25_000_000, "48 MB were written, and the log grew to {longest} bytes");
    });
}

#[test]
fn the_log_starts_over_soon_after_another_process_has_read_for_long() {
    run(async {
        let (folder, [database, _]) = both().await;
        let Database::Sqlite(db) = &database else { panic!("the first is SQLite") };
        db.write(|c| Ok(c.execute_batch("create table blobs (bytes blob)")?)).await.unwrap();
        let write = async || {
            db.write(|c| Ok(c.execute("insert into blobs values (zeroblob(40000))", [])?)).await.unwrap();
            std::fs::metadata(folder.path().join("counters.db-wal")).unwrap().len()
        };
        let backup = rusqlite::Connection::open(folder.path().join("counters.db")).unwrap();
        backup.execute_batch("begin").unwrap();
        backup.query_row("select count(*) from blobs", [], |_| Ok(())).unwrap();
        let mut held = 0;
        for _ in 0..1_500 {
            held = write().await;
        }
        assert!(held > 50_000_000, "it cannot start over: {held}");
        drop(backup);
        // It is looked at twice a second.
        let began = std::time::Instant::now();
        let mut ended = held;
        while began.elapsed() < Duration::from_secs(2) {
            ended = write().await;
        }
        let limit = 64 << 20;
        assert!(ended <= held.max(limit) + 25_000_000, "{held} bytes grew to {ended}");
    });
}

#[test]
fn migrations_keep_data_and_refuse_a_newer_schema() {
    const NEXT: Migrations = Migrations {
        sqlite: &[
            Migration { version: 1, name: "common", sql: COMMON_SQLITE },
            Migration { version: 2, name: "counters", sql: "" },
            Migration {
                version: 3,
                name: "labels",
                sql: "alter table counters add column label text not null default 'none'",
            },
        ],
        postgres: &[
            Migration { version: 1, name: "common", sql: COMMON_POSTGRES },
            Migration { version: 2, name: "counters", sql: "" },
            Migration {
                version: 3,
                name: "labels",
                sql: "alter table counters add column label text not null default 'none'",
            },
        ],
        additions: &[TAGS],
    };
    run(async {
        let (_folder, databases) = both().await;
        for database in databases {
            create_counter(&database, 5).await;
            assert!(database.require_current(&NEXT).await.unwrap_err().to_string().contains("primetrade migrate"));
            database.migrate(&NEXT).await.unwrap();
            database.migrate(&NEXT).await.unwrap();
            database.require_current(&NEXT).await.unwrap();
            let label: String = match &database {
                Database::Sqlite(db) => db
                    .read_point(|c| Ok(c.query_row("select label from counters where id = 5", [], |row| row.get(0))?))
                    .unwrap(),
                Database::Postgres(db) => {
                    db.query("select label from counters where id = 5", &[]).await.unwrap()[0].get(0)
                }
            };
            assert_eq!(label, "none");
            assert!(database.migrate(&COUNTERS).await.unwrap_err().to_string().contains("newer release"));
        }
    });
}

#[test]
fn additions_are_made_once_and_older_releases_start_on_them() {
    const SQL: AddedSql = AddedSql {
        every_store: "create table labels (name text not null); insert into labels values ('every')",
        new_store: "insert into labels values ('new')",
    };
    const ADDED: Migrations =
        Migrations { additions: &[Addition { name: "labels", sqlite: SQL, postgres: SQL }], ..COUNTERS };
    run(async {
        let (_folder, databases) = both().await;
        for database in databases {
            let pending = database.require_current(&ADDED).await.unwrap_err().to_string();
            assert!(pending.contains("labels"), "{pending}");
            for _ in 0..2 {
                database.migrate(&ADDED).await.unwrap();
                database.require_current(&ADDED).await.unwrap();
                // The release before knows no additions.
                database.migrate(&COUNTERS).await.unwrap();
                database.require_current(&COUNTERS).await.unwrap();
            }
            assert_eq!(labels(&database).await, ["every"], "a store that was there");
        }
        let (_folder, databases) = both_of(&ADDED).await;
        for (_, database) in databases {
            assert_eq!(labels(&database).await, ["every", "new"], "a store that was made with it");
        }
    });
}

#[test]
fn a_migration_that_waits_for_a_long_report_holds_up_nobody_else() {
    const SQL: AddedSql = AddedSql { every_store: "alter table counters add column label text", new_store: "" };
    const ADDED: Migrations =
        Migrations { additions: &[Addition { name: "label", sqlite: SQL, postgres: SQL }], ..COUNTERS };
    const READ: &str = "select count(*) from counters";
    run(async {
        let (_folder, [_, (url, database)]) = both_of(&COUNTERS).await;
        let Database::Postgres(db) = &database else { panic!("the second is PostgreSQL") };
        let mut report = db.begin().await.unwrap();
        report.query(READ, &[]).await.unwrap();
        let migrating = tokio::spawn(async move { open(&url).await.migrate(&ADDED).await });
        // Longer than a read waits for its database, and shorter than a transaction may take.
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_millis(3_500) {
            tokio::time::sleep(Duration::from_millis(100)).await;
            report.query("select 1", &[]).await.unwrap();
            db.query(READ, &[]).await.unwrap();
        }
        assert!(!migrating.is_finished());
        report.end(Ok(())).await.unwrap();
        migrating.await.unwrap().unwrap();
        database.require_current(&ADDED).await.unwrap();
    });
}

async fn labels(database: &Database) -> Vec<String> {
    const LABELS: &str = "select name from labels order by name";
    match database {
        Database::Sqlite(db) => db
            .read_point(|c| {
                let mut statement = c.prepare(LABELS)?;
                let names = statement.query_map([], |row| row.get(0))?;
                Ok(names.collect::<Result<_, _>>()?)
            })
            .unwrap(),
        Database::Postgres(db) => db.query(LABELS, &[]).await.unwrap().iter().map(|row| row.get(0)).collect(),
    }
}

#[test]
fn shared_connections_come_back_after_the_server_dropped_them() {
    run(async {
        let (_folder, [_, database]) = both().await;
        let Database::Postgres(db) = &database else { panic!("the second is PostgreSQL") };
        database.ping().await.unwrap();
        let others = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
        db.query_slow(others, &[]).await.unwrap();
        for _ in 0..20 {
            database.ping().await.unwrap();
        }
    });
}
