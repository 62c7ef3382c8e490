//! A change of an account, with what happens to its sessions and permissions.

use rusqlite::{Connection, params};
use storage::StoreError;

use super::refuse_excepted;
use crate::events;
use crate::model::{Account, email_key};
use crate::store::{AccountChange, LAST_ADMIN_RULE, TOKEN_RULE, sql};

/// All of it but the effects.
pub fn change_account(connection: &Connection, change: &AccountChange) -> Result<bool, StoreError> {
    let (after, id) = (&change.after, change.after.id.as_bytes());
    if change.loses_admin && !connection.prepare_cached(sql::OTHER_ADMIN)?.exists([id])? {
        return Err(StoreError::Conflict(LAST_ADMIN_RULE.into()));
    }
    if change.renamed {
        refuse_excepted(connection, after)?;
    }
    let changed = connection.prepare_cached(sql::CHANGE_ACCOUNT)?.execute(params![
        after.username,
        after.email,
        email_key(&after.email),
        after.role.as_str(),
        after.active,
        after.email_verified_at.map(|time| time.0),
        after.pending_email,
        after.updated_at.0,
        after.version,
        change.password_hash,
        id,
        after.version - 1
    ])?;
    if changed == 0 {
        return Ok(false);
    }
    if let Some((token, purpose)) = change.consume {
        let values = params![token.as_bytes(), id, purpose.as_str(), after.updated_at.0];
        if connection.prepare_cached(sql::CONSUME_TOKEN)?.execute(values)? == 0 {
            return Err(StoreError::Conflict(TOKEN_RULE.into()));
        }
    }
    if let Some(kept) = change.end_sessions.kept() {
        let values = params![after.updated_at.0, id, kept.as_bytes()];
        connection.prepare_cached(sql::END_SESSIONS)?.execute(values)?;
    }
    if let Some(purpose) = change.revoke {
        connection.prepare_cached(sql::DROP_TOKENS)?.execute(params![id, purpose.as_str()])?;
    }
    Ok(true)
}

/// After the effects: the last event is personal too.
pub fn erase(connection: &Connection, account: &Account) -> Result<(), StoreError> {
    for delete in sql::ERASE {
        connection.prepare_cached(delete)?.execute([account.id.as_bytes()])?;
    }
    connection.prepare_cached(sql::ERASE_EVENTS)?.execute([events::subject(account.id)])?;
    connection.prepare_cached(sql::ERASURE)?.execute(params![account.id.as_bytes(), account.updated_at.0])?;
    Ok(())
}
