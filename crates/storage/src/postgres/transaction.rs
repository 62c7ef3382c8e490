//! Transactions on a connection of their own, with as few round trips as their statements allow.

use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join, join_all, join3};
use platform::telemetry;
use platform::telemetry::metrics::Operation;
use tokio::time::Instant as Deadline;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::{Boxed, Params, Pooled, Postgres};
use crate::StoreError;
use crate::commits::Stale;
use crate::error::describe;

/// A statement among others that travel together.
pub struct Statement<'a> {
    sql: &'static str,
    params: Vec<&'a (dyn ToSql + Sync)>,
    /// How many rows it must affect, and the rule that is broken otherwise.
    affecting: Option<(u64, &'static str)>,
}

impl<'a> Statement<'a> {
    pub fn new(sql: &'static str, params: Vec<&'a (dyn ToSql + Sync)>) -> Self {
        Self { sql, params, affecting: None }
    }

    /// Fails with a conflict on `rule` unless so many rows are affected.
    pub fn affecting(self, rows: usize, rule: &'static str) -> Self {
        Self { affecting: Some((rows as u64, rule)), ..self }
    }
}

/// Runs what belongs into a transaction; ahead of the first of it travels its BEGIN.
async fn run_in<T>(
    connection: &Pooled,
    begun: bool,
    run: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, tokio_postgres::Error> {
    if begun {
        return run.await;
    }
    // Polled in this order, so sent in this order.
    let (begun, result) = join(connection.batch_execute("begin"), run).await;
    begun.and(result)
}

type Prepared<'a> = Vec<(tokio_postgres::Statement, Params<'a>)>;

async fn prepare_all<'a>(
    connection: &Pooled,
    statements: &'a [Statement<'_>],
) -> Result<Prepared<'a>, tokio_postgres::Error> {
    let mut prepared = Vec::with_capacity(statements.len());
    for statement in statements {
        prepared.push((connection.prepare_cached(statement.sql).await?, &statement.params[..]));
    }
    Ok(prepared)
}

fn check_all(
    statements: &[Statement<'_>],
    executed: Vec<Result<u64, tokio_postgres::Error>>,
) -> Result<(), StoreError> {
    for (statement, executed) in statements.iter().zip(executed) {
        let affected = executed?;
        if let Some((_, rule)) = statement.affecting.filter(|(rows, _)| *rows != affected) {
            return Err(StoreError::Conflict(rule.to_owned()));
        }
    }
    Ok(())
}

/// A transaction that is either committed, rolled back, or dropped with its connection.
pub struct Transaction<'a> {
    connection: Option<Pooled>,
    begun: bool,
    /// Whether it may owe an answer, for which others would have to wait.
    owes: bool,
    postgres: &'a Postgres,
    /// For all of its statements together.
    deadline: Deadline,
    /// What it may make stale.
    stale: Stale,
}

impl<'a> Transaction<'a> {
    pub(super) fn new(connection: Pooled, postgres: &'a Postgres, deadline: Deadline) -> Self {
        Self { connection: Some(connection), begun: false, owes: false, postgres, deadline, stale: Stale::new() }
    }

