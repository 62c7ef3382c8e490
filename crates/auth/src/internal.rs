//! What other processes of the deployment ask of auth, and how they ask it.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use kernel::error::Unauthenticated;
use kernel::{Error, Expected, Timestamp, Uuid};
use mesh::{Answer, Asked, Peer};
use serde::{Deserialize, Serialize};

use crate::events::Cause;
use crate::model::{Account, AccountFilter, Session};
use crate::service::{Administration, Auth, Authenticated};
use crate::tokens::{Audience, MAX_TOKEN};
use crate::{Accounts, Place};

/// The paths of the questions, each with the form of its body.
mod path {
    pub const AUTHENTICATE: &str = "/internal/auth/authenticate";
    pub const BY_IDS: &str = "/internal/auth/accounts/by-ids";
    pub const GET: &str = "/internal/auth/accounts/get";
    pub const BY_EMAIL: &str = "/internal/auth/accounts/by-email";
    pub const PAGE: &str = "/internal/auth/accounts/page";
    pub const LIST: &str = "/internal/auth/accounts/list";
    pub const ADMINISTER: &str = "/internal/auth/accounts/administer";
    pub const SESSIONS: &str = "/internal/auth/accounts/sessions";
    pub const END_SESSIONS: &str = "/internal/auth/accounts/end-sessions";
    pub const ERASE: &str = "/internal/auth/accounts/erase";
    pub const ERASURES: &str = "/internal/auth/erasures";
    pub const ERASURE_DONE: &str = "/internal/auth/erasures/done";
}

#[derive(Serialize, Deserialize)]
struct Token {
    token: String,
    api: Audience,
}

#[derive(Serialize, Deserialize)]
struct Ids {
    ids: Vec<Uuid>,
}

#[derive(Serialize, Deserialize)]
struct Id {
    id: Uuid,
}

#[derive(Serialize, Deserialize)]
struct Email {
    email: String,
}

#[derive(Serialize, Deserialize)]
struct PageOf {
    offset: u64,
    limit: u64,
}

#[derive(Serialize, Deserialize)]
struct List {
    filter: AccountFilter,
    after: Option<Place>,
    limit: usize,
}

#[derive(Serialize, Deserialize)]
struct After<K> {
    after: K,
    limit: i64,
}

#[derive(Serialize, Deserialize)]
struct Administer {
    id: Uuid,
    expected: Expected,
    administration: Administration,
    cause: Cause,
}

#[derive(Serialize, Deserialize)]
struct EndSessions {
    id: Uuid,
    cause: Cause,
}

#[derive(Serialize, Deserialize)]
struct Erase {
    id: Uuid,
    expected: Expected,
    cause: Cause,
}

type Here = State<Arc<Auth>>;

/// The endpoints, for the listener that only other processes of the deployment reach.
pub fn routes(auth: Arc<Auth>) -> Router {
    sessions().merge(accounts()).merge(erasures()).with_state(auth)
}

fn sessions() -> Router<Arc<Auth>> {
    Router::new().route(
        path::AUTHENTICATE,
        post(async |State(auth): Here, Asked(asked): Asked<Token>| {
            Answer(auth.authenticate(&asked.token, asked.api).await)
        }),
    )
}

fn accounts() -> Router<Arc<Auth>> {
    Router::new()
        .route(
            path::BY_IDS,
            post(async |State(auth): Here, Asked(asked): Asked<Ids>| Answer(auth.by_ids(&asked.ids).await)),
        )
        .route(
            path::GET,
            post(async |State(auth): Here, Asked(asked): Asked<Id>| Answer(Accounts::get(&*auth, asked.id).await)),
        )
        .route(
            path::BY_EMAIL,
            post(async |State(auth): Here, Asked(asked): Asked<Email>| Answer(auth.by_email(&asked.email).await)),
        )
        .route(
            path::PAGE,
            post(async |State(auth): Here, Asked(asked): Asked<PageOf>| {
                Answer(auth.page(asked.offset, asked.limit).await)
            }),
        )
        .route(
            path::LIST,
            post(async |State(auth): Here, Asked(asked): Asked<List>| {
                Answer(auth.list(&asked.filter, asked.after, asked.limit).await)
            }),
        )
        .route(
            path::ADMINISTER,
            post(async |State(auth): Here, Asked(asked): Asked<Administer>| {
                Answer(auth.administer(asked.id, &asked.expected, asked.administration, &asked.cause).await)
            }),
        )
        .route(
            path::SESSIONS,
            post(async |State(auth): Here, Asked(asked): Asked<Id>| Answer(auth.sessions_of(asked.id).await)),
        )
        .route(
            path::END_SESSIONS,
            post(async |State(auth): Here, Asked(asked): Asked<EndSessions>| {
                Answer(auth.end_sessions(asked.id, &asked.cause).await)
            }),
        )
}

