//! What becomes of an account: made, renamed, given another password, administered, erased.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use effects::Effects;
use kernel::error::Unauthenticated;
use kernel::{Error, Expected, Principal, Role, Uuid, Violation};
use platform::telemetry::metrics;
use serde::{Deserialize, Serialize};
use storage::StoreError;

use super::recovery::not_good;
use super::throttling::Outcome;
use super::{Auth, name_taken, outcomes, taken};
use crate::events::{self, Cause, Template};
use crate::model::{Account, OneTimeToken, Profile, Purpose, Registration, broken_v2_password, email_key};
use crate::store::{AccountChange, EndSessions, LAST_ADMIN_RULE, TOKEN_RULE};
use crate::throttle::From;

/// How often a change of an account is tried again when others change it too.
pub(crate) const ATTEMPTS: usize = 5;
pub(crate) const VERIFICATION_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// What an administrator may change of an account.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Administration {
    pub role: Option<Role>,
    pub active: Option<bool>,
}

impl Auth {
    /// Makes an account for a person, and mails a permission to verify its address. When another account has the address, its
    /// owner is told by mail instead, and the answer is as if the account had been made: nobody learns who is registered.
    ///
    /// # Errors
    /// `Invalid` when the password is weak; `Conflict` when the username is taken; `Overloaded`; `Unavailable`.
    pub async fn create_account_v2(
        &self,
        registration: &Registration,
        address: Option<IpAddr>,
        cause: &Cause,
    ) -> Result<Account, Error> {
        let names = [registration.username(), registration.email()];
        self.check_strength("password", registration.password(), names).await?;
        if self.store.username_taken(registration.username()).await? {
            return Err(name_taken(registration.username()));
        }
        let stored = self.new_account(registration, Role::User).await?;
        let account = stored.account.clone();
        let token = self.one_time_token(&account, Purpose::VerifyEmail, VERIFICATION_LIFETIME)?;
        let made = events::registered(&self.context, &account, cause)?;
        let mail = events::mail_requested(&self.context, &account, Template::VerifyEmail, Some(token.id), cause)?;
        let effects = self.effects(vec![made, mail])?;
        let store = Arc::clone(&self.store);
        let create = async move { Ok(store.create_account(stored, None, Some(token), effects).await) };
        match self.tasks.run(create).await? {
            Ok(()) => Ok(account),
            Err(error) if error.is_conflict_on("accounts.email_key") => {
                // Both may have been taken since, of which the database names one.
                if self.store.username_taken(registration.username()).await? {
                    return Err(name_taken(registration.username()));
                }
                // A refusal would tell that the address is registered: who asks too often just causes no more mails.
                let told = self.may_mail(&account.email, address).is_ok();
                if let Some(owner) = self.store.account_by_email_key(&account.email_key()).await? {
                    self.tell_owner(&owner.account, told, cause).await?;
                }
                Ok(account)
            }
            Err(error) => Err(taken(error, registration.username(), registration.email())),
        }
    }

    /// Mails the owner of an address that somebody else would like to have. What is written is as much as if nobody had it, with a
    /// decoy in the place of a permission; that is all of it for an owner who may not be `told`.
    async fn tell_owner(&self, owner: &Account, told: bool, cause: &Cause) -> Result<(), Error> {
        let mail = events::mail_requested(&self.context, owner, Template::AlreadyRegistered, None, cause)?;
        let told = told && owner.active;
        let effects = if told { self.effects(vec![mail])? } else { Effects::default() };
        let decoy = self.decoy(Purpose::VerifyEmail, VERIFICATION_LIFETIME)?;
        self.issue(told.then_some(owner.id), decoy, effects).await
    }

