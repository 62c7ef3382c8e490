//! Where accounts and sessions are kept: one trait, two databases, one suite of tests.

mod postgres;
mod sqlite;
#[cfg(test)]
mod suite;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kernel::{Role, Timestamp, Uuid};
use platform::db::row::Columns;
use platform::db::{Database, Effects, StoreError};

use crate::model::{Account, AccountKind, OneTimeToken, Purpose, Session, UsedBy};
use crate::tokens::Audience;

/// How many accounts one look-up by ids reads at a time.
const MAX_IDS: usize = 500;

/// An account with what proves its owner.
#[derive(Debug, Clone)]
pub struct StoredAccount {
    pub account: Account,
    pub password_hash: String,
}

/// A change of an account, with what happens to its sessions and permissions in the same transaction.
#[derive(Debug, Clone)]
pub struct AccountChange {
    /// The account as it will be. Its version is the one after the version that was read: another one in the database means
    /// that somebody else was first.
    pub after: Account,
    pub password_hash: Option<String>,
    pub end_sessions: EndSessions,
    /// The mailed permission that is used up by the change.
    pub consume: Option<(Uuid, Purpose)>,
    /// A permission to mail, in place of older ones for the same purpose.
    pub issue: Option<OneTimeToken>,
    /// Mailed permissions that the change makes void.
    pub revoke: Option<Purpose>,
    /// Whether an administrator is lost by the change, who must not be the last one.
    pub loses_admin: bool,
    /// Whether everything personal goes.
    pub erase: bool,
}

