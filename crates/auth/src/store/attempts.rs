//! Failed log-ins of an account from anywhere, counted by all processes together, in both databases.

use kernel::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use storage::StoreError;
use storage::postgres::Postgres;

use crate::throttle::{ANYWHERE_WINDOW, PER_ACCOUNT_ANYWHERE};

/// One statement, so that of attempts at the same time no two take the last place. A window that ends much later than one that begins
/// now is of a clock that was wrong, and over.
const COUNT: &str = "insert into log_in_failures (account_key, failures, ends_at) values ($1, 1, $2) \
    on conflict (account_key) do update set \
    failures = case when log_in_failures.ends_at between $3 and $4 then log_in_failures.failures + 1 else 1 end, \
    ends_at = case when log_in_failures.ends_at between $3 and $4 then log_in_failures.ends_at else excluded.ends_at end \
    where log_in_failures.failures < $5 or log_in_failures.ends_at not between $3 and $4 returning ends_at";
const ENDS_AT: &str = "select ends_at from log_in_failures where account_key = $1";
pub const TAKE_BACK: &str = "update log_in_failures set failures = failures - 1 \
    where account_key = $1 and ends_at = $2 and failures > 0";
pub const SWEEP: &str = "delete from log_in_failures where account_key in \
    (select account_key from log_in_failures where ends_at < $1 order by ends_at limit $2)";

/// An attempt to log in to an account. It counts as a failure until it is known to be none.
#[derive(Debug, Clone, Copy)]
pub struct CountedAttempt {
    /// A digest of the address, which need not be an account's.
    pub account_key: [u8; 32],
    pub now: Timestamp,
}

/// Whether an attempt may be made, and when its window ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tally {
    Counted(Timestamp),
    Refused(Timestamp),
}

impl CountedAttempt {
    /// Where a window ends that begins now, and between which moments the end of one lies that goes on.
    fn windows(&self) -> (i64, i64, i64) {
        let ends_at = self.now.after(ANYWHERE_WINDOW);
        (ends_at.0, self.now.0 + 1, ends_at.after(ANYWHERE_WINDOW).0)
    }

    pub fn count_in_sqlite(&self, connection: &Connection) -> Result<Tally, StoreError> {
        let (ends_at, first, last) = self.windows();
        let values = params![self.account_key, ends_at, first, last, PER_ACCOUNT_ANYWHERE];
        let counted = connection.prepare_cached(COUNT)?.query_row(values, |row| row.get(0)).optional()?;
        if let Some(ends_at) = counted {
            return Ok(Tally::Counted(Timestamp(ends_at)));
        }
        let ends_at = connection.prepare_cached(ENDS_AT)?.query_row([self.account_key], |row| row.get(0))?;
        Ok(Tally::Refused(Timestamp(ends_at)))
    }

    pub async fn count_in_postgres(&self, postgres: &Postgres) -> Result<Tally, StoreError> {
        let (ends_at, first, last) = self.windows();
        let key = self.account_key.as_slice();
        let counted = postgres.write(COUNT, &[&key, &ends_at, &first, &last, &PER_ACCOUNT_ANYWHERE]).await?;
        if let Some(row) = counted.first() {
            return Ok(Tally::Counted(Timestamp(row.try_get(0)?)));
        }
        let found = postgres.query_opt(ENDS_AT, &[&key]).await?;
        // One that was swept meanwhile is over.
        let ends_at = found.map_or(Ok(self.now.0), |row| row.try_get(0))?;
        Ok(Tally::Refused(Timestamp(ends_at)))
    }
}
