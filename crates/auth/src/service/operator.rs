//! What commands do with accounts, for whoever runs the server.

use kernel::{Error, Role};

use super::{Auth, invalid};
use crate::Accounts;
use crate::events::Cause;
use crate::model::{Account, Registration, email_key};

impl Auth {
    /// Makes an administrator, for the command.
    ///
    /// # Errors
    /// `Invalid`; `Conflict` when the username or e-mail address is taken; `Unavailable`.
    pub async fn create_admin(&self, username: &str, email: &str, password: &str) -> Result<Account, Error> {
        let registration = Registration::by_operator(username, email, password).map_err(invalid)?;
        self.check_strength("password", password, [username, email]).await?;
        self.create_account(&registration, Role::Admin).await
    }

    /// Whether the account of this address, if it is active and has this role, has this password. For nobody from outside, whose
    /// attempts are counted.
    ///
    /// # Errors
    /// `Unavailable`, `Overloaded`.
    pub async fn has_password(&self, email: &str, role: Role, password: &str) -> Result<bool, Error> {
        let found = self.store.account_by_email_key(&email_key(email)).await?;
        let Some(found) = found.filter(|found| found.account.active && found.account.role == role) else {
            return Ok(false);
        };
        Ok(self.hasher.verify(password.to_owned(), Some(found.password_hash)).await?.matches)
    }

    /// The account of this e-mail address; made, with the given name, password and role, if there is none.
    ///
    /// # Errors
    /// As [`Auth::create_admin`].
    pub async fn ensure_account(
        &self,
        username: &str,
        email: &str,
        password: &str,
        role: Role,
    ) -> Result<(Account, bool), Error> {
        if let Some(account) = self.by_email(email).await? {
            return Ok((account, false));
        }
        let registration = Registration::by_operator(username, email, password).map_err(invalid)?;
        match self.create_account(&registration, role).await {
            Ok(account) => Ok((account, true)),
            // Another process may have been first; a taken username remains a conflict.
            Err(conflict @ Error::Conflict(_)) => {
                let account = self.by_email(email).await?;
                account.map(|account| (account, false)).ok_or(conflict)
            }
            Err(error) => Err(error),
        }
    }

    async fn create_account(&self, registration: &Registration, role: Role) -> Result<Account, Error> {
        let stored = self.new_account(registration, role).await?;
        let account = stored.account.clone();
        self.create(stored, None, &Cause::SYSTEM).await?;
        Ok(account)
    }
}
