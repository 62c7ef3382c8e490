//! Accounts and sessions in PostgreSQL.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use effects::Effects;
use kernel::{Timestamp, Uuid};
use storage::StoreError;
use storage::postgres::{Params, Postgres, Transaction};

use super::{
    AccountChange, AccountQuery, CountedAttempt, LAST_ADMIN_RULE, MAX_IDS, MAX_NETWORKS, Opening, Refresh, Refreshed,
    Store, StoredAccount, TOKEN_RULE, Tally, USERNAME_KEY_RULE, account, attempts, bcrypt_cost, session,
    session_with_account, sql, stored_account, token,
};
use crate::events;
use crate::model::{Account, OneTimeToken, Purpose, Session, email_key, username_key};

pub struct PostgresStore(pub Arc<Postgres>);

#[async_trait]
impl Store for PostgresStore {
    async fn create_account(
        &self,
        stored: StoredAccount,
        opening: Option<Opening>,
        issue: Option<OneTimeToken>,
        effects: Effects,
    ) -> Result<(), StoreError> {
        let mut transaction = self.0.begin().await?;
        let result = create(&mut transaction, &stored, opening.as_ref(), issue.as_ref(), &effects).await;
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

    async fn username_taken(&self, username: &str) -> Result<bool, StoreError> {
        Ok(!self.0.query(sql::USERNAME, &[&username_key(username)]).await?.is_empty())
    }

    async fn accounts_by_ids(&self, ids: &[Uuid]) -> Result<Vec<Account>, StoreError> {
        let mut accounts = Vec::with_capacity(ids.len());
        for some in ids.chunks(MAX_IDS) {
            for row in self.0.query(sql::ACCOUNTS_BY_IDS, &[&some]).await? {
                accounts.push(account(&row)?);
            }
        }
        Ok(accounts)
    }

    async fn session_with_account(&self, id: Uuid) -> Result<Option<(Session, Account)>, StoreError> {
        let row = self.0.query_opt(sql::SESSION_WITH_ACCOUNT, &[&id]).await?;
        row.as_ref().map(session_with_account).transpose()
    }

    async fn create_session(&self, opening: Opening, version: i64, effects: Effects) -> Result<bool, StoreError> {
        let mut transaction = self.0.begin().await?;
        let result = create_session(&mut transaction, &opening, version, &effects).await;
        transaction.end(result).await
    }

    async fn last_log_in(&self, account_id: Uuid, network: IpAddr) -> Result<Option<Timestamp>, StoreError> {
        let row = self.0.query_opt(sql::LAST_LOG_IN, &[&account_id, &network.to_string()]).await?;
        Ok(row.map(|row| Timestamp(row.get(0))))
    }

    async fn count_attempt(&self, attempt: CountedAttempt) -> Result<Tally, StoreError> {
        attempt.count_in_postgres(&self.0).await
    }

    async fn take_attempt_back(&self, account_key: [u8; 32], window: Timestamp) -> Result<(), StoreError> {
        self.0.execute(attempts::TAKE_BACK, &[&account_key.as_slice(), &window.0]).await.map(drop)
    }

    async fn sweep_attempts(&self, now: Timestamp, forgotten: Timestamp, limit: i64) -> Result<u64, StoreError> {
        let attempts = self.0.execute(attempts::SWEEP, &[&now.0, &limit]).await?;
        let networks = self.0.execute(sql::SWEEP_NETWORKS, &[&forgotten.0, &limit]).await?;
        Ok(attempts.max(networks))
    }

    async fn highest_bcrypt_cost(&self) -> Result<Option<u32>, StoreError> {
        let row = self.0.query_opt(sql::HIGHEST_BCRYPT_COST, &[]).await?;
        row.as_ref().map_or(Ok(None), bcrypt_cost)
    }

    async fn rehash(&self, account_id: Uuid, old: String, new: String) -> Result<bool, StoreError> {
        Ok(self.0.execute(sql::REHASH, &[&new, &account_id, &old]).await? == 1)
    }

    async fn change_account(&self, change: AccountChange, effects: Effects) -> Result<bool, StoreError> {
        let mut transaction = self.0.begin().await?;
        let result = change_account(&mut transaction, &change, &effects).await;
        transaction.end(result).await
    }

    async fn refresh(&self, refresh: Refresh) -> Result<Refreshed, StoreError> {
        let mut transaction = self.0.begin().await?;
        let result = rotate(&mut transaction, &refresh).await;
        transaction.end(result).await
    }

    async fn sessions_of(&self, account_id: Uuid, now: Timestamp, limit: i64) -> Result<Vec<Session>, StoreError> {
        let rows = self.0.query(sql::SESSIONS_OF, &[&account_id, &now.0, &limit]).await?;
        rows.iter().map(|row| session(row, 0)).collect()
    }

    async fn end_session(
        &self,
        account_id: Uuid,
        id: Uuid,
        now: Timestamp,
        effects: Effects,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.0.begin().await?;
        let result = async {
            let ended = transaction.execute(sql::END_SESSION, &[&now.0, &id, &account_id, &now.0]).await? == 1;
            if ended {
                effects.write_postgres(&mut transaction).await?;
            }
            Ok(ended)
        }
        .await;
        transaction.end(result).await
    }

    async fn end_sessions(&self, account_id: Uuid, now: Timestamp, effects: Effects) -> Result<u64, StoreError> {
        let mut transaction = self.0.begin().await?;
        let result = async {
            // The account is the event's subject.
            transaction.execute(&locked(sql::ACTIVE), &[&account_id]).await?;
            let ended = transaction.execute(sql::END_SESSIONS, &[&now.0, &account_id, &Uuid::nil()]).await?;
            if ended > 0 {
                effects.write_postgres(&mut transaction).await?;
            }
            Ok(ended)
        }
        .await;
        transaction.end(result).await
    }

    async fn issue_token(
        &self,
        subject: Option<Uuid>,
        token: OneTimeToken,
        effects: Effects,
    ) -> Result<(), StoreError> {
        let mut transaction = self.0.begin().await?;
        let result = async {
            // First of all, as every change of the account does.
            if let Some(account) = subject
                && transaction.query(&locked(sql::ACTIVE), &[&account]).await?.is_empty()
            {
                return Ok(());
            }
            insert_token(&mut transaction, &token).await?;
            effects.write_postgres(&mut transaction).await
        }
        .await;
        transaction.end(result).await
    }

    async fn token(&self, id: Uuid, purpose: Purpose, now: Timestamp) -> Result<Option<OneTimeToken>, StoreError> {
        let row = self.0.query_opt(sql::TOKEN, &[&id, &purpose.as_str(), &now.0]).await?;
        row.map(|row| token(id, purpose, &row)).transpose()
    }

    async fn accounts(&self, query: AccountQuery) -> Result<Vec<Account>, StoreError> {
        let (time, id) = query.after.map_or((i64::MAX, Uuid::max()), |(time, id)| (time.0, id));
        self.0.query(sql::accounts(query.kind), &[&time, &id, &query.limit]).await?.iter().map(account).collect()
    }

    async fn erasures(&self, after: Uuid, limit: i64) -> Result<Vec<(Uuid, Timestamp)>, StoreError> {
        let rows = self.0.query(sql::ERASURES, &[&after, &limit]).await?;
        Ok(rows.iter().map(|row| (row.get(0), Timestamp(row.get(1)))).collect())
    }

    async fn erased(&self, account_id: Uuid) -> Result<(), StoreError> {
        self.0.execute(sql::ERASED, &[&account_id]).await.map(drop)
    }

    async fn list(&self, offset: i64, limit: i64) -> Result<(Vec<Account>, i64), StoreError> {
        let rows = self.0.query_slow(sql::LIST, &[&limit, &offset]).await?;
        let accounts = rows.iter().map(account).collect::<Result<_, _>>()?;
        let count = self.0.query_slow(sql::COUNT, &[]).await?;
        let count = count.first().map_or(Ok(0), |row| row.try_get(0))?;
        Ok((accounts, count))
    }

    async fn sweep_sessions(&self, before: Timestamp, limit: i64) -> Result<u64, StoreError> {
        let tokens = self.0.execute(sql::SWEEP_TOKENS, &[&before.0, &limit]).await?;
        let sessions = self.0.execute(sql::SWEEP, &[&before.0, &limit]).await?;
        self.0.execute(sql::SWEEP_PENDING, &[]).await?;
        Ok(tokens.max(sessions))
    }
}

async fn create(
    transaction: &mut Transaction<'_>,
    stored: &StoredAccount,
    opening: Option<&Opening>,
    issue: Option<&OneTimeToken>,
    effects: &Effects,
) -> Result<(), StoreError> {
    refuse_excepted(transaction, &stored.account).await?;
    insert_account(transaction, stored).await?;
    if let Some(opening) = opening {
        insert_session(transaction, opening).await?;
    }
    if let Some(token) = issue {
        insert_token(transaction, token).await?;
    }
    effects.write_postgres(transaction).await
}

/// Refuses a name like one that the unique index does not know.
async fn refuse_excepted(transaction: &mut Transaction<'_>, account: &Account) -> Result<(), StoreError> {
    let values: Params<'_> = &[&username_key(&account.username), &account.id];
    if transaction.query(sql::EXCEPTED_USERNAME, values).await?.is_empty() {
        Ok(())
    } else {
        Err(StoreError::Conflict(USERNAME_KEY_RULE.into()))
    }
}

pub(super) async fn insert_account(
    transaction: &mut Transaction<'_>,
    stored: &StoredAccount,
) -> Result<(), StoreError> {
    let a = &stored.account;
    let (key, role, verified) = (email_key(&a.email), a.role.as_str(), a.email_verified_at.map(|time| time.0));
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
        &verified,
    ];
    transaction.execute(sql::INSERT_ACCOUNT, values).await.map(drop)
}