impl AccountChange {
    /// A change of nothing but the account's own fields.
    pub fn to(after: Account) -> Self {
        Self {
            after,
            password_hash: None,
            end_sessions: EndSessions::None,
            consume: None,
            issue: None,
            revoke: None,
            loses_admin: false,
            erase: false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndSessions {
    None,
    All,
    AllBut(Uuid),
}

impl EndSessions {
    /// The session that is left, if others end; the nil id is none.
    fn kept(self) -> Option<Uuid> {
        match self {
            EndSessions::None => None,
            EndSessions::All => Some(Uuid::nil()),
            EndSessions::AllBut(session) => Some(session),
        }
    }
}

/// A refresh token that was presented.
#[derive(Debug, Clone)]
pub struct Refresh {
    pub session_id: Uuid,
    pub generation: i64,
    pub now: Timestamp,
    /// When the session is over if it is not refreshed again.
    pub expires_at: Timestamp,
    /// How long the token before may be presented again, by who lost the answer.
    pub leeway: Duration,
    pub used_by: UsedBy,
}

/// What a presented refresh token did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    /// The session goes on with the next generation; also when the same token came again within the leeway.
    To(i64),
    /// An older token of this account's session came: somebody has to end it.
    Replayed(Uuid),
    /// There is no such live session.
    Ended,
}

/// Where a list of accounts goes on, and what it holds.
#[derive(Debug, Clone)]
pub struct AccountQuery {
    pub kind: AccountKind,
    pub after: Option<(Timestamp, Uuid)>,
    pub limit: i64,
}

/// The rules by which a change of an account is refused.
pub const TOKEN_RULE: &str = "one_time_tokens.id";
pub const LAST_ADMIN_RULE: &str = "accounts.last_admin";

/// Whole operations, one transaction each.
#[async_trait]
pub trait Store: Send + Sync {
    /// Conflicts are on `accounts.username`, `accounts.email_key`.
    async fn create_account(
        &self,
        account: StoredAccount,
        session: Option<Session>,
        issue: Option<OneTimeToken>,
        effects: Effects,
    ) -> Result<(), StoreError>;

    async fn account(&self, id: Uuid) -> Result<Option<Account>, StoreError>;

    async fn account_by_email_key(&self, key: &str) -> Result<Option<StoredAccount>, StoreError>;

    async fn username_taken(&self, username: &str) -> Result<bool, StoreError>;

    /// Those that exist, in no order.
    async fn accounts_by_ids(&self, ids: &[Uuid]) -> Result<Vec<Account>, StoreError>;

    async fn session_with_account(&self, id: Uuid) -> Result<Option<(Session, Account)>, StoreError>;

    /// False, and nothing written, when the account is not active, or has another version: what proved its owner may hold no
    /// longer.
    async fn create_session(&self, session: Session, version: i64, effects: Effects) -> Result<bool, StoreError>;

    /// False when the hash is no longer `old`: it was changed meanwhile, and must not be set back.
    async fn rehash(&self, account_id: Uuid, old: String, new: String) -> Result<bool, StoreError>;

    /// False, and nothing written, when the version differs. Conflicts are on `accounts.username`, `accounts.email_key`,
    /// [`TOKEN_RULE`], [`LAST_ADMIN_RULE`].
    async fn change_account(&self, change: AccountChange, effects: Effects) -> Result<bool, StoreError>;

    async fn refresh(&self, refresh: Refresh) -> Result<Refreshed, StoreError>;

    /// Live sessions, newest first, at most `limit`.
    async fn sessions_of(&self, account_id: Uuid, now: Timestamp, limit: i64) -> Result<Vec<Session>, StoreError>;

    /// Ends a live session of this account; false, and nothing written, when there is none.
    async fn end_session(
        &self,
        account_id: Uuid,
        id: Uuid,
        now: Timestamp,
        effects: Effects,
    ) -> Result<bool, StoreError>;

    /// Ends all sessions of an account; returns how many were open.
    async fn end_sessions(&self, account_id: Uuid, now: Timestamp, effects: Effects) -> Result<u64, StoreError>;

    /// Writes a permission to mail, or its decoy, in place of the account's older ones for the same purpose. `subject`: the
    /// account of which the effects tell; when it is not active any more, nothing is written.
    async fn issue_token(&self, subject: Option<Uuid>, token: OneTimeToken, effects: Effects)
    -> Result<(), StoreError>;

    /// A mailed permission that is still good.
    async fn token(&self, id: Uuid, purpose: Purpose, now: Timestamp) -> Result<Option<OneTimeToken>, StoreError>;

    /// Accounts by key, newest first.
    async fn accounts(&self, query: AccountQuery) -> Result<Vec<Account>, StoreError>;

    /// Accounts whose products are still to be archived, by id, and when they were erased; and the word that they are.
    async fn erasures(&self, after: Uuid, limit: i64) -> Result<Vec<(Uuid, Timestamp)>, StoreError>;
    async fn erased(&self, account_id: Uuid) -> Result<(), StoreError>;

    /// Newest first, with the number of all accounts.
    async fn list(&self, offset: i64, limit: i64) -> Result<(Vec<Account>, i64), StoreError>;

    /// Deletes up to `limit` sessions, and as many mailed permissions, that expired before `before`; returns how many of what
    /// there were more of.
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
        email_verified_at: row.optional_integer(8).map_err(misfit("email_verified_at"))?.map(Timestamp),
    })
}

/// The account of [`sql::ACCOUNT_BY_EMAIL`], with its hash.
fn stored_account(row: &impl Columns) -> Result<StoredAccount, StoreError> {
    let account = account(row)?;
    let password_hash =
        row.text(9).map_err(|found| StoreError::corrupt("accounts", "password_hash", account.id, found))?;
    Ok(StoredAccount { account, password_hash })
}

/// The row of [`sql::SESSION_WITH_ACCOUNT`].
fn session_with_account(row: &impl Columns) -> Result<(Session, Account), StoreError> {
    Ok((session(row, ACCOUNT_COLUMNS)?, account(row)?))
}

const ACCOUNT_COLUMNS: usize = 9;