    /// Notes what it may make stale: whoever asked for it, and listeners, hear of it after its commit.
    pub fn note<'t>(&mut self, tags: impl Iterator<Item = &'t str>) {
        self.stale.extend(tags.map(Box::from));
    }

    /// Runs one statement and returns its rows.
    ///
    /// # Errors
    /// As the statement; the transaction is then only good for [`Transaction::rollback`].
    pub fn query<'s>(&'s mut self, sql: &'s str, params: Params<'s>) -> Boxed<'s, Vec<Row>> {
        Box::pin(async move {
            let begun = self.ask();
            let connection = self.connection.as_ref().ok_or_else(closed)?;
            let query = async {
                let statement = connection.prepare_cached(sql).await?;
                run_in(connection, begun, connection.query(&statement, params)).await
            };
            let rows = self.answered(&self.postgres.operations.write, query).await;
            self.hear(rows)
        })
    }

    /// Runs one statement and returns how many rows it affected.
    ///
    /// # Errors
    /// As [`Transaction::query`].
    pub fn execute<'s>(&'s mut self, sql: &'s str, params: Params<'s>) -> Boxed<'s, u64> {
        Box::pin(async move {
            let begun = self.ask();
            let connection = self.connection.as_ref().ok_or_else(closed)?;
            let execute = async {
                let statement = connection.prepare_cached(sql).await?;
                run_in(connection, begun, connection.execute(&statement, params)).await
            };
            let affected = self.answered(&self.postgres.operations.write, execute).await;
            self.hear(affected)
        })
    }

    /// Runs the statements in one round trip.
    ///
    /// # Errors
    /// The first that failed, or `Conflict` for one that did not affect the rows that it must. The transaction is then only
    /// good for [`Transaction::rollback`].
    pub fn execute_all<'s>(&'s mut self, statements: &'s [Statement<'s>]) -> Boxed<'s, ()> {
        Box::pin(async move {
            let begun = self.ask();
            let connection = self.connection.as_ref().ok_or_else(closed)?;
            let execute_all = async {
                let prepared = prepare_all(connection, statements).await?;
                let all = join_all(prepared.iter().map(|(prepared, params)| connection.execute(prepared, params)));
                run_in(connection, begun, all.map(Ok)).await
            };
            let executed = self.answered(&self.postgres.operations.write, execute_all).await;
            check_all(statements, self.hear(executed)?)
        })
    }

    /// Notes that an answer is owed, and returns whether the transaction has begun already.
    fn ask(&mut self) -> bool {
        self.owes = true;
        std::mem::replace(&mut self.begun, true)
    }

    /// Notes that the answer is here, unless it was not waited for.
    fn hear<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        self.owes = matches!(result, Err(StoreError::Unavailable(_)));
        result
    }

    async fn answered<T>(
        &self,
        series: &Operation,
        operation: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, StoreError> {
        let started = Instant::now();
        let result = self.postgres.liveness.answered(self.deadline, operation).await;
        telemetry::record(started, series);
        result
    }

    /// Runs the statements and commits: in one round trip, unless a statement's count decides about the commit. Meant for a
    /// transaction that has not begun.
    ///
    /// # Errors
    /// As [`Transaction::execute_all`]; nothing was written then. `Unavailable` when the server did not confirm the commit: the
    /// outcome is then unknown to this process.
    pub fn commit_all<'s>(mut self, statements: &'s [Statement<'s>]) -> Boxed<'s, ()>
    where
        'a: 's,
    {
        Box::pin(async move {
            if statements.iter().any(|statement| statement.affecting.is_some()) {
                let executed = self.execute_all(statements).await;
                return self.end(executed).await;
            }
            self.ask();
            let connection = self.connection.as_ref().ok_or_else(closed)?;
            let commit_all = async {
                let prepared = prepare_all(connection, statements).await?;
                // As above. After a failed statement the server turns COMMIT into ROLLBACK.
                let all = join3(
                    connection.batch_execute("begin"),
                    join_all(prepared.iter().map(|(prepared, params)| connection.execute(prepared, params))),
                    connection.batch_execute("commit"),
                );
                Ok(all.await)
            };
            let (begun, executed, committed) = self.answered(&self.postgres.operations.commit, commit_all).await?;
            begun?;
            if let Err(error) = committed {
                return Err(StoreError::Unavailable(describe(&error)));
            }
            // Whatever the statements did, the transaction is over.
            (self.begun, self.owes) = (false, false);
            check_all(statements, executed)?;
            self.postgres.commits.note(&self.stale);
            Ok(())
        })
    }

    /// Commits what succeeded; undoes what did not.
    ///
    /// # Errors
    /// The given one, or that of [`Transaction::commit`].
    pub async fn end<T>(self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        match result {
            Ok(value) => self.commit().await.map(|()| value),
            Err(error) => {
                self.rollback().await;
                Err(error)
            }
        }
    }

    /// # Errors
    /// `Unavailable` when the server did not confirm: the outcome is then unknown to this process.
    pub fn commit(mut self) -> Boxed<'a, ()> {
        Box::pin(async move {
            let (commits, stale) = (&self.postgres.commits, std::mem::take(&mut self.stale));
            self.commit_unheard().await?;
            commits.note(&stale);
            Ok(())
        })
    }

    /// As [`Transaction::commit`], of what nobody listens for.
    ///
    /// # Errors
    /// As [`Transaction::commit`].
    pub async fn commit_unheard(mut self) -> Result<(), StoreError> {
        let connection = self.connection.as_ref().ok_or_else(closed)?;
        self.answered(&self.postgres.operations.commit, connection.batch_execute("commit")).await?;
        self.begun = false;
        Ok(())
    }

    /// Undoes everything and gives the connection back.
    pub fn rollback(self) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let mut this = self;
            if let Some(connection) = this.connection.as_ref().filter(|_| this.begun)
                && this.answered(&this.postgres.operations.write, connection.batch_execute("rollback")).await.is_ok()
            {
                this.begun = false;
            }
        })
    }
}

/// Dropped in its midst (a panic, a deadline, no answer to its end): the connection is closed, and with it the transaction.
impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && (self.begun || self.owes)
        {
            connection.close();
        }
    }
}

fn closed() -> StoreError {
    StoreError::Statement("the transaction is closed".into())
}
