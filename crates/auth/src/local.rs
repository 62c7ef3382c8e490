//! What other services ask of auth, answered in this process.

use async_trait::async_trait;
use kernel::{Error, Expected, Timestamp, Uuid};
use platform::scan::BoundedScan;

use crate::events::Cause;
use crate::model::{Account, AccountFilter, Session, email_key};
use crate::service::{Administration, Auth};
use crate::store::AccountQuery;
use crate::{Accounts, Place};

#[async_trait]
impl Accounts for Auth {
    async fn by_ids(&self, ids: &[Uuid]) -> Result<Vec<Account>, Error> {
        match ids {
            [] => Ok(Vec::new()),
            ids => Ok(self.store.accounts_by_ids(ids).await?),
        }
    }

    async fn get(&self, id: Uuid) -> Result<Option<Account>, Error> {
        Ok(self.store.account(id).await?)
    }

    async fn by_email(&self, email: &str) -> Result<Option<Account>, Error> {
        let found = self.store.account_by_email_key(&email_key(email)).await?;
        Ok(found.map(|found| found.account))
    }

    async fn page(&self, offset: u64, limit: u64) -> Result<(Vec<Account>, u64), Error> {
        let bounded = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let (accounts, count) = self.store.list(bounded(offset), bounded(limit)).await?;
        Ok((accounts, u64::try_from(count).unwrap_or(0)))
    }

    async fn list(
        &self,
        filter: &AccountFilter,
        after: Option<Place>,
        limit: usize,
    ) -> Result<(Vec<Account>, Option<Place>), Error> {
        // Indexes find by role and activity; a text may be rare.
        let look = match filter.text {
            Some(_) => BoundedScan { part: 500, most: 5_000 },
            None => BoundedScan { part: limit + 1, most: 10 * (limit + 1) },
        };
        let read = |after, limit| self.store.accounts(AccountQuery { kind: filter.kind(), after, limit });
        let place = |account: &Account| (account.created_at, account.id);
        Ok(look.page(limit, after, read, place, |account| filter.fits(account)).await?)
    }

    async fn administer(
        &self,
        id: Uuid,
        expected: &Expected,
        administration: Administration,
        cause: &Cause,
    ) -> Result<Account, Error> {
        self.change_administration(id, expected, administration, cause).await
    }

    async fn sessions_of(&self, id: Uuid) -> Result<Vec<Session>, Error> {
        self.sessions(id).await
    }

    async fn end_sessions(&self, id: Uuid, cause: &Cause) -> Result<(), Error> {
        self.log_out_everywhere(id, cause).await.map(drop)
    }

    async fn erase(&self, id: Uuid, expected: &Expected, cause: &Cause) -> Result<(), Error> {
        self.erase_account(id, expected, cause).await
    }

    async fn erasures(&self, after: Uuid, limit: i64) -> Result<Vec<(Uuid, Timestamp)>, Error> {
        Ok(self.store.erasures(after, limit).await?)
    }

    async fn erasure_done(&self, id: Uuid) -> Result<(), Error> {
        Ok(self.store.erased(id).await?)
    }
}
