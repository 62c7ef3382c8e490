//! What is told of changes, on both databases.

use std::sync::Arc;
use std::time::Duration;

use kernel::SystemClock;
use platform::Context;
use storage::Database;
use tokio::time::Instant;

use super::Source;
use crate::log::sequencer;
use crate::tests::{both, create_counter, run, step};

const WAIT: Duration = Duration::from_millis(900);

async fn change(database: &Database, counter: i64) {
    let id = Context::new(Arc::new(SystemClock)).id().unwrap();
    step(database, id, counter, Duration::ZERO, false).await.unwrap();
}

/// Asks until something of this subject is told; returns where to go on.
async fn until_told(source: &Source, mut after: i64, subject: &str) -> i64 {
    let began = Instant::now();
    loop {
        let changes = source.changes(Some(after), WAIT).await.unwrap();
        assert!(!changes.reset, "{changes:?}");
        after = changes.position;
        if changes.subjects.iter().any(|told| told == subject) {
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
            assert!(late.reset || late.subjects == ["counters/2"], "{late:?}");
            let ahead = source.changes(Some(9), WAIT).await.unwrap();
            assert!(ahead.reset, "the log was put back: {ahead:?}");
        }
    });
}
