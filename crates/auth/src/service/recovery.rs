//! What mailed permissions allow: another password for who forgot theirs, and the proof that an address is somebody's own.

use std::net::IpAddr;
use std::time::Duration;

use effects::Effects;
use kernel::{Error, Uuid};

use super::Auth;
use super::profile::{ATTEMPTS, others_change_it};
use crate::events::{self, Cause, Template};
use crate::model::{Account, OneTimeToken, Purpose, email_key};
use crate::store::{AccountChange, EndSessions};
use crate::tickets::Ticket;

const RESET_LIFETIME: Duration = Duration::from_secs(60 * 60);

impl Auth {
    /// Mails a permission to choose another password, if an account has the address. The answer, and the time that it takes,
    /// are the same if none has.
    ///
    /// # Errors
    /// `RateLimited`, `Unavailable`, `Overloaded`.
    pub async fn request_reset(&self, email: &str, address: Option<IpAddr>, cause: &Cause) -> Result<(), Error> {
        let key = email_key(email);
        self.may_mail(email, address)?;
        let found = self.store.account_by_email_key(&key).await?.map(|found| found.account);
        let (subject, token, effects) = match found.filter(|account| account.active) {
            Some(account) => {
                let token = self.one_time_token(&account, Purpose::ResetPassword, RESET_LIFETIME)?;
                let template = Template::ResetPassword;
                let mail = events::mail_requested(&self.context, &account, template, Some(token.id), cause)?;
                (Some(account.id), token, self.effects(vec![mail])?)
            }
            None => (None, self.decoy(Purpose::ResetPassword, RESET_LIFETIME)?, Effects::default()),
        };
        self.issue(subject, token, effects).await
    }

    /// Sets another password by a mailed permission, and ends all sessions. Who could read the mail owns the address.
    ///
    /// # Errors
    /// `Invalid` when the token is none of ours, used or over, or went to an earlier address, or the password breaks a rule;
    /// `Unavailable`, `Overloaded`.
    pub async fn reset_password(&self, ticket: &str, new: &str, request_id: Option<String>) -> Result<(), Error> {
        let token = self.mailed(ticket, Purpose::ResetPassword).await?;
        let account = self.permitted(&token).await?;
        self.check_new_password("password", new, &account).await?;
        let hash = self.hasher.hash(new.to_owned(), self.context.random()?).await?;
        let cause = Cause::of(account.id, request_id);
        for _ in 0..ATTEMPTS {
            // As with a password that is changed.
            let mut after = Account { pending_email: None, ..self.permitted(&token).await? };
            self.next_version(&mut after);
            after.email_verified_at = after.email_verified_at.or(Some(after.updated_at));
            let effects = self.password_effects(&after, None, &cause)?;
            let change = AccountChange {
                password_hash: Some(hash.clone()),
                end_sessions: EndSessions::All,
                consume: Some((token.id, Purpose::ResetPassword)),
                revoke: Some(Purpose::ResetPassword),
                ..AccountChange::to(after)
            };
            if self.write(change, effects).await? {
                return Ok(());
            }
        }
        Err(others_change_it())
    }

    /// Gives an account another password, as whoever runs the server says, and ends its sessions.
    ///
    /// # Errors
    /// `Invalid` when the password is weak; `Conflict` when the account is erased; `Unavailable`, `Overloaded`.
    pub async fn reset_by_operator(&self, account: &Account, new: &str) -> Result<(), Error> {
        self.check_new_password("password", new, account).await?;
        let hash = self.hasher.hash(new.to_owned(), self.context.random()?).await?;
        for _ in 0..ATTEMPTS {
            let before = self.store.account(account.id).await?.ok_or(Error::NotFound)?;
            if before.is_erased() {
                return Err(Error::conflict("The account is erased."));
            }
            // Whoever chose the pending address may be whom this password is to shut out.
            let mut after = Account { pending_email: None, ..before };
            self.next_version(&mut after);
            let effects = self.password_effects(&after, None, &Cause::SYSTEM)?;
            let change = AccountChange {
                password_hash: Some(hash.clone()),
                end_sessions: EndSessions::All,
                revoke: Some(Purpose::ResetPassword),
                ..AccountChange::to(after)
            };
            if self.write(change, effects).await? {
                return Ok(());
            }
        }
        Err(others_change_it())
    }