    /// Mails a permission to verify the address that the account has or is to have; or tells the owner, if that is another account.
    pub(super) async fn ask_mailbox(&self, account: &Account, cause: &Cause) -> Result<(), Error> {
        let owned = account.under_pending_email().unwrap_or_else(|| account.clone());
        let owner = self.store.account_by_email_key(&owned.email_key()).await?.map(|found| found.account);
        if let Some(owner) = owner.filter(|owner| owner.id != account.id) {
            return self.tell_owner(&owner, true, cause).await;
        }
        let token = self.one_time_token(&owned, Purpose::VerifyEmail, VERIFICATION_LIFETIME)?;
        let mail = events::mail_requested(&self.context, &owned, Template::VerifyEmail, Some(token.id), cause)?;
        self.issue(Some(account.id), token, self.effects(vec![mail])?).await
    }

    pub(super) async fn issue(
        &self,
        subject: Option<Uuid>,
        token: OneTimeToken,
        effects: Effects,
    ) -> Result<(), Error> {
        let store = Arc::clone(&self.store);
        self.tasks.run(async move { Ok(store.issue_token(subject, token, effects).await?) }).await
    }

    /// Counts a mail to an address that others can name, of which each place may cause so many.
    ///
    /// # Errors
    /// `RateLimited`.
    pub(crate) fn may_mail(&self, email: &str, from: Option<IpAddr>) -> Result<(), Error> {
        match self.mail_throttle.as_ref().zip(from) {
            // Never taken back.
            Some((throttle, address)) => {
                let attempt = throttle.attempt(email_key(email), From::Address(address), self.context.now());
                metrics().rate_limits.mail.count(outcomes::decision(&attempt));
                attempt.map(drop)
            }
            None => Ok(()),
        }
    }

    /// Renames the caller's account. Another address is pending until it is confirmed from its mailbox, and the present one is told.
    /// Nobody learns whether another account has it.
    ///
    /// # Errors
    /// `Unauthenticated` when another address needs a more recent log-in; `Stale`; `Conflict` when the username is taken;
    /// `RateLimited`; `Unavailable`, `Overloaded`.
    pub async fn change_profile(
        &self,
        caller: &Principal,
        expected: &Expected,
        profile: Profile,
        address: Option<IpAddr>,
        cause: &Cause,
    ) -> Result<Account, Error> {
        for _ in 0..ATTEMPTS {
            let before = self.active(caller.account_id).await?;
            expected.check(before.version)?;
            let mut after = profile.clone().apply(&before);
            if after == before {
                // The mail of the first time may never have been asked for.
                let pending = before.pending_email.as_deref().filter(|pending| profile.asks_for(pending));
                if pending.is_some_and(|pending| self.may_mail(pending, address).is_ok()) {
                    self.ask_mailbox(&before, cause).await?;
                }
                return Ok(before);
            }
            self.next_version(&mut after);
            let mut changed = vec![events::profile_changed(&self.context, &after, cause)?];
            let renamed = after.username != before.username;
            let mut change = AccountChange { renamed, ..AccountChange::to(after.clone()) };
            let asked = after.pending_email.as_ref().filter(|_| after.pending_email != before.pending_email);
            if let Some(email) = asked {
                // Who has the address has the account: a token that was stolen must not be enough.
                caller.logged_in_recently(self.context.now())?;
                self.may_mail(email, address)?;
                changed.push(events::mail_requested(&self.context, &after, Template::AddressPending, None, cause)?);
            }
            if after.pending_email != before.pending_email {
                change.revoke = Some(Purpose::VerifyEmail);
            }
            if self.write(change, self.effects(changed)?).await? {
                if asked.is_some() {
                    self.ask_mailbox(&after, cause).await?;
                }
                return Ok(after);
            }
        }
        Err(others_change_it())
    }