async fn insert_session(transaction: &mut Transaction<'_>, opening: &Opening) -> Result<(), StoreError> {
    let s = &opening.session;
    let (api, address) = (s.api.api(), s.used_by.address.map(|address| address.to_string()));
    let values: Params<'_> =
        &[&s.id, &api, &s.created_at.0, &s.expires_at.0, &s.used_by.device, &address, &s.account_id];
    transaction.execute(sql::INSERT_SESSION, values).await?;
    if let Some(network) = opening.network {
        let network = network.to_string();
        transaction.execute(sql::INSERT_NETWORK, &[&s.account_id, &network, &s.created_at.0]).await?;
        transaction.execute(sql::DROP_NETWORKS, &[&s.account_id, &MAX_NETWORKS]).await?;
    }
    Ok(())
}

async fn create_session(
    transaction: &mut Transaction<'_>,
    opening: &Opening,
    version: i64,
    effects: &Effects,
) -> Result<bool, StoreError> {
    // The lock makes a change of the account either wait for this session, and end it, or be seen.
    let active = format!("{} for share", sql::STILL_ACTIVE);
    if transaction.query(&active, &[&opening.session.account_id, &version]).await?.is_empty() {
        return Ok(false);
    }
    insert_session(transaction, opening).await?;
    effects.write_postgres(transaction).await?;
    Ok(true)
}

