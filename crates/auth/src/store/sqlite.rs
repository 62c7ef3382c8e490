//! Accounts and sessions in SQLite.

mod change;

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use effects::Effects;
use kernel::{Timestamp, Uuid};
use rusqlite::{Connection, OptionalExtension, params};
use storage::StoreError;
use storage::sqlite::Sqlite;

use super::{
    AccountChange, AccountQuery, CountedAttempt, MAX_IDS, MAX_NETWORKS, Opening, Refresh, Refreshed, Store,
    StoredAccount, Tally, USERNAME_KEY_RULE, account, attempts, bcrypt_cost, session, session_with_account, sql,
    stored_account, token,
};
use crate::model::{Account, OneTimeToken, Purpose, Session, email_key, username_key};

/// As many rows by key take less time than a hop to another thread and back would.
const POINT_IDS: usize = 100;

pub struct SqliteStore(pub Arc<Sqlite>);

#[async_trait]
impl Store for SqliteStore {
    async fn create_account(
        &self,
        stored: StoredAccount,
        opening: Option<Opening>,
        issue: Option<OneTimeToken>,
        effects: Effects,
    ) -> Result<(), StoreError> {
        self.0
            .write(move |connection| {
                refuse_excepted(connection, &stored.account)?;
                insert_account(connection, &stored)?;
                opening.iter().try_for_each(|opening| insert_session(connection, opening))?;
                issue.iter().try_for_each(|token| insert_token(connection, token))?;
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

    async fn username_taken(&self, username: &str) -> Result<bool, StoreError> {
        self.0
            .read_point(|connection| Ok(connection.prepare_cached(sql::USERNAME)?.exists([username_key(username)])?))
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
            rows.next()?.map(session_with_account).transpose()
        })
    }

    async fn create_session(&self, opening: Opening, version: i64, effects: Effects) -> Result<bool, StoreError> {
        self.0
            .write(move |connection| {
                let account = params![opening.session.account_id.as_bytes(), version];
                if !connection.prepare_cached(sql::STILL_ACTIVE)?.exists(account)? {
                    return Ok(false);
                }
                insert_session(connection, &opening)?;
                effects.write_sqlite(connection)?;
                Ok(true)
            })
            .await
    }

    async fn last_log_in(&self, account_id: Uuid, network: IpAddr) -> Result<Option<Timestamp>, StoreError> {
        self.0.read_point(|connection| {
            let values = params![account_id.as_bytes(), network.to_string()];
            let last = connection.prepare_cached(sql::LAST_LOG_IN)?.query_row(values, |row| row.get(0));
            Ok(last.optional()?.map(Timestamp))
        })
    }

    async fn count_attempt(&self, attempt: CountedAttempt) -> Result<Tally, StoreError> {
        self.0.write(move |connection| attempt.count_in_sqlite(connection)).await
    }

    async fn take_attempt_back(&self, account_key: [u8; 32], window: Timestamp) -> Result<(), StoreError> {
        self.0
            .write(move |connection| {
                connection.prepare_cached(attempts::TAKE_BACK)?.execute(params![account_key, window.0])?;
                Ok(())
            })
            .await
    }

    async fn sweep_attempts(&self, now: Timestamp, forgotten: Timestamp, limit: i64) -> Result<u64, StoreError> {
        self.0
            .write(move |connection| {
                let attempts = connection.prepare_cached(attempts::SWEEP)?.execute([now.0, limit])?;
                let networks = connection.prepare_cached(sql::SWEEP_NETWORKS)?.execute([forgotten.0, limit])?;
                Ok(attempts.max(networks) as u64)
            })
            .await
    }

    async fn highest_bcrypt_cost(&self) -> Result<Option<u32>, StoreError> {
        self.0.read_point(|connection| {
            let mut statement = connection.prepare_cached(sql::HIGHEST_BCRYPT_COST)?;
            let mut rows = statement.query([])?;
            rows.next()?.map_or(Ok(None), bcrypt_cost)
        })
    }

    async fn rehash(&self, account_id: Uuid, old: String, new: String) -> Result<bool, StoreError> {
        self.0
            .write(move |connection| {
                let values = params![new, account_id.as_bytes(), old];
                Ok(connection.prepare_cached(sql::REHASH)?.execute(values)? == 1)
            })
            .await
    }

    async fn change_account(&self, change: AccountChange, effects: Effects) -> Result<bool, StoreError> {
        self.0
            .write(move |connection| {
                if !change::change_account(connection, &change)? {
                    return Ok(false);
                }
                effects.write_sqlite(connection)?;
                if change.erase {
                    change::erase(connection, &change.after)?;
                }
                Ok(true)
            })
            .await
    }

    async fn refresh(&self, refresh: Refresh) -> Result<Refreshed, StoreError> {
        self.0
            .write(move |connection| {
                let id = refresh.session_id.as_bytes();
                let address = refresh.used_by.address.map(|address| address.to_string());
                let refreshed = connection.prepare_cached(sql::REFRESH)?.execute(params![
                    refresh.now.0,
                    refresh.expires_at.0,
                    refresh.used_by.device,
                    address,
                    id,
                    refresh.generation,
                    refresh.now.0
                ])?;
                if refreshed == 1 {
                    return Ok(Refreshed::To(refresh.generation + 1));
                }
                let mut select = connection.prepare_cached(sql::SESSION)?;
                let mut rows = select.query([id])?;
                let Some(found) = rows.next()?.map(|row| session(row, 0)).transpose()? else {
                    return Ok(Refreshed::Ended);
                };
                Ok(refresh.again(&found))
            })
            .await
    }

    async fn sessions_of(&self, account_id: Uuid, now: Timestamp, limit: i64) -> Result<Vec<Session>, StoreError> {
        self.0.read_point(|connection| {
            let mut statement = connection.prepare_cached(sql::SESSIONS_OF)?;
            let found = statement.query_map(params![account_id.as_bytes(), now.0, limit], |row| Ok(session(row, 0)))?;
            found.map(|session| session?).collect()
        })
    }

    async fn end_session(
        &self,
        account_id: Uuid,
        id: Uuid,
        now: Timestamp,
        effects: Effects,
    ) -> Result<bool, StoreError> {
        self.0
            .write(move |connection| {
                let values = params![now.0, id.as_bytes(), account_id.as_bytes(), now.0];
                let ended = connection.prepare_cached(sql::END_SESSION)?.execute(values)? == 1;
                if ended {
                    effects.write_sqlite(connection)?;
                }
                Ok(ended)
            })
            .await
    }

    async fn end_sessions(&self, account_id: Uuid, now: Timestamp, effects: Effects) -> Result<u64, StoreError> {
        self.0
            .write(move |connection| {
                let (account, none_kept) = (account_id.as_bytes(), Uuid::nil().into_bytes());
                let ended =
                    connection.prepare_cached(sql::END_SESSIONS)?.execute(params![now.0, account, none_kept])?;
                if ended > 0 {
                    effects.write_sqlite(connection)?;
                }
                Ok(ended as u64)
            })
            .await
    }

    async fn issue_token(
        &self,
        subject: Option<Uuid>,
        token: OneTimeToken,
        effects: Effects,
    ) -> Result<(), StoreError> {
        self.0
            .write(move |connection| {
                if let Some(account) = subject
                    && !connection.prepare_cached(sql::ACTIVE)?.exists([account.as_bytes()])?
                {
                    return Ok(());
                }
                insert_token(connection, &token)?;
                effects.write_sqlite(connection)
            })
            .await
    }

    async fn token(&self, id: Uuid, purpose: Purpose, now: Timestamp) -> Result<Option<OneTimeToken>, StoreError> {
        self.0.read_point(|connection| {
            let mut statement = connection.prepare_cached(sql::TOKEN)?;
            let mut rows = statement.query(params![id.as_bytes(), purpose.as_str(), now.0])?;
            rows.next()?.map(|row| token(id, purpose, row)).transpose()
        })
    }

    async fn accounts(&self, query: AccountQuery) -> Result<Vec<Account>, StoreError> {
        let (time, id) = query.after.map_or((i64::MAX, Uuid::max()), |(time, id)| (time.0, id));
        self.0.read_point(|connection| {
            let mut statement = connection.prepare_cached(sql::accounts(query.kind))?;
            let found = statement.query_map(params![time, id.as_bytes(), query.limit], |row| Ok(account(row)))?;
            found.map(|account| account?).collect()
        })
    }

    async fn erasures(&self, after: Uuid, limit: i64) -> Result<Vec<(Uuid, Timestamp)>, StoreError> {
        self.0.read_point(|connection| {
            let mut statement = connection.prepare_cached(sql::ERASURES)?;
            let found = statement.query_map(params![after.as_bytes(), limit], |row| {
                Ok((Uuid::from_bytes(row.get(0)?), Timestamp(row.get(1)?)))
            })?;
            Ok(found.collect::<Result<_, _>>()?)
        })
    }

    async fn erased(&self, account_id: Uuid) -> Result<(), StoreError> {
        self.0
            .write(move |connection| {
                connection.prepare_cached(sql::ERASED)?.execute([account_id.as_bytes()])?;
                Ok(())
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
            .write(move |connection| {
                let tokens = connection.prepare_cached(sql::SWEEP_TOKENS)?.execute([before.0, limit])?;
                let sessions = connection.prepare_cached(sql::SWEEP)?.execute([before.0, limit])?;
                connection.prepare_cached(sql::SWEEP_PENDING)?.execute([])?;
                Ok(tokens.max(sessions) as u64)
            })
            .await
    }
}

/// Refuses a name like one that the unique index does not know.
fn refuse_excepted(connection: &Connection, account: &Account) -> Result<(), StoreError> {
    let values = params![username_key(&account.username), account.id.as_bytes()];
    if connection.prepare_cached(sql::EXCEPTED_USERNAME)?.exists(values)? {
        Err(StoreError::Conflict(USERNAME_KEY_RULE.into()))
    } else {
        Ok(())
    }
}

pub(super) fn insert_account(connection: &Connection, stored: &StoredAccount) -> Result<(), StoreError> {
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
        account.updated_at.0,
        account.email_verified_at.map(|time| time.0)
    ])?;
    Ok(())
}

fn insert_session(connection: &Connection, Opening { session, network }: &Opening) -> Result<(), StoreError> {
    connection.prepare_cached(sql::INSERT_SESSION)?.execute(params![
        session.id.as_bytes(),
        session.api.api(),
        session.created_at.0,
        session.expires_at.0,
        session.used_by.device,
        session.used_by.address.map(|address| address.to_string()),
        session.account_id.as_bytes()
    ])?;
    if let Some(network) = network {
        let values = params![session.account_id.as_bytes(), network.to_string(), session.created_at.0];
        connection.prepare_cached(sql::INSERT_NETWORK)?.execute(values)?;
        let values = params![session.account_id.as_bytes(), MAX_NETWORKS];
        connection.prepare_cached(sql::DROP_NETWORKS)?.execute(values)?;
    }
    Ok(())
}

fn insert_token(connection: &Connection, token: &OneTimeToken) -> Result<(), StoreError> {
    let account = token.account_id.map(Uuid::into_bytes);
    let purpose = token.purpose.as_str();
    connection.prepare_cached(sql::DROP_TOKENS)?.execute(params![account, purpose])?;
    let values = params![token.id.as_bytes(), account, purpose, token.email_key, token.expires_at.0];
    connection.prepare_cached(sql::INSERT_TOKEN)?.execute(values)?;
    Ok(())
}

fn find(connection: &Connection, id: Uuid) -> Result<Option<Account>, StoreError> {
    let mut statement = connection.prepare_cached(sql::ACCOUNT)?;
    let mut rows = statement.query([id.as_bytes()])?;
    rows.next()?.map(account).transpose()
}