/// A session from its columns, of which the first is at `start`.
fn session(row: &impl Columns, start: usize) -> Result<Session, StoreError> {
    let id = row.uuid(start).map_err(|found| StoreError::corrupt("sessions", "id", "with a malformed id", found))?;
    let misfit = |column| move |found: String| StoreError::corrupt("sessions", column, id, found);
    let api = row.text(start + 2).map_err(misfit("api"))?;
    let address = row.optional_text(start + 9).map_err(misfit("address"))?;
    Ok(Session {
        id,
        account_id: row.uuid(start + 1).map_err(misfit("account_id"))?,
        api: Audience::from_api(&api).ok_or_else(|| misfit("api")(format!("unknown API {api:?}")))?,
        created_at: Timestamp(row.integer(start + 3).map_err(misfit("created_at"))?),
        expires_at: Timestamp(row.integer(start + 4).map_err(misfit("expires_at"))?),
        ended_at: row.optional_integer(start + 5).map_err(misfit("ended_at"))?.map(Timestamp),
        generation: row.integer(start + 6).map_err(misfit("generation"))?,
        refreshed_at: row.optional_integer(start + 7).map_err(misfit("refreshed_at"))?.map(Timestamp),
        used_by: UsedBy {
            device: row.optional_text(start + 8).map_err(misfit("device"))?,
            address: address.map(|text| text.parse().map_err(|_| misfit("address")(text))).transpose()?,
        },
    })
}

/// The row of [`sql::TOKEN`].
fn token(id: Uuid, purpose: Purpose, row: &impl Columns) -> Result<OneTimeToken, StoreError> {
    let misfit = |column| move |found: String| StoreError::corrupt("one_time_tokens", column, id, found);
    Ok(OneTimeToken {
        id,
        account_id: Some(row.uuid(0).map_err(misfit("account_id"))?),
        purpose,
        email_key: row.text(1).map_err(misfit("email_key"))?,
        expires_at: Timestamp(row.integer(2).map_err(misfit("expires_at"))?),
    })
}

impl Refresh {
    /// What a token does that is not of the session's present generation.
    fn again(&self, session: &Session) -> Refreshed {
        if !session.is_live(self.now) || session.api != Audience::V2 {
            return Refreshed::Ended;
        }
        let in_time = session.refreshed_at.is_some_and(|at| self.now <= at.after(self.leeway));
        let previous = self.generation.checked_add(1) == Some(session.generation);
        match previous && in_time {
            true => Refreshed::To(session.generation),
            false => Refreshed::Replayed(session.account_id),
        }
    }
}

/// SQL that both databases speak. SQLite numbers `$n` by first appearance, so they appear in order.
mod sql {
    use kernel::Role;

    use crate::model::AccountKind;