async fn insert_token(transaction: &mut Transaction<'_>, token: &OneTimeToken) -> Result<(), StoreError> {
    let purpose = token.purpose.as_str();
    transaction.execute(sql::DROP_TOKENS, &[&token.account_id, &purpose]).await?;
    let values: Params<'_> = &[&token.id, &token.account_id, &purpose, &token.email_key, &token.expires_at.0];
    transaction.execute(sql::INSERT_TOKEN, values).await.map(drop)
}

/// A select of accounts that keeps others from changing them until the end of the transaction.
fn locked(select: &str) -> String {
    format!("{select} for no key update")
}

/// Two administrators who go at the same time must see each other go: whoever may be the last holds all of them.
const LOCK_ADMINS: &str = "select id from accounts where role = 'admin' and active order by id for update";

async fn change_account(
    transaction: &mut Transaction<'_>,
    change: &AccountChange,
    effects: &Effects,
) -> Result<bool, StoreError> {
    let after = &change.after;
    if change.loses_admin {
        let admins = transaction.query(LOCK_ADMINS, &[]).await?;
        if admins.iter().all(|row| row.get::<_, Uuid>(0) == after.id) {
            return Err(StoreError::Conflict(LAST_ADMIN_RULE.into()));
        }
    }
    if change.renamed {
        refuse_excepted(transaction, after).await?;
    }
    let verified = after.email_verified_at.map(|time| time.0);
    let values: Params<'_> = &[
        &after.username,
        &after.email,
        &email_key(&after.email),
        &after.role.as_str(),
        &after.active,
        &verified,
        &after.pending_email,
        &after.updated_at.0,
        &after.version,
        &change.password_hash,
        &after.id,
        &(after.version - 1),
    ];
    if transaction.execute(sql::CHANGE_ACCOUNT, values).await? == 0 {
        return Ok(false);
    }
    if let Some((token, purpose)) = change.consume {
        let values: Params<'_> = &[&token, &after.id, &purpose.as_str(), &after.updated_at.0];
        if transaction.execute(sql::CONSUME_TOKEN, values).await? == 0 {
            return Err(StoreError::Conflict(TOKEN_RULE.into()));
        }
    }
    if let Some(kept) = change.end_sessions.kept() {
        transaction.execute(sql::END_SESSIONS, &[&after.updated_at.0, &after.id, &kept]).await?;
    }
    if let Some(purpose) = change.revoke {
        transaction.execute(sql::DROP_TOKENS, &[&after.id, &purpose.as_str()]).await?;
    }
    effects.write_postgres(transaction).await?;
    if change.erase {
        erase(transaction, after).await?;
    }
    Ok(true)
}

/// After the effects: the last event is personal too.
async fn erase(transaction: &mut Transaction<'_>, account: &Account) -> Result<(), StoreError> {
    for delete in sql::ERASE {
        transaction.execute(delete, &[&account.id]).await?;
    }
    transaction.execute(sql::ERASE_EVENTS, &[&events::subject(account.id)]).await?;
    transaction.execute(sql::ERASURE, &[&account.id, &account.updated_at.0]).await.map(drop)
}

async fn rotate(transaction: &mut Transaction<'_>, refresh: &Refresh) -> Result<Refreshed, StoreError> {
    let address = refresh.used_by.address.map(|address| address.to_string());
    let values: Params<'_> = &[
        &refresh.now.0,
        &refresh.expires_at.0,
        &refresh.used_by.device,
        &address,
        &refresh.session_id,
        &refresh.generation,
        &refresh.now.0,
    ];
    if transaction.execute(sql::REFRESH, values).await? == 1 {
        return Ok(Refreshed::To(refresh.generation + 1));
    }
    let found = transaction.query(&format!("{} for update", sql::SESSION), &[&refresh.session_id]).await?;
    let Some(found) = found.first().map(|row| session(row, 0)).transpose()? else { return Ok(Refreshed::Ended) };
    Ok(refresh.again(&found))
}