fn erasures() -> Router<Arc<Auth>> {
    Router::new()
        .route(
            path::ERASE,
            post(async |State(auth): Here, Asked(asked): Asked<Erase>| {
                Answer(auth.erase(asked.id, &asked.expected, &asked.cause).await)
            }),
        )
        .route(
            path::ERASURES,
            post(async |State(auth): Here, Asked(asked): Asked<After<Uuid>>| {
                Answer(auth.erasures(asked.after, asked.limit).await)
            }),
        )
        .route(
            path::ERASURE_DONE,
            post(async |State(auth): Here, Asked(asked): Asked<Id>| Answer(auth.erasure_done(asked.id).await)),
        )
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
        self.0.ask(path::AUTHENTICATE, &Token { token: token.to_owned(), api }).await
    }
}

#[async_trait]
impl Accounts for Remote {
    async fn by_ids(&self, ids: &[Uuid]) -> Result<Vec<Account>, Error> {
        match ids {
            [] => Ok(Vec::new()),
            ids => self.0.ask(path::BY_IDS, &Ids { ids: ids.to_vec() }).await,
        }
    }

    async fn get(&self, id: Uuid) -> Result<Option<Account>, Error> {
        self.0.ask(path::GET, &Id { id }).await
    }

    async fn by_email(&self, email: &str) -> Result<Option<Account>, Error> {
        self.0.ask(path::BY_EMAIL, &Email { email: email.to_owned() }).await
    }

    async fn page(&self, offset: u64, limit: u64) -> Result<(Vec<Account>, u64), Error> {
        self.0.ask(path::PAGE, &PageOf { offset, limit }).await
    }

    async fn list(
        &self,
        filter: &AccountFilter,
        after: Option<Place>,
        limit: usize,
    ) -> Result<(Vec<Account>, Option<Place>), Error> {
        self.0.ask(path::LIST, &List { filter: filter.clone(), after, limit }).await
    }

    async fn administer(
        &self,
        id: Uuid,
        expected: &Expected,
        administration: Administration,
        cause: &Cause,
    ) -> Result<Account, Error> {
        let asked = Administer { id, expected: expected.clone(), administration, cause: cause.clone() };
        self.0.change(path::ADMINISTER, &asked).await
    }

    async fn sessions_of(&self, id: Uuid) -> Result<Vec<Session>, Error> {
        self.0.ask(path::SESSIONS, &Id { id }).await
    }

    async fn end_sessions(&self, id: Uuid, cause: &Cause) -> Result<(), Error> {
        // Once more is as good as once.
        self.0.ask(path::END_SESSIONS, &EndSessions { id, cause: cause.clone() }).await
    }

    async fn erase(&self, id: Uuid, expected: &Expected, cause: &Cause) -> Result<(), Error> {
        let asked = Erase { id, expected: expected.clone(), cause: cause.clone() };
        self.0.change(path::ERASE, &asked).await
    }

    async fn erasures(&self, after: Uuid, limit: i64) -> Result<Vec<(Uuid, Timestamp)>, Error> {
        self.0.ask(path::ERASURES, &After { after, limit }).await
    }

    async fn erasure_done(&self, id: Uuid) -> Result<(), Error> {
        self.0.ask(path::ERASURE_DONE, &Id { id }).await
    }
}
