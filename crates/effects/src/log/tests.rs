//! What is told of changes, on both databases.

use std::sync::Arc;
use std::time::Duration;

use kernel::SystemClock;
use platform::Context;
use storage::Database;
use tokio::time::Instant;

use super::{Follower, Source};
use crate::log::sequencer;
use crate::tests::{COUNTERS, both, both_of, create_counter, open, run, step};

const WAIT: Duration = Duration::from_millis(900);

fn new_id() -> kernel::Uuid {
    Context::new(Arc::new(SystemClock)).id().unwrap()
}

async fn change(database: &Database, counter: i64) {
    step(database, new_id(), counter, Duration::ZERO, false).await.unwrap();
}

/// Asks until something of this subject is told; returns where to go on.
async fn until_told(source: &Source, mut after: i64, subject: &str) -> i64 {
    let began = Instant::now();
    loop {
        let changes = source.changes(Some(after), WAIT).await.unwrap();
        assert!(!changes.reset, "{changes:?}");
        after = changes.position;
        if changes.subjects.iter().any(|told| told == subject) {
            // Its tags come with it.
            assert!(changes.subjects.iter().any(|told| told.starts_with("parity/")), "{changes:?}");
            return after;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{subject} was not told");
    }
}

#[test]
fn a_change_is_told_with_and_without_its_position() {
    run(async {
        let (_folder, databases) = both().await;
        for database in databases {
            create_counter(&database, 1).await;
            create_counter(&database, 2).await;
            change(&database, 1).await;
            let source = Source::start(database.clone());
            let start = source.changes(None, WAIT).await.unwrap();
            assert!(start.reset && start.looked_ms >= 0, "who begins knows nothing: {start:?}");
            change(&database, 2).await;
            // On PostgreSQL nobody has numbered it yet.
            let after = until_told(&source, start.position, "counters/2").await;
            if let Database::Postgres(postgres) = &database {
                assert_eq!(after, start.position);
                let numbering = tokio::spawn(sequencer::run(Arc::clone(postgres)));
                let mut position = after;
                while position < 2 {
                    position = source.changes(Some(position), WAIT).await.unwrap().position;
                }
                numbering.abort();
            }
            let quiet = source.changes(Some(2), Duration::from_millis(60)).await.unwrap();
            assert_eq!((quiet.position, quiet.reset, quiet.subjects.len()), (2, false, 0));
            let late = source.changes(Some(1), WAIT).await.unwrap();
            assert!(late.reset || late.subjects == ["counters/2", "parity/1"], "{late:?}");
            let ahead = source.changes(Some(9), WAIT).await.unwrap();
            assert!(ahead.reset, "the log was put back: {ahead:?}");
        }
    });
}

/// What is written by a release without tags may have changed anything of its kind.
#[test]
fn an_event_without_tags_is_told_with_its_kind() {
    run(async {
        let (_folder, databases) = both().await;
        for database in databases {
            create_counter(&database, 1).await;
            let source = Source::start(database.clone());
            let start = source.changes(None, WAIT).await.unwrap();
            const INSERT: &str = "(id, type, subject, version, time, bytes) values ($1, 'old', 'counters/1', 1, 0, $2)";
            let id = new_id();
            match &database {
                Database::Sqlite(db) => {
                    let insert = move |c: &rusqlite::Connection| {
                        Ok(c.execute(&format!("insert into events {INSERT}"), (id.as_bytes(), "{}".as_bytes()))?)
                    };
                    db.write(insert).await.unwrap();
                }
                Database::Postgres(db) => {
                    let sql = format!("insert into events_inbox {INSERT}");
                    db.execute(&sql, &[&id, &b"{}".as_slice()]).await.unwrap();
                }
            }
            let told = source.changes(Some(start.position), WAIT).await.unwrap();
            assert_eq!(told.subjects, ["counters", "counters/1"]);
        }
    });
}

/// Before the write is answered, and nothing of one that is undone.
#[test]
fn a_process_hears_its_own_commits_at_once() {
    run(async {
        let (_folder, databases) = both().await;
        for database in databases {
            create_counter(&database, 1).await;
            let follower = Follower::beside(&database, Source::start(database.clone()));
            let tag = |tag: &str| -> [Box<str>; 1] { [tag.into()] };
            let before = follower.tags().now();
            let undone = step(&database, new_id(), 1, Duration::ZERO, true).await;
            assert_eq!(undone.is_err(), matches!(database, Database::Sqlite(_)), "{undone:?}");
            assert!(follower.tags().hold(&tag("counters/1"), before));
            change(&database, 1).await;
            assert!(
                !follower.tags().hold(&tag("counters/1"), before) && !follower.tags().hold(&tag("parity/1"), before)
            );
            assert!(follower.tags().hold(&tag("counters/2"), before));
        }
    });
}

/// Also one that waits to be asked.
#[test]
fn a_follower_that_nobody_has_any_more_ends() {
    run(async {
        let (_folder, [database, _]) = both().await;
        let source = Source::start(database.clone());
        let asked = Arc::downgrade(&source);
        let follower = Follower::beside(&database, source);
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(follower);
        let began = Instant::now();
        while asked.strong_count() > 0 {
            assert!(began.elapsed() < Duration::from_secs(20), "it asks on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}

/// Without being asked it follows nothing; and then what others committed too.
#[test]
fn the_commits_of_others_are_heard_of_soon() {
    run(async {
        let (_folder, databases) = both_of(&COUNTERS).await;
        for (url, database) in databases {
            create_counter(&database, 1).await;
            let follower = Follower::beside(&database, Source::start(database.clone()));
            let began = Instant::now();
            while !follower.is_fresh() {
                assert!(began.elapsed() < Duration::from_secs(20), "it is heard");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let before = follower.tags().now();
            let other = open(&url).await;
            change(&other, 1).await;
            while follower.tags().hold(&["counters/1".into()], before) {
                assert!(follower.is_fresh() || began.elapsed() < Duration::from_secs(20), "the change is heard");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
}
