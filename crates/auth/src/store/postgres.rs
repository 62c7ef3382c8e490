//! Accounts and sessions in PostgreSQL.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{Timestamp, Uuid};
use platform::db::postgres::{Params, Postgres, Transaction};
use platform::db::{Effects, StoreError};

use super::{ActiveChange, MAX_IDS, Store, StoredAccount, account, session_with_account, sql, stored_account};
use crate::model::{Account, Session, email_key};

pub struct PostgresStore(pub Arc<Postgres>);

#[async_trait]
impl Store for PostgresStore {
    async fn create_account(
        &self,
        stored: StoredAccount,
        session: Option<Session>,
        effects: Effects,
    ) -> Result<(), StoreError> {
        let mut transaction = self.0.begin().await?;
        let result = create(&mut transaction, &stored, session.as_ref(), &effects).await;
        transaction.end(result).await
    }

    async fn account(&self, id: Uuid) -> Result<Option<Account>, StoreError> {
        let row = self.0.query_opt(sql::ACCOUNT, &[&id]).await?;
        row.as_ref().map(account).transpose()
    }

    async fn account_by_email_key(&self, key: &str) -> Result<Option<StoredAccount>, StoreError> {
        // PostgreSQL's text cannot hold it, so no account has it.
        if key.contains('\0') {
            return Ok(None);
        }
        let row = self.0.query_opt(sql::ACCOUNT_BY_EMAIL, &[&key]).await?;
        row.as_ref().map(stored_account).transpose()
    }

    async fn accounts_by_ids(&self, ids: &[Uuid]) -> Result<Vec<Account>, StoreError> {
        let select = "select id, username, email, role, active, version, created_at, updated_at from accounts \
            where id = any($1)";
        let mut accounts = Vec::with_capacity(ids.len());
        for some in ids.chunks(MAX_IDS) {
            for row in self.0.query(select, &[&some]).await? {
                accounts.push(account(&row)?);
            }
        }
        Ok(accounts)
    }

    async fn session_with_account(&self, id: Uuid) -> Result<Option<(Session, Account)>, StoreError> {
        let row = self.0.query_opt(sql::SESSION_WITH_ACCOUNT, &[&id]).await?;
        row.as_ref().map(|row| session_with_account(id, row)).transpose()
    }

    async fn create_session(&self, session: Session) -> Result<bool, StoreError> {
        // The lock makes a deactivation either wait for this session, and end it, or be seen.
        let insert = "with owner as (select id from accounts where id = $2 and active for share) \
            insert into sessions (id, account_id, created_at, expires_at) \
            select $1::uuid, id, $3::bigint, $4::bigint from owner";
        let (created, expires) = (session.created_at.0, session.expires_at.0);
        let values: Params<'_> = &[&session.id, &session.account_id, &created, &expires];
        Ok(self.execute(insert, values).await? == 1)
    }

    async fn rehash(&self, account_id: Uuid, old: String, new: String) -> Result<bool, StoreError> {
        Ok(self.execute(sql::REHASH, &[&new, &account_id, &old]).await? == 1)
    }

    async fn set_active(&self, change: ActiveChange, effects: Effects) -> Result<bool, StoreError> {
        let mut transaction = self.0.begin().await?;
        let result = set_active(&mut transaction, change, &effects).await;
        transaction.end(result).await
    }

    async fn end_session(&self, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
        self.execute(sql::END_SESSION, &[&now.0, &id]).await.map(drop)
    }

    async fn end_sessions(&self, account_id: Uuid, now: Timestamp) -> Result<u64, StoreError> {
        self.execute(sql::END_SESSIONS, &[&now.0, &account_id]).await
    }

    async fn list(&self, offset: i64, limit: i64) -> Result<(Vec<Account>, i64), StoreError> {
        let rows = self.0.query_slow(sql::LIST, &[&limit, &offset]).await?;
        let accounts = rows.iter().map(account).collect::<Result<_, _>>()?;
        let count = self.0.query_slow(sql::COUNT, &[]).await?;
        let count = count.first().map_or(Ok(0), |row| row.try_get(0))?;
        Ok((accounts, count))
    }

    async fn sweep_sessions(&self, before: Timestamp, limit: i64) -> Result<u64, StoreError> {
        self.execute(sql::SWEEP, &[&before.0, &limit]).await
    }
}

impl PostgresStore {
    /// One statement that is a transaction by itself. It appends no event, so nobody needs waking.
    async fn execute(&self, sql: &str, params: Params<'_>) -> Result<u64, StoreError> {
        let connection = self.0.connection().await?;
        let statement = connection.prepare_cached(sql).await?;
        Ok(connection.execute(&statement, params).await?)
    }
}

async fn create(
    transaction: &mut Transaction<'_>,
    stored: &StoredAccount,
    session: Option<&Session>,
    effects: &Effects,
) -> Result<(), StoreError> {
    let a = &stored.account;
    let (key, role) = (email_key(&a.email), a.role.as_str());
    let values: Params<'_> = &[
        &a.id,
        &a.username,
        &a.email,
        &key,
        &stored.password_hash,
        &role,
        &a.active,
        &a.version,
        &a.created_at.0,
        &a.updated_at.0,
    ];
    transaction.query(sql::INSERT_ACCOUNT, values).await?;
    if let Some(s) = session {
        let ended = s.ended_at.map(|time| time.0);
        let values: Params<'_> = &[&s.id, &s.account_id, &s.created_at.0, &s.expires_at.0, &ended];
        transaction.query(sql::INSERT_SESSION, values).await?;
    }
    effects.write_postgres(transaction).await
}

async fn set_active(
    transaction: &mut Transaction<'_>,
    change: ActiveChange,
    effects: &Effects,
) -> Result<bool, StoreError> {
    let update = format!("{} returning id", sql::SET_ACTIVE);
    let values: Params<'_> = &[&change.active, &change.now.0, &change.account_id, &change.expected_version];
    if transaction.query(&update, values).await?.is_empty() {
        return Ok(false);
    }
    if !change.active {
        transaction.query(sql::END_SESSIONS, &[&change.now.0, &change.account_id]).await?;
    }
    effects.write_postgres(transaction).await.map(|()| true)
}