    /// Mails another permission to verify the account's address, or the pending one, in place of earlier ones.
    ///
    /// # Errors
    /// `Conflict` when it is verified and none is pending; `RateLimited`, `Unavailable`, `Overloaded`.
    pub async fn request_verification(&self, id: Uuid, address: Option<IpAddr>, cause: &Cause) -> Result<(), Error> {
        let account = self.active(id).await?;
        if account.email_verified_at.is_some() && account.pending_email.is_none() {
            return Err(Error::conflict("The e-mail address is verified."));
        }
        self.may_mail(account.pending_email.as_ref().unwrap_or(&account.email), address)?;
        self.ask_mailbox(&account, cause).await
    }

    /// Verifies an account's address by a mailed permission. A pending one takes the place of the present one, which is told.
    ///
    /// # Errors
    /// `Invalid` when the token is none of ours, used or over, or went to another address; `Conflict` when another account has the
    /// address by now; `Unavailable`, `Overloaded`.
    pub async fn verify_email(&self, ticket: &str, request_id: Option<String>) -> Result<(), Error> {
        let token = self.mailed(ticket, Purpose::VerifyEmail).await?;
        let account_id = token.account_id.ok_or_else(not_good)?;
        let cause = Cause::of(account_id, request_id);
        for _ in 0..ATTEMPTS {
            let before = self.subject(&token).await?;
            let mut after =
                if before.email_key() == token.email_key { before.clone() } else { pending(&before, &token)? };
            self.next_version(&mut after);
            after.email_verified_at = Some(after.updated_at);
            let mut changed = vec![events::email_verified(&self.context, &after, &cause)?];
            if after.email != before.email {
                changed.push(events::profile_changed(&self.context, &after, &cause)?);
                let before = Account { version: after.version, updated_at: after.updated_at, ..before };
                changed.push(events::mail_requested(&self.context, &before, Template::AddressChanged, None, &cause)?);
            }
            let change = AccountChange { consume: Some((token.id, Purpose::VerifyEmail)), ..AccountChange::to(after) };
            if self.write(change, self.effects(changed)?).await? {
                return Ok(());
            }
        }
        Err(others_change_it())
    }

    /// The account that a permission is for, while it has the address that the permission went to.
    async fn permitted(&self, token: &OneTimeToken) -> Result<Account, Error> {
        let account = self.subject(token).await?;
        if account.email_key() == token.email_key { Ok(account) } else { Err(not_good()) }
    }

    /// The account that a permission is for.
    async fn subject(&self, token: &OneTimeToken) -> Result<Account, Error> {
        let id = token.account_id.ok_or_else(not_good)?;
        self.store.account(id).await?.filter(|account| account.active).ok_or_else(not_good)
    }

    async fn mailed(&self, ticket: &str, expected: Purpose) -> Result<OneTimeToken, Error> {
        match self.tokens.read_ticket(ticket) {
            Some(Ticket::OneTime { token, purpose }) if purpose == expected => {
                self.store.token(token, purpose, self.context.now()).await?.ok_or_else(not_good)
            }
            _ => Err(not_good()),
        }
    }
}

/// The account under its pending address, if the permission went there.
fn pending(account: &Account, token: &OneTimeToken) -> Result<Account, Error> {
    account.under_pending_email().filter(|under| under.email_key() == token.email_key).ok_or_else(not_good)
}

pub(crate) fn not_good() -> Error {
    Error::invalid("token", "not-good", "The token is none of ours, was used, or is over; ask for another one")
}
