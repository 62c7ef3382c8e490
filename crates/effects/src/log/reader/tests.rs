//! What readers promise on both databases: each effect once, in the order of the log, whoever dies.

use std::sync::atomic::{AtomicBool, Ordering};

use kernel::SystemClock;
use storage::DatabaseUrl;
use storage::migrate::{Migration, Migrations};
use tempfile::TempDir;

use super::*;
use crate::log::sequencer;
use crate::tests::{COUNTERS, both_of, create_counter, fifty_writers, run, step};

/// What was read, in the order in which it was written; nothing keeps it from being written twice.
const SEEN: Migrations = Migrations {
    sqlite: &[Migration {
        version: 1,
        name: "seen",
        sql: "create table seen (row integer primary key autoincrement, subject text not null, version integer not null)",
    }],
    postgres: &[Migration {
        version: 1,
        name: "seen",
        sql: "create table seen (row bigint generated always as identity, subject text not null, version bigint not null)",
    }],
    additions: &[READERS],
};
const LEASE: Duration = Duration::from_millis(60);

struct Seen;

#[async_trait]
impl Projection for Seen {
    fn name(&self) -> &'static str {
        "seen"
    }

    fn clear(&self) -> &'static str {
        "delete from seen"
    }

    fn write_sqlite(&self, connection: &Connection, events: &[Logged]) -> Result<(), StoreError> {
        for event in events {
            connection
                .prepare_cached("insert into seen (subject, version) values ($1, $2)")?
                .execute(params![event.subject, event.version])?;
        }
        Ok(())
    }

    async fn write_postgres(&self, transaction: &mut Transaction<'_>, events: &[Logged]) -> Result<(), StoreError> {
        let (subjects, versions): (Vec<&str>, Vec<i64>) =
            events.iter().map(|event| (event.subject.as_str(), event.version)).unzip();
        const ADD: &str = "insert into seen (subject, version) select * from unnest($1::text[], $2::bigint[])";
        transaction.execute(ADD, &[&subjects, &versions]).await?;
        Ok(())
    }
}

/// A log, and the database of who reads it.
struct Pair {
    _folder: TempDir,
    log: Database,
    seen: Database,
}

async fn pairs() -> (TempDir, [Pair; 2]) {
    let (folder, logs) = both_of(&COUNTERS).await;
    let mut pairs = Vec::new();
    for (url, log) in logs {
        let own = TempDir::new().unwrap();
        let url = match url {
            DatabaseUrl::Sqlite(_) => DatabaseUrl::Sqlite(own.path().to_owned()),
            postgres => postgres,
        };
        let seen = Database::open(&url, "seen", storage::Limits::DEFAULT).await.unwrap();
        seen.migrate(&SEEN).await.unwrap();
        pairs.push(Pair { _folder: own, log, seen });
    }
    let Ok(pairs) = pairs.try_into() else { panic!("two were opened") };
    (folder, pairs)
}

fn context() -> Context {
    Context::new(Arc::new(SystemClock))
}

impl Pair {
    fn reader_of(&self, log: &Database) -> Reader {
        let log = Arc::new(LocalLog::of(log.clone()));
        Reader::new(log, self.seen.clone(), context(), &Seen).with_lease(LEASE)
    }