    macro_rules! account_columns {
        () => {
            "id, username, email, role, active, version, created_at, updated_at, email_verified_at"
        };
    }
    macro_rules! session_columns {
        () => {
            "id, account_id, api, created_at, expires_at, ended_at, generation, refreshed_at, device, address"
        };
    }
    pub const INSERT_ACCOUNT: &str = "insert into accounts \
        (id, username, email, email_key, password_hash, role, active, version, created_at, updated_at, email_verified_at) \
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    pub const INSERT_SESSION: &str = "insert into sessions \
        (id, api, created_at, expires_at, device, address, account_id) values ($1, $2, $3, $4, $5, $6, $7)";
    pub const ACTIVE: &str = "select 1 from accounts where id = $1 and active";
    /// Whoever was read as active, with this version.
    pub const STILL_ACTIVE: &str = "select 1 from accounts where id = $1 and version = $2 and active";
    pub const ACCOUNT: &str = concat!("select ", account_columns!(), " from accounts where id = $1");
    pub const ACCOUNTS_BY_IDS: &str = concat!("select ", account_columns!(), " from accounts where id = any($1)");
    pub const ACCOUNT_BY_EMAIL: &str =
        concat!("select ", account_columns!(), ", password_hash from accounts where email_key = $1");
    pub const USERNAME: &str = "select 1 from accounts where username = $1";
    pub const SESSION_WITH_ACCOUNT: &str = "select a.id, a.username, a.email, a.role, a.active, a.version, a.created_at, \
        a.updated_at, a.email_verified_at, s.id, s.account_id, s.api, s.created_at, s.expires_at, s.ended_at, s.generation, \
        s.refreshed_at, s.device, s.address from sessions s join accounts a on a.id = s.account_id where s.id = $1";
    pub const SESSION: &str = concat!("select ", session_columns!(), " from sessions where id = $1");
    pub const SESSIONS_OF: &str = concat!(
        "select ",
        session_columns!(),
        " from sessions where account_id = $1 and ended_at is null and expires_at > $2 \
         order by created_at desc, id desc limit $3"
    );
    pub const REFRESH: &str = "update sessions set generation = generation + 1, refreshed_at = $1, expires_at = $2, \
        device = $3, address = $4 where id = $5 and generation = $6 and api = 'v2' and ended_at is null and expires_at > $7";
    pub const REHASH: &str = "update accounts set password_hash = $1 where id = $2 and password_hash = $3";
    pub const CHANGE_ACCOUNT: &str = "update accounts set username = $1, email = $2, email_key = $3, role = $4, active = $5, \
        email_verified_at = $6, updated_at = $7, version = $8, password_hash = coalesce($9, password_hash) \
        where id = $10 and version = $11";
    pub const OTHER_ADMIN: &str = "select 1 from accounts where role = 'admin' and active and id <> $1 limit 1";
    pub const END_SESSION: &str = "update sessions set ended_at = $1 where id = $2 and ended_at is null \
        and account_id = $3 and expires_at > $4";
    pub const END_SESSIONS: &str =
        "update sessions set ended_at = $1 where account_id = $2 and ended_at is null and id <> $3";
    pub const INSERT_TOKEN: &str =
        "insert into one_time_tokens (id, account_id, purpose, email_key, expires_at) values ($1, $2, $3, $4, $5)";
    pub const DROP_TOKENS: &str = "delete from one_time_tokens where account_id = $1 and purpose = $2";
    pub const CONSUME_TOKEN: &str =
        "delete from one_time_tokens where id = $1 and account_id = $2 and purpose = $3 and expires_at > $4";
    pub const TOKEN: &str = "select account_id, email_key, expires_at from one_time_tokens \
        where id = $1 and purpose = $2 and expires_at > $3 and account_id is not null";
    /// Everything personal beside the account's own row; each takes the account's id.
    pub const ERASE: [&str; 2] =
        ["delete from sessions where account_id = $1", "delete from one_time_tokens where account_id = $1"];
    pub const ERASE_EVENTS: &str = "delete from events_personal where subject = $1";
    pub const ERASURE: &str = "insert into erasures (account_id, requested_at) values ($1, $2)";
    pub const ERASURES: &str =
        "select account_id, requested_at from erasures where account_id > $1 order by account_id limit $2";
    pub const ERASED: &str = "delete from erasures where account_id = $1";
    pub const LIST: &str =
        concat!("select ", account_columns!(), " from accounts order by created_at desc, id desc limit $1 offset $2");
    /// Behind a place, newest first.
    macro_rules! accounts {
        ($kind:literal) => {
            concat!(
                "select ",
                account_columns!(),
                " from accounts where ",
                $kind,
                "(created_at, id) < ($1, $2) order by created_at desc, id desc limit $3"
            )
        };
    }
    pub const fn accounts(kind: AccountKind) -> &'static str {
        match kind {
            AccountKind::All => accounts!(""),
            AccountKind::Role(Role::User) => accounts!("role = 'user' and "),
            AccountKind::Role(Role::Admin) => accounts!("role = 'admin' and "),
            AccountKind::Active(true) => accounts!("active = true and "),
            AccountKind::Active(false) => accounts!("active = false and "),
        }
    }
    pub const COUNT: &str = "select count(*) from accounts";
    pub const SWEEP: &str = "delete from sessions where id in \
        (select id from sessions where expires_at < $1 order by expires_at limit $2)";
    pub const SWEEP_TOKENS: &str = "delete from one_time_tokens where id in \
        (select id from one_time_tokens where expires_at < $1 order by expires_at limit $2)";
}
