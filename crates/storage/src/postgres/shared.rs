//! Connections that reads share, pipelined, and that are made again when they are lost.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::Mutex as AsyncMutex;
use tokio_postgres::{Client, Row};

use super::liveness::Liveness;
use super::{Params, Postgres, describe};

/// Statements that a shared connection keeps prepared at most. Each takes memory in the server.
const MAX_STATEMENTS: usize = 256;

/// A connection that many readers use at once: their queries go out back to back and are answered in order.
#[derive(Default)]
pub(super) struct Shared {
    current: Mutex<Option<Arc<Connection>>>,
    connecting: AsyncMutex<()>,
}

struct Connection {
    client: Client,
    made: Instant,
    statements: Mutex<HashMap<Box<str>, tokio_postgres::Statement>>,
}

impl Shared {
    pub async fn query(
        &self,
        postgres: &Postgres,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let connection = match self.live(&postgres.liveness) {
            Some(connection) => connection,
            None => self.reconnect(postgres).await?,
        };
        let result = connection.query(sql, params).await;
        if result.as_ref().is_err_and(connection_lost) {
            // The driver may not know yet that this was the connection's last word.
            let mut current = lock(&self.current);
            if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &connection)) {
                *current = None;
            }
        }
        result
    }

    /// Has the next reader connect anew: the connection may lead to nowhere.
    pub fn forget(&self) {
        *lock(&self.current) = None;
    }

    fn live(&self, liveness: &Liveness) -> Option<Arc<Connection>> {
        let current = lock(&self.current).clone();
        current.filter(|connection| !connection.client.is_closed() && !liveness.outlived(connection.made.elapsed()))
    }

    /// One caller connects; the others wait for it.
    async fn reconnect(&self, postgres: &Postgres) -> Result<Arc<Connection>, tokio_postgres::Error> {
        let _turn = self.connecting.lock().await;
        if let Some(connection) = self.live(&postgres.liveness) {
            return Ok(connection);
        }
        let (client, driver) = postgres.server.connect().await?;
        tokio::spawn(async move {
            if let Err(error) = driver.await {
                let error = describe(&error);
                tracing::warn!(event = "db.connection.lost", error, "a shared database connection was lost");
            }
        });
        let connection = Arc::new(Connection { client, made: Instant::now(), statements: Mutex::default() });
        *lock(&self.current) = Some(Arc::clone(&connection));
        Ok(connection)
    }
}

impl Connection {
    async fn query(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, tokio_postgres::Error> {
        let known = lock(&self.statements).get(sql).cloned();
        let statement = match known {
            Some(statement) => statement,
            None => {
                let prepared = self.client.prepare(sql).await?;
                let mut statements = lock(&self.statements);
                if statements.len() >= MAX_STATEMENTS {
                    // More than there are texts of ours; the server forgets them with the last of their users.
                    statements.clear();
                }
                statements.insert(sql.into(), prepared.clone());
                prepared
            }
        };
        self.client.query(&statement, params).await
    }
}

/// Whether the connection is of no more use: closed, or told by the server (class 57P: shutdown, crash, termination).
pub(super) fn connection_lost(error: &tokio_postgres::Error) -> bool {
    error.is_closed() || error.code().is_some_and(|code| code.code().starts_with("57P"))
}

/// These locks guard single loads and stores: a poisoned one is still whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