    async fn seen(&self) -> Vec<(String, i64)> {
        const ALL: &str = "select subject, version from seen order by row";
        match &self.seen {
            Database::Sqlite(db) => db
                .read(|connection| {
                    let mut all = connection.prepare(ALL)?;
                    let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
                    Ok(rows.collect::<Result<_, _>>()?)
                })
                .await
                .unwrap(),
            Database::Postgres(db) => {
                db.query(ALL, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
            }
        }
    }

    /// Reads to the end; a reader that was killed may have to be waited for.
    async fn catch_up(&self, log: &Database) {
        for _ in 0..500 {
            if self.reader_of(log).catch_up().await.unwrap() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("nobody gives the lease back");
    }
}

/// Numbers what is committed, where that is not done by the commit.
fn number(log: &Database) -> Option<tokio::task::JoinHandle<()>> {
    match log {
        Database::Sqlite(_) => None,
        Database::Postgres(db) => Some(tokio::spawn(sequencer::run(Arc::clone(db)))),
    }
}

async fn change(log: &Database, counter: i64, pause: Duration, give_up: bool) -> bool {
    step(log, context().id().unwrap(), counter, pause, give_up).await.is_ok() && !give_up
}

/// As a process that dies every few milliseconds, wherever it is, and is started again.
async fn read_and_die(readers: [Reader; 2], which: u64, done: Arc<AtomicBool>) {
    for lives in 1.. {
        if done.load(Ordering::Relaxed) {
            return;
        }
        let life = Duration::from_micros(300 + (which * 7 + lives * 13) % 23 * 2_000);
        let _ = tokio::time::timeout(life, readers[lives as usize % 2].catch_up()).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn fifty_writers_and_readers_that_die_have_each_effect_once() {
    run(async {
        let (_folder, pairs) = pairs().await;
        for pair in pairs {
            let (numbering, done) = (number(&pair.log), Arc::new(AtomicBool::new(false)));
            let start = |which| {
                let readers = [(); 2].map(|()| pair.reader_of(&pair.log));
                tokio::spawn(read_and_die(readers, which, Arc::clone(&done)))
            };
            let readers = [0, 1, 2].map(start);
            let committed = fifty_writers(&pair.log, 12, 7).await as usize;
            let read = async {
                while pair.seen().await.len() < committed {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(60), read).await.expect("all of it is read");
            done.store(true, Ordering::Relaxed);
            for reader in readers {
                reader.await.unwrap();
            }
            pair.catch_up(&pair.log).await;
            let log: Vec<_> = events::after(&pair.log, 0, 1_000_000).await.unwrap();
            assert_eq!(log.len(), committed);
            let log: Vec<_> = log.into_iter().map(|event| (event.subject, event.version)).collect();
            assert_eq!(pair.seen().await, log, "once each, in the order of the log");
            if let Some(numbering) = numbering {
                numbering.abort();
            }
        }
    });
}

/// Two stores have different events at one position.
#[test]
fn a_log_that_was_put_back_is_read_from_its_beginning() {
    run(async {
        let ((_one, pairs), (_other, others)) = (pairs().await, pairs().await);
        for (pair, other) in pairs.into_iter().zip(others) {
            for (log, counter) in [(&pair.log, 1), (&other.log, 2)] {
                create_counter(log, counter).await;
                let numbering = number(log);
                for _ in 0..3 {
                    assert!(change(log, counter, Duration::ZERO, false).await);
                }
                while events::after(log, 0, 10).await.unwrap().len() < 3 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                if let Some(numbering) = numbering {
                    numbering.abort();
                }
            }
            pair.catch_up(&pair.log).await;
            let of = |counter: i64| (1..=3).map(|version| (format!("counters/{counter}"), version)).collect::<Vec<_>>();
            assert_eq!(pair.seen().await, of(1));
            pair.catch_up(&other.log).await;
            assert_eq!(pair.seen().await, of(2));
            assert_eq!(pair.reader_of(&other.log).mark().await.unwrap().position, 3);
            // One that ends earlier than it was read.
            let (_third, [sqlite, _]) = both_of(&COUNTERS).await;
            pair.catch_up(&sqlite.1).await;
            assert_eq!(pair.seen().await, []);
        }
    });
}

#[test]
fn a_projection_is_built_again() {
    run(async {
        let (_folder, [pair, _]) = pairs().await;
        create_counter(&pair.log, 1).await;
        for _ in 0..3 {
            assert!(change(&pair.log, 1, Duration::ZERO, false).await);
        }
        pair.catch_up(&pair.log).await;
        let Database::Sqlite(seen) = &pair.seen else { panic!("the first is SQLite") };
        seen.write(|connection| Ok(connection.execute("update seen set version = 7", [])?)).await.unwrap();
        pair.reader_of(&pair.log).rebuild().await.unwrap();
        assert_eq!(pair.seen().await, []);
        pair.catch_up(&pair.log).await;
        assert_eq!(pair.seen().await.iter().map(|(_, version)| *version).collect::<Vec<_>>(), [1, 2, 3]);
    });
}