    /// Sets another password, and ends the account's other sessions.
    ///
    /// # Errors
    /// `Invalid` when the present password is wrong or the new one breaks a rule; `RateLimited` after too many wrong ones;
    /// `Unavailable`, `Overloaded`.
    pub async fn change_password(
        &self,
        (id, session): (Uuid, Uuid),
        address: Option<IpAddr>,
        present: &str,
        new: &str,
        cause: &Cause,
    ) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let account = self.check_password(id, address, present).await?;
            self.check_new_password("new_password", new, &account).await?;
            let hash = self.hasher.hash(new.to_owned(), self.context.random()?).await?;
            // Whoever chose the pending address may be whom this password is to shut out.
            let mut after = Account { pending_email: None, ..account };
            self.next_version(&mut after);
            let effects = self.password_effects(&after, Some(session), cause)?;
            let change = AccountChange {
                password_hash: Some(hash),
                end_sessions: EndSessions::AllBut(session),
                revoke: Some(Purpose::ResetPassword),
                ..AccountChange::to(after)
            };
            if self.write(change, effects).await? {
                return Ok(());
            }
            // Somebody else was first, perhaps with another password: then the present one is no proof any more.
        }
        Err(others_change_it())
    }

    /// The account whose password this is.
    async fn check_password(&self, id: Uuid, address: Option<IpAddr>, present: &str) -> Result<Account, Error> {
        let account = self.active(id).await?;
        let found = self.store.account_by_email_key(&email_key(&account.email)).await?;
        let found = found.filter(|found| found.account.id == id).ok_or_else(others_change_it)?;
        let whereabouts = self.whereabouts(Some(id), address).await?;
        let admitted = self.admit(&email_key(&account.email), whereabouts, None).await?;
        let verdict = self.hasher.verify(present.to_owned(), Some(found.password_hash)).await;
        let outcome = match &verdict {
            Ok(verdict) if verdict.matches => Outcome::Right,
            Ok(_) => Outcome::Wrong,
            Err(_) => Outcome::Undecided,
        };
        self.settle(admitted, outcome).await;
        if verdict?.matches {
            Ok(found.account)
        } else {
            Err(Error::invalid("current_password", "wrong", "This is not the present password"))
        }
    }

    /// Changes role and activity, for administrators. Deactivation ends all sessions. Saying what already holds changes nothing.
    ///
    /// # Errors
    /// `NotFound`; `Stale`; `Conflict` when no administrator would be left; `Unavailable`; `Overloaded`
    /// also when others keep changing the account.
    pub(crate) async fn change_administration(
        &self,
        id: Uuid,
        expected: &Expected,
        administration: Administration,
        cause: &Cause,
    ) -> Result<Account, Error> {
        for _ in 0..ATTEMPTS {
            let before = self.store.account(id).await?.ok_or(Error::NotFound)?;
            expected.check(before.version)?;
            if before.is_erased() {
                return Err(Error::conflict("The account is erased."));
            }
            let mut after = before.clone();
            after.role = administration.role.unwrap_or(before.role);
            after.active = administration.active.unwrap_or(before.active);
            if after == before {
                return Ok(before);
            }
            self.next_version(&mut after);
            let mut told = Vec::new();
            if after.role != before.role {
                told.push(events::role_changed(&self.context, &after, cause)?);
            }
            if after.active != before.active {
                told.push(events::active_changed(&self.context, &after, cause)?);
            }
            if !after.active {
                told.push(events::sessions_ended(&self.context, &after, None, after.updated_at, cause)?);
            }
            let change = AccountChange {
                end_sessions: if after.active { EndSessions::None } else { EndSessions::All },
                loses_admin: is_admin(&before) && !is_admin(&after),
                ..AccountChange::to(after.clone())
            };
            if self.write(change, Effects::events(told)).await? {
                return Ok(after);
            }
        }
        Err(others_change_it())
    }

    /// Erases an account: it can never log in again, and nothing personal is left of it. Its products are archived by who owns
    /// them, see [`crate::Accounts::erasures`].
    ///
    /// # Errors
    /// As [`Auth::change_administration`].
    pub(crate) async fn erase_account(&self, id: Uuid, expected: &Expected, cause: &Cause) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let before = self.store.account(id).await?.filter(|account| !account.is_erased()).ok_or(Error::NotFound)?;
            expected.check(before.version)?;
            let after = before.erased(self.context.now());
            let ended = events::sessions_ended(&self.context, &after, None, after.updated_at, cause)?;
            let effects = Effects::events(vec![ended, events::erased(&self.context, &after, cause)?]);
            let change = AccountChange {
                // No hash is like it, so no password matches.
                password_hash: Some(String::new()),
                end_sessions: EndSessions::All,
                loses_admin: is_admin(&before),
                erase: true,
                ..AccountChange::to(after)
            };
            if self.write(change, effects).await? {
                return Ok(());
            }
        }
        Err(others_change_it())
    }

    /// The account of a caller, who may have been deactivated or erased since the token was checked.
    pub(crate) async fn active(&self, id: Uuid) -> Result<Account, Error> {
        let found = self.store.account(id).await?.filter(|account| account.active);
        found.ok_or(Error::Unauthenticated(Unauthenticated::Ended))
    }

    pub(crate) fn next_version(&self, account: &mut Account) {
        account.version += 1;
        account.updated_at = self.context.now();
    }

    /// The effects of another password, which ends all sessions but the one that is kept.
    pub(crate) fn password_effects(
        &self,
        after: &Account,
        kept: Option<Uuid>,
        cause: &Cause,
    ) -> Result<Effects, Error> {
        let ended = events::sessions_ended(&self.context, after, kept, after.updated_at, cause)?;
        let changed = events::password_changed(&self.context, after, cause)?;
        let mail = events::mail_requested(&self.context, after, Template::PasswordChanged, None, cause)?;
        self.effects(vec![changed, ended, mail])
    }

    pub(crate) async fn check_new_password(
        &self,
        field: &'static str,
        new: &str,
        account: &Account,
    ) -> Result<(), Error> {
        let names = [&*account.username, &account.email];
        let broken = broken_v2_password(new, names);
        if broken.is_empty() {
            self.check_strength(field, new, names).await
        } else {
            Err(Error::Invalid(broken.iter().map(|rule| Violation::new(field, rule.code, rule.message)).collect()))
        }
    }

    /// # Errors
    /// `Invalid`, with advice, when the password is too easy to guess for somebody of these names; `Overloaded`.
    pub(crate) async fn check_strength(&self, field: &'static str, new: &str, names: [&str; 2]) -> Result<(), Error> {
        match self.hasher.weakness(new.to_owned(), names.map(str::to_owned).into()).await? {
            Some(why) => Err(Error::invalid(field, "weak", why)),
            None => Ok(()),
        }
    }

    pub(crate) async fn write(&self, change: AccountChange, effects: Effects) -> Result<bool, Error> {
        let store = Arc::clone(&self.store);
        let Account { username, email, .. } = change.after.clone();
        let write = async move {
            match store.change_account(change, effects).await {
                // As if another change had been first.
                Err(StoreError::Undone(_)) => Ok(false),
                Err(error) if error.is_conflict_on(TOKEN_RULE) => Err(not_good()),
                Err(error) if error.is_conflict_on(LAST_ADMIN_RULE) => {
                    Err(Error::conflict("This is the last administrator."))
                }
                written => written.map_err(|error| taken(error, &username, &email)),
            }
        };
        self.tasks.run(write).await
    }

    pub(crate) fn one_time_token(
        &self,
        account: &Account,
        purpose: Purpose,
        lifetime: Duration,
    ) -> Result<OneTimeToken, Error> {
        let (account_id, email_key) = (Some(account.id), account.email_key());
        Ok(OneTimeToken { account_id, email_key, ..self.decoy(purpose, lifetime)? })
    }

    /// A permission for nobody.
    pub(crate) fn decoy(&self, purpose: Purpose, lifetime: Duration) -> Result<OneTimeToken, Error> {
        let (id, expires_at) = (self.context.id()?, self.context.now().after(lifetime));
        Ok(OneTimeToken { id, account_id: None, purpose, email_key: String::new(), expires_at })
    }
}

fn is_admin(account: &Account) -> bool {
    account.active && account.role == Role::Admin
}

/// No conflict: the same request succeeds when the others are done.
pub(crate) fn others_change_it() -> Error {
    Error::Overloaded { what: "changes of one account", retry_after: Duration::from_secs(1) }
}
