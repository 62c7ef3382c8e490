//! Where accounts and sessions are kept: one trait, two databases, one suite of tests.

mod postgres;
mod sqlite;
#[cfg(test)]
mod suite;

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{Role, Timestamp, Uuid};
use platform::db::row::Columns;
use platform::db::{Database, Effects, StoreError};

use crate::model::{Account, Session};

/// How many accounts one look-up by ids reads at a time.
const MAX_IDS: usize = 500;

/// An account with what proves its owner.
#[derive(Debug, Clone)]
pub struct StoredAccount {
    pub account: Account,
    pub password_hash: String,
}

/// A change of the active flag of an account as it was read.
#[derive(Debug, Clone, Copy)]
pub struct ActiveChange {
    pub account_id: Uuid,
    pub active: bool,
    /// The version that was read; another one means that somebody else was first.
    pub expected_version: i64,
    pub now: Timestamp,
}

/// Whole operations, one transaction each.
#[async_trait]
pub trait Store: Send + Sync {
    /// Conflicts are on `accounts.username`, `accounts.email_key`.
    async fn create_account(
        &self,
        account: StoredAccount,
        session: Option<Session>,
        effects: Effects,
    ) -> Result<(), StoreError>;

    async fn account(&self, id: Uuid) -> Result<Option<Account>, StoreError>;

    async fn account_by_email_key(&self, key: &str) -> Result<Option<StoredAccount>, StoreError>;

    /// Those that exist, in no order.
    async fn accounts_by_ids(&self, ids: &[Uuid]) -> Result<Vec<Account>, StoreError>;

    async fn session_with_account(&self, id: Uuid) -> Result<Option<(Session, Account)>, StoreError>;

    /// False, and nothing written, when the account is not active (any more).
    async fn create_session(&self, session: Session) -> Result<bool, StoreError>;

    /// False when the hash is no longer `old`: it was changed meanwhile, and must not be set back.
    async fn rehash(&self, account_id: Uuid, old: String, new: String) -> Result<bool, StoreError>;

    /// Deactivation ends all sessions, so that a later activation revives no token. False when the version differs.
    async fn set_active(&self, change: ActiveChange, effects: Effects) -> Result<bool, StoreError>;

    /// Ending an ended session changes nothing.
    async fn end_session(&self, id: Uuid, now: Timestamp) -> Result<(), StoreError>;

    /// Ends all sessions of an account; returns how many were open.
    async fn end_sessions(&self, account_id: Uuid, now: Timestamp) -> Result<u64, StoreError>;

    /// Newest first, with the number of all accounts.
    async fn list(&self, offset: i64, limit: i64) -> Result<(Vec<Account>, i64), StoreError>;

    /// Deletes up to `limit` sessions that expired before `before`; returns how many.
    async fn sweep_sessions(&self, before: Timestamp, limit: i64) -> Result<u64, StoreError>;
}

/// The store of an open database.
pub fn open(database: Database) -> Arc<dyn Store> {
    match database {
        Database::Sqlite(db) => Arc::new(sqlite::SqliteStore(db)),
        Database::Postgres(db) => Arc::new(postgres::PostgresStore(db)),
    }
}

/// An account from its columns, in the order in which all statements select them first.
fn account(row: &impl Columns) -> Result<Account, StoreError> {
    let id = row.uuid(0).map_err(|found| StoreError::corrupt("accounts", "id", "with a malformed id", found))?;
    let misfit = |column| move |found: String| StoreError::corrupt("accounts", column, id, found);
    let role = row.text(3).map_err(misfit("role"))?;
    Ok(Account {
        id,
        username: row.text(1).map_err(misfit("username"))?,
        email: row.text(2).map_err(misfit("email"))?,
        role: Role::parse(&role).ok_or_else(|| misfit("role")(format!("unknown role {role:?}")))?,
        active: row.boolean(4).map_err(misfit("active"))?,
        version: row.integer(5).map_err(misfit("version"))?,
        created_at: Timestamp(row.integer(6).map_err(misfit("created_at"))?),
        updated_at: Timestamp(row.integer(7).map_err(misfit("updated_at"))?),
    })
}

/// The account of [`sql::ACCOUNT_BY_EMAIL`], with its hash.
fn stored_account(row: &impl Columns) -> Result<StoredAccount, StoreError> {
    let account = account(row)?;
    let password_hash =
        row.text(8).map_err(|found| StoreError::corrupt("accounts", "password_hash", account.id, found))?;
    Ok(StoredAccount { account, password_hash })
}

/// The row of [`sql::SESSION_WITH_ACCOUNT`].
fn session_with_account(id: Uuid, row: &impl Columns) -> Result<(Session, Account), StoreError> {
    let account = account(row)?;
    let misfit = |column| move |found: String| StoreError::corrupt("sessions", column, id, found);
    let session = Session {
        id,
        account_id: account.id,
        created_at: Timestamp(row.integer(8).map_err(misfit("created_at"))?),
        expires_at: Timestamp(row.integer(9).map_err(misfit("expires_at"))?),
        ended_at: row.optional_integer(10).map_err(misfit("ended_at"))?.map(Timestamp),
    };
    Ok((session, account))
}

/// SQL that both databases speak. SQLite numbers `$n` by first appearance, so they appear in order.
mod sql {
    pub const INSERT_ACCOUNT: &str = "insert into accounts \
        (id, username, email, email_key, password_hash, role, active, version, created_at, updated_at) \
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    pub const INSERT_SESSION: &str =
        "insert into sessions (id, account_id, created_at, expires_at, ended_at) values ($1, $2, $3, $4, $5)";
    pub const ACCOUNT: &str =
        "select id, username, email, role, active, version, created_at, updated_at from accounts where id = $1";
    pub const ACCOUNT_BY_EMAIL: &str = "select id, username, email, role, active, version, created_at, updated_at, \
        password_hash from accounts where email_key = $1";
    pub const SESSION_WITH_ACCOUNT: &str = "select a.id, a.username, a.email, a.role, a.active, a.version, a.created_at, \
        a.updated_at, s.created_at, s.expires_at, s.ended_at \
        from sessions s join accounts a on a.id = s.account_id where s.id = $1";
    pub const REHASH: &str = "update accounts set password_hash = $1 where id = $2 and password_hash = $3";
    pub const SET_ACTIVE: &str = "update accounts set active = $1, updated_at = $2, version = version + 1 \
        where id = $3 and version = $4";
    pub const END_SESSION: &str = "update sessions set ended_at = $1 where id = $2 and ended_at is null";
    pub const END_SESSIONS: &str = "update sessions set ended_at = $1 where account_id = $2 and ended_at is null";
    pub const LIST: &str = "select id, username, email, role, active, version, created_at, updated_at from accounts \
        order by created_at desc, id desc limit $1 offset $2";
    pub const COUNT: &str = "select count(*) from accounts";
    pub const SWEEP: &str = "delete from sessions where id in \
        (select id from sessions where expires_at < $1 order by expires_at limit $2)";
}
