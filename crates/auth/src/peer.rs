//! What other processes of the deployment ask of auth, and how they ask it.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use kernel::error::Unauthenticated;
use kernel::{Error, Expected, Timestamp, Uuid};
use mesh::{Peer, Questions};

use crate::events::Cause;
use crate::model::{Account, AccountFilter, Session};
use crate::service::{Administration, Auth, Authenticated};
use crate::tokens::{Audience, MAX_TOKEN};
use crate::{Accounts, Place};

mesh::questions! {
    again "authenticate" => Authenticate { token: String, api: Audience } -> Authenticated;
    again "accounts/by-ids" => ByIds { ids: Vec<Uuid> } -> Vec<Account>;
    again "accounts/get" => Get { id: Uuid } -> Option<Account>;
    again "accounts/by-email" => ByEmail { email: String } -> Option<Account>;
    again "accounts/page" => Page { offset: u64, limit: u64 } -> (Vec<Account>, u64);
    again "accounts/list" => List { filter: AccountFilter, after: Option<Place>, limit: usize } -> (Vec<Account>, Option<Place>);
    once "accounts/administer" => Administer {
        id: Uuid, expected: Expected, administration: Administration, cause: Cause,
    } -> Account;
    again "accounts/sessions" => Sessions { id: Uuid } -> Vec<Session>;
    // Once more is as good as once.
    again "accounts/end-sessions" => EndSessions { id: Uuid, cause: Cause } -> ();
    once "accounts/erase" => Erase { id: Uuid, expected: Expected, cause: Cause } -> ();
    again "erasures" => Erasures { after: Uuid, limit: i64 } -> Vec<(Uuid, Timestamp)>;
    again "erasures/done" => ErasureDone { id: Uuid } -> ();
}

/// What auth answers other processes.
pub fn internal_routes(auth: Arc<Auth>) -> Router {
    Questions::of("auth", auth)
        .on(|auth, Authenticate { token, api }| async move { auth.authenticate(&token, api).await })
        .on(|auth, ByIds { ids }| async move { auth.by_ids(&ids).await })
        .on(|auth, Get { id }| async move { Accounts::get(&*auth, id).await })
        .on(|auth, ByEmail { email }| async move { auth.by_email(&email).await })
        .on(|auth, Page { offset, limit }| async move { auth.page(offset, limit).await })
        .on(|auth, List { filter, after, limit }| async move { auth.list(&filter, after, limit).await })
        .on(|auth, Administer { id, expected, administration, cause }| async move {
            auth.administer(id, &expected, administration, &cause).await
        })
        .on(|auth, Sessions { id }| async move { auth.sessions_of(id).await })
        .on(|auth, EndSessions { id, cause }| async move { auth.end_sessions(id, &cause).await })
        .on(|auth, Erase { id, expected, cause }| async move { auth.erase(id, &expected, &cause).await })
        .on(|auth, Erasures { after, limit }| async move { auth.erasures(after, limit).await })
        .on(|auth, ErasureDone { id }| async move { auth.erasure_done(id).await })
        .routes()
}

/// Auth in other processes.
#[derive(Clone)]
pub struct Remote(pub Peer);

impl Remote {
    /// As [`Auth::authenticate`].
    ///
    /// # Errors
    /// As [`Auth::authenticate`]; `Unavailable` also when auth does not answer.
    pub async fn authenticate(&self, token: &str, api: Audience) -> Result<Authenticated, Error> {
        if token.len() > MAX_TOKEN {
            return Err(Error::Unauthenticated(Unauthenticated::Invalid));
        }
        self.0.ask(Authenticate { token: token.to_owned(), api }).await
    }
}

#[async_trait]
impl Accounts for Remote {
    async fn by_ids(&self, ids: &[Uuid]) -> Result<Vec<Account>, Error> {
        match ids {
            [] => Ok(Vec::new()),
            ids => self.0.ask(ByIds { ids: ids.to_vec() }).await,
        }
    }

    async fn get(&self, id: Uuid) -> Result<Option<Account>, Error> {
        self.0.ask(Get { id }).await
    }

    async fn by_email(&self, email: &str) -> Result<Option<Account>, Error> {
        self.0.ask(ByEmail { email: email.to_owned() }).await
    }

    async fn page(&self, offset: u64, limit: u64) -> Result<(Vec<Account>, u64), Error> {
        self.0.ask(Page { offset, limit }).await
    }

    async fn list(
        &self,
        filter: &AccountFilter,
        after: Option<Place>,
        limit: usize,
    ) -> Result<(Vec<Account>, Option<Place>), Error> {
        self.0.ask(List { filter: filter.clone(), after, limit }).await
    }

    async fn administer(
        &self,
        id: Uuid,
        expected: &Expected,
        administration: Administration,
        cause: &Cause,
    ) -> Result<Account, Error> {
        let question = Administer { id, expected: expected.clone(), administration, cause: cause.clone() };
        self.0.ask(question).await
    }

    async fn sessions_of(&self, id: Uuid) -> Result<Vec<Session>, Error> {
        self.0.ask(Sessions { id }).await
    }

    async fn end_sessions(&self, id: Uuid, cause: &Cause) -> Result<(), Error> {
        self.0.ask(EndSessions { id, cause: cause.clone() }).await
    }

    async fn erase(&self, id: Uuid, expected: &Expected, cause: &Cause) -> Result<(), Error> {
        let question = Erase { id, expected: expected.clone(), cause: cause.clone() };
        self.0.ask(question).await
    }

    async fn erasures(&self, after: Uuid, limit: i64) -> Result<Vec<(Uuid, Timestamp)>, Error> {
        self.0.ask(Erasures { after, limit }).await
    }

    async fn erasure_done(&self, id: Uuid) -> Result<(), Error> {
        self.0.ask(ErasureDone { id }).await
    }
}
