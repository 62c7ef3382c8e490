//! Accounts and sessions in SQLite.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{Timestamp, Uuid};
use platform::db::sqlite::Sqlite;
use platform::db::{Effects, StoreError};
use rusqlite::{Connection, params};

use super::{ActiveChange, MAX_IDS, Store, StoredAccount, account, session_with_account, sql, stored_account};
use crate::model::{Account, Session, email_key};

/// As many rows by key take less time than a hop to another thread and back would.
const POINT_IDS: usize = 100;

pub struct SqliteStore(pub Arc<Sqlite>);

#[async_trait]
impl Store for SqliteStore {
    async fn create_account(
        &self,
        stored: StoredAccount,
        session: Option<Session>,
        effects: Effects,
    ) -> Result<(), StoreError> {
        self.0
            .write(move |connection| {
                insert_account(connection, &stored)?;
                if let Some(session) = &session {
                    let mut insert = connection.prepare_cached(sql::INSERT_SESSION)?;
                    insert.execute(params![
                        session.id.as_bytes(),
                        session.account_id.as_bytes(),
                        session.created_at.0,
                        session.expires_at.0,
                        session.ended_at.map(|time| time.0)
                    ])?;
                }
                effects.write_sqlite(connection)
            })
            .await
    }

    async fn account(&self, id: Uuid) -> Result<Option<Account>, StoreError> {
        self.0.read_point(|connection| find(connection, id))
    }

    async fn account_by_email_key(&self, key: &str) -> Result<Option<StoredAccount>, StoreError> {
        self.0.read_point(|connection| {
            let mut statement = connection.prepare_cached(sql::ACCOUNT_BY_EMAIL)?;
            let mut rows = statement.query([key])?;
            rows.next()?.map(stored_account).transpose()
        })
    }

    async fn accounts_by_ids(&self, ids: &[Uuid]) -> Result<Vec<Account>, StoreError> {
        let find_all = |connection: &Connection, ids: &[Uuid]| {
            let found = ids.iter().filter_map(|id| find(connection, *id).transpose());
            found.collect::<Result<Vec<Account>, StoreError>>()
        };
        if ids.len() <= POINT_IDS {
            return self.0.read_point(|connection| find_all(connection, ids));
        }
        let mut accounts = Vec::with_capacity(ids.len());
        for some in ids.chunks(MAX_IDS) {
            let some = some.to_vec();
            accounts.extend(self.0.read(move |connection| find_all(connection, &some)).await?);
        }
        Ok(accounts)
    }

    async fn session_with_account(&self, id: Uuid) -> Result<Option<(Session, Account)>, StoreError> {
        self.0.read_point(|connection| {
            let mut statement = connection.prepare_cached(sql::SESSION_WITH_ACCOUNT)?;
            let mut rows = statement.query([id.as_bytes()])?;
            rows.next()?.map(|row| session_with_account(id, row)).transpose()
        })
    }

    async fn create_session(&self, session: Session) -> Result<bool, StoreError> {
        let insert = "insert into sessions (id, account_id, created_at, expires_at) \
            select $1, id, $2, $3 from accounts where id = $4 and active";
        self.0
            .write(move |connection| {
                let inserted = connection.prepare_cached(insert)?.execute(params![
                    session.id.as_bytes(),
                    session.created_at.0,
                    session.expires_at.0,
                    session.account_id.as_bytes()
                ])?;
                Ok(inserted == 1)
            })
            .await
    }

    async fn rehash(&self, account_id: Uuid, old: String, new: String) -> Result<bool, StoreError> {
        self.0
            .write(move |connection| {
                let values = params![new, account_id.as_bytes(), old];
                Ok(connection.prepare_cached(sql::REHASH)?.execute(values)? == 1)
            })
            .await
    }

    async fn set_active(&self, change: ActiveChange, effects: Effects) -> Result<bool, StoreError> {
        self.0
            .write(move |connection| {
                let id = change.account_id.as_bytes();
                let values = params![change.active, change.now.0, id, change.expected_version];
                if connection.prepare_cached(sql::SET_ACTIVE)?.execute(values)? == 0 {
                    return Ok(false);
                }
                if !change.active {
                    connection.prepare_cached(sql::END_SESSIONS)?.execute(params![change.now.0, id])?;
                }
                effects.write_sqlite(connection).map(|()| true)
            })
            .await
    }

    async fn end_session(&self, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
        self.0
            .write(move |connection| {
                connection.prepare_cached(sql::END_SESSION)?.execute(params![now.0, id.as_bytes()])?;
                Ok(())
            })
            .await
    }

    async fn end_sessions(&self, account_id: Uuid, now: Timestamp) -> Result<u64, StoreError> {
        self.0
            .write(move |connection| {
                let values = params![now.0, account_id.as_bytes()];
                Ok(connection.prepare_cached(sql::END_SESSIONS)?.execute(values)? as u64)
            })
            .await
    }

    async fn list(&self, offset: i64, limit: i64) -> Result<(Vec<Account>, i64), StoreError> {
        self.0
            .read(move |connection| {
                let mut statement = connection.prepare_cached(sql::LIST)?;
                let mut rows = statement.query([limit, offset])?;
                let mut accounts = Vec::new();
                while let Some(row) = rows.next()? {
                    accounts.push(account(row)?);
                }
                let count = connection.prepare_cached(sql::COUNT)?.query_row([], |row| row.get(0))?;
                Ok((accounts, count))
            })
            .await
    }

    async fn sweep_sessions(&self, before: Timestamp, limit: i64) -> Result<u64, StoreError> {
        self.0
            .write(move |connection| Ok(connection.prepare_cached(sql::SWEEP)?.execute([before.0, limit])? as u64))
            .await
    }
}

fn insert_account(connection: &Connection, stored: &StoredAccount) -> Result<(), StoreError> {
    let account = &stored.account;
    connection.prepare_cached(sql::INSERT_ACCOUNT)?.execute(params![
        account.id.as_bytes(),
        account.username,
        account.email,
        email_key(&account.email),
        stored.password_hash,
        account.role.as_str(),
        account.active,
        account.version,
        account.created_at.0,
        account.updated_at.0
    ])?;
    Ok(())
}

fn find(connection: &Connection, id: Uuid) -> Result<Option<Account>, StoreError> {
    let mut statement = connection.prepare_cached(sql::ACCOUNT)?;
    let mut rows = statement.query([id.as_bytes()])?;
    rows.next()?.map(account).transpose()
}
