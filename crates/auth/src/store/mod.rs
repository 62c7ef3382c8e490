//! Where accounts and sessions are kept: one trait, two databases, one suite of tests.

mod attempts;
mod postgres;
mod sql;
mod sqlite;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod usernames;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use effects::Effects;
use kernel::{Role, Timestamp, Uuid};
use storage::row::Columns;
use storage::{Database, StoreError};

use crate::model::{Account, AccountKind, OneTimeToken, Purpose, Session, UsedBy};
use crate::tokens::Audience;

pub use attempts::{CountedAttempt, Tally};

/// How many networks of an account are kept.
const MAX_NETWORKS: i64 = 16;
/// How many accounts one look-up by ids reads at a time.
const MAX_IDS: usize = 500;

/// An account with what proves its owner.
#[derive(Debug, Clone)]
pub struct StoredAccount {
    pub account: Account,
    pub password_hash: String,
}

/// A session to open.
#[derive(Debug, Clone)]
pub struct Opening {
    pub session: Session,
    /// Where from, to be kept as a network of the account's; not where it was kept lately.
    pub network: Option<IpAddr>,
}

/// A change of an account, with what happens to its sessions and permissions in the same transaction.
#[derive(Debug, Clone)]
pub struct AccountChange {
    /// The account as it will be. Its version is the one after the version that was read: another one in the database means
    /// that somebody else was first.
    pub after: Account,
    /// Whether the username is another one, and has to be free. Names of before that are alike stay as they are.
    pub renamed: bool,
    pub password_hash: Option<String>,
    pub end_sessions: EndSessions,
    /// The mailed permission that is used up by the change.
    pub consume: Option<(Uuid, Purpose)>,
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
            renamed: false,
            password_hash: None,
            end_sessions: EndSessions::None,
            consume: None,
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

/// The rules by which an account is refused, or a change of it.
pub const USERNAME_KEY_RULE: &str = "accounts.username_key";
pub const TOKEN_RULE: &str = "one_time_tokens.id";
pub const LAST_ADMIN_RULE: &str = "accounts.last_admin";

/// Whole operations, one transaction each.
#[async_trait]
pub trait Store: Send + Sync {
    /// Conflicts are on `accounts.username`, [`USERNAME_KEY_RULE`], `accounts.email_key`.
    async fn create_account(
        &self,
        account: StoredAccount,
        opening: Option<Opening>,
        issue: Option<OneTimeToken>,
        effects: Effects,
    ) -> Result<(), StoreError>;

    async fn account(&self, id: Uuid) -> Result<Option<Account>, StoreError>;

    async fn account_by_email_key(&self, key: &str) -> Result<Option<StoredAccount>, StoreError>;

    /// Whether an account has this name, or one like it.
    async fn username_taken(&self, username: &str) -> Result<bool, StoreError>;

    /// Those that exist, in no order.
    async fn accounts_by_ids(&self, ids: &[Uuid]) -> Result<Vec<Account>, StoreError>;

    async fn session_with_account(&self, id: Uuid) -> Result<Option<(Session, Account)>, StoreError>;

    /// False, and nothing written, when the account is not active, or has another version: what proved its owner may hold no
    /// longer.
    async fn create_session(&self, opening: Opening, version: i64, effects: Effects) -> Result<bool, StoreError>;

    /// When the account was last logged in to from this network, as far as that is kept: the latest networks, to a day.
    async fn last_log_in(&self, account_id: Uuid, network: IpAddr) -> Result<Option<Timestamp>, StoreError>;

    /// Counts an attempt among the failures of its account, unless there were too many.
    async fn count_attempt(&self, attempt: CountedAttempt) -> Result<Tally, StoreError>;

    /// Takes an attempt back that was no failure; `window` is the end of the window that it was counted in.
    async fn take_attempt_back(&self, account_key: [u8; 32], window: Timestamp) -> Result<(), StoreError>;

    /// Deletes up to `limit` windows of failures that ended before `now`, and as many networks of which
    /// `forgotten` is the last log-in; returns how many of what there were more of.
    async fn sweep_attempts(&self, now: Timestamp, forgotten: Timestamp, limit: i64) -> Result<u64, StoreError>;

    /// The highest cost among the accounts' bcrypt hashes, if there are any.
    async fn highest_bcrypt_cost(&self) -> Result<Option<u32>, StoreError>;

    /// False when the hash is no longer `old`: it was changed meanwhile, and must not be set back.
    async fn rehash(&self, account_id: Uuid, old: String, new: String) -> Result<bool, StoreError>;

    /// False, and nothing written, when the version differs. Conflicts are on `accounts.username`, [`USERNAME_KEY_RULE`],
    /// `accounts.email_key`, [`TOKEN_RULE`], [`LAST_ADMIN_RULE`].
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
    /// there were more of. Erased accounts keep no pending address, whoever erased them.
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
        pending_email: row.optional_text(9).map_err(misfit("pending_email"))?,
    })
}

/// The account of [`sql::ACCOUNT_BY_EMAIL`], with its hash.
fn stored_account(row: &impl Columns) -> Result<StoredAccount, StoreError> {
    let account = account(row)?;
    let password_hash = row
        .text(ACCOUNT_COLUMNS)
        .map_err(|found| StoreError::corrupt("accounts", "password_hash", account.id, found))?;
    Ok(StoredAccount { account, password_hash })
}

/// The row of [`sql::SESSION_WITH_ACCOUNT`].
fn session_with_account(row: &impl Columns) -> Result<(Session, Account), StoreError> {
    Ok((session(row, ACCOUNT_COLUMNS)?, account(row)?))
}

const ACCOUNT_COLUMNS: usize = 10;

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

/// The row of [`sql::HIGHEST_BCRYPT_COST`].
fn bcrypt_cost(row: &impl Columns) -> Result<Option<u32>, StoreError> {
    let misfit = |found: String| StoreError::corrupt("accounts", "password_hash", "of the highest bcrypt cost", found);
    let cost = row.optional_text(0).map_err(misfit)?;
    cost.map(|cost| cost.parse().map_err(|_| misfit(cost))).transpose()
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
        if previous && in_time { Refreshed::To(session.generation) } else { Refreshed::Replayed(session.account_id) }
    }
}
