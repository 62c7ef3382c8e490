//! Gives committed events their positions on PostgreSQL. A sequence number alone would skip late commits; here rows get a
//! position only once they are visible, by one sequencer at a time.

use std::sync::Arc;
use std::time::Duration;

use kernel::Timestamp;
use platform::telemetry::Recurring;
use storage::postgres::Postgres;
use storage::{Database, StoreError};

/// Events moved in one transaction.
const BATCH: u64 = 1_000;
/// Gathers the commits of a moment into one move.
const COALESCE: Duration = Duration::from_millis(5);
/// When no commit of this process rings, another process may still have written.
const POLL: Duration = Duration::from_millis(250);

/// What one sequencer knows: the epoch under which it holds the lease, once it does.
#[derive(Default)]
pub struct Sequencer {
    epoch: Option<i64>,
}

impl Sequencer {
    /// Moves what is visible, if this sequencer holds the lease or can take it. Returns how many events got positions.
    ///
    /// # Errors
    /// `Unavailable`, `Statement`. Nothing was moved then.
    pub async fn advance(&mut self, db: &Postgres) -> Result<u64, StoreError> {
        let mut transaction = db.begin().await?;
        // The row lock orders sequencers; the epoch fences one that slept through the end of its lease. One that is stopped here must
        // not hold the lock for long: until then nothing is numbered.
        let head = transaction
            .query(
                "update events_head set epoch = case when epoch = $1 then epoch else epoch + 1 end, \
                 lease_until = clock_timestamp() + interval '2 seconds' \
                 from (select set_config('idle_in_transaction_session_timeout', '2s', true)) as bounded \
                 where epoch = $1 or lease_until < clock_timestamp() returning position, epoch",
                &[&self.epoch.unwrap_or(-1)],
            )
            .await?;
        let Some(head) = head.first() else {
            self.epoch = None;
            transaction.rollback().await;
            return Ok(0);
        };
        let (position, epoch): (i64, i64) = (head.get(0), head.get(1));
        let moved = transaction
            .query(
                "with moved as (delete from events_inbox where sequence in \
                   (select sequence from events_inbox order by sequence limit $2) returning *), \
                 logged as (insert into events (position, id, type, subject, version, time, bytes, tags) \
                   select $1 + row_number() over (order by sequence), id, type, subject, version, time, bytes, tags from moved \
                   returning 1) \
                 select count(*) from logged",
                &[&position, &(BATCH as i64)],
            )
            .await?;
        let moved: i64 = moved.first().map_or(0, |row| row.get(0));
        transaction.query("update events_head set position = position + $1", &[&moved]).await?;
        match moved {
            0 => transaction.commit_unheard().await?,
            _ => transaction.commit().await?,
        }
        self.epoch = Some(epoch);
        Ok(u64::try_from(moved).unwrap_or(0))
    }
}

/// How many events have no position yet (at most 10,000 are counted), and when the oldest of them happened.
///
/// # Errors
/// `Unavailable`.
pub async fn waiting(database: &Database) -> Result<(i64, Option<Timestamp>), StoreError> {
    // On SQLite they have it from their own transaction.
    let Database::Postgres(db) = database else { return Ok((0, None)) };
    let counted = "select count(*), min(time) from \
        (select time from events_inbox order by sequence limit 10000) as oldest";
    let rows = db.query(counted, &[]).await?;
    Ok(rows.first().map_or((0, None), |row| (row.get(0), row.get::<_, Option<i64>>(1).map(Timestamp))))
}

/// Advances for as long as the process lives.
pub async fn run(db: Arc<Postgres>) {
    let mut sequencer = Sequencer::default();
    let mut committed = db.commits().subscribe();
    let failing = Recurring::new();
    loop {
        match sequencer.advance(&db).await {
            // More is waiting than one move takes.
            Ok(BATCH..) => continue,
            Ok(_) => drop(failing.recovered()),
            Err(error) => {
                if let Some(failures) = failing.failed() {
                    tracing::warn!(event = "events.sequencer.failed", %error, failures, "could not number events");
                }
            }
        }
        // A move of our own rings too.
        let _ = tokio::time::timeout(POLL, committed.changed()).await;
        tokio::time::sleep(COALESCE).await;
    }
}
