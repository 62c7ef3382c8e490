//! The use cases. HTTP, commands and other services all come through here.

mod mail;
mod operator;
mod outcomes;
mod profile;
mod recovery;
mod refusals;
mod sessions;
mod throttling;
mod token_log;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use effects::Effects;
use kernel::error::Unauthenticated;
use kernel::{Error, Event, Principal, Role, Timestamp, Uuid};
use platform::Context;
use platform::client::network;
use platform::keys::KeyError;
use platform::tasks::WriteTasks;
use serde::{Deserialize, Serialize};
use storage::{Database, StoreError};
use tokio::sync::{Mutex as AsyncMutex, Semaphore};

use crate::events::{self, Cause};
use crate::keys::LiveRing;
use crate::model::{Account, Credentials, Registration, Rule, Session, UsedBy};
use crate::passwords::PasswordHasher;
use crate::store::{self, Opening, Store, StoredAccount, USERNAME_KEY_RULE};
use crate::throttle::Throttle;
use crate::tokens::{Audience, Claims, Tokens};

pub use mail::{Letterhead, MAILS, Mail};
pub use profile::Administration;
use profile::{ATTEMPTS, others_change_it};
use refusals::Pace;
pub use sessions::Opened;
use throttling::{Outcome, Whereabouts};
use token_log::RefusedTokens;

/// What the operator decides.
#[derive(Debug, Clone)]
pub struct AuthSettings {
    pub v1_token_lifetime: Duration,
    /// Of an access token of API v2.
    pub access_token_lifetime: Duration,
    /// How long a session of API v2 lasts without a refresh.
    pub refresh_token_lifetime: Duration,
    /// The key ring; made when absent. A command that issues no tokens needs none.
    pub key_file: Option<PathBuf>,
    /// Threads that hash passwords, and how many jobs may wait for them.
    pub hash_threads: usize,
    pub hash_queue: usize,
    /// Whether guessing of passwords is slowed down.
    pub throttle: bool,
    /// Whether somebody sends the mails of [`MAILS`], and what they have in common.
    pub mails: bool,
    pub letterhead: Letterhead,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error("cannot start the password threads: {0}")]
    Threads(#[from] std::io::Error),
}

/// An account that just proved itself, with the token of its new session.
pub struct LoggedIn {
    pub account: Account,
    pub token: String,
}

/// Who a token speaks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Authenticated {
    pub principal: Principal,
    /// When the token or its session is over, if neither is ended before.
    pub until: Timestamp,
}

/// The service. One per process, shared.
pub struct Auth {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) database: Database,
    pub(crate) context: Context,
    pub(crate) tasks: WriteTasks,
    pub(crate) hasher: PasswordHasher,
    pub(crate) tokens: Tokens,
    v1_token_lifetime: Duration,
    pub(crate) access_token_lifetime: Duration,
    pub(crate) refresh_token_lifetime: Duration,
    /// Accounts that may be made at the same time.
    newcomers: Semaphore,
    pub(crate) throttle: Option<Throttle>,
    /// Of mailed permissions.
    pub(crate) mail_throttle: Option<Throttle>,
    sends_mails: bool,
    letterhead: Letterhead,
    refused_tokens: RefusedTokens,
    /// Of refused log-ins.
    pace: AsyncMutex<Pace>,
}

impl Auth {
    /// Reads or makes the key ring and starts the password threads. The database has been migrated. Blocks for a few file
    /// operations.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(
        settings: AuthSettings,
        database: Database,
        context: Context,
        tasks: WriteTasks,
    ) -> Result<Arc<Self>, StartError> {
        Ok(Arc::new(Self {
            store: store::open(database.clone()),
            database,
            tokens: Tokens::new(match settings.key_file {
                Some(file) => LiveRing::open(&file, &context)?,
                None => LiveRing::empty(),
            }),
            hasher: PasswordHasher::start(settings.hash_threads, settings.hash_queue)?,
            newcomers: Semaphore::new((settings.hash_queue / 2).max(1)),
            v1_token_lifetime: settings.v1_token_lifetime,
            access_token_lifetime: settings.access_token_lifetime,
            refresh_token_lifetime: settings.refresh_token_lifetime,
            throttle: settings.throttle.then(Throttle::default),
            mail_throttle: settings.throttle.then(Throttle::default),
            sends_mails: settings.mails,
            letterhead: settings.letterhead,
            refused_tokens: RefusedTokens::default(),
            pace: AsyncMutex::default(),
            context,
            tasks,
        }))
    }

    /// Who a token speaks for, by one read of the database.
    ///
    /// # Errors
    /// `Unauthenticated` (`Invalid`, `Expired`, `Ended`); `Unavailable`: a token is never accepted unseen.
    pub async fn authenticate(&self, token: &str, audience: Audience) -> Result<Authenticated, Error> {
        let now = self.context.now();
        let claims = self.tokens.verify(token, audience, now).map_err(|refused| {
            self.refused_tokens.note(refused);
            Error::Unauthenticated(refused.into())
        })?;
        let found = self.store.session_with_account(claims.sid).await?;
        found
            .filter(|(session, account)| session.is_live(now) && account.active && account.id == claims.sub)
            .map(|(session, account)| Authenticated {
                until: session.expires_at.min(claims.expires_at()),
                principal: Principal {
                    account_id: account.id,
                    session_id: session.id,
                    username: account.username,
                    email: account.email,
                    role: account.role,
                    logged_in_at: session.created_at,
                },
            })
            .ok_or(Error::Unauthenticated(Unauthenticated::Ended))
    }

    /// The keys that verify tokens, as a JSON Web Key Set.
    pub fn key_set(&self) -> serde_json::Value {
        self.tokens.key_set()
    }

    /// Makes an account for a person, and logs them in.
    ///
    /// # Errors
    /// `Conflict` when the username or e-mail address is taken; `Overloaded`; `Unavailable`.
    pub async fn register(
        &self,
        registration: &Registration,
        used_by: UsedBy,
        cause: &Cause,
    ) -> Result<LoggedIn, Error> {
        let stored = self.new_account(registration, Role::User).await?;
        let account = stored.account.clone();
        let network = used_by.address.filter(|_| self.throttle.is_some()).map(network);
        let session = self.new_session(account.id, Audience::V1, used_by)?;
        let (claims, opened) = (session.clone(), events::session_opened(&self.context, &session, cause)?);
        self.create(stored, Some((Opening { session, network }, opened)), cause).await?;
        self.logged_in(account, &claims)
    }

    /// Checks credentials and opens a session of API v1.
    ///
    /// # Errors
    /// As [`Auth::prove`].
    pub async fn log_in(
        &self,
        credentials: &Credentials,
        used_by: UsedBy,
        request_id: Option<String>,
    ) -> Result<LoggedIn, Error> {
        let (account, session) = self.prove(credentials, Audience::V1, used_by, None, request_id).await?;
        self.logged_in(account, &session)
    }

    /// The account that these credentials prove, and where from. `device` is one on which this account is known to have logged in: it has an
    /// allowance of failures to itself.
    ///
    /// # Errors
    /// `Unauthenticated` (`WrongCredentials`; `Deactivated`, only told to who knows the password); `RateLimited` after too many
    /// failures; `Overloaded`; `Unavailable`.
    pub(crate) async fn check_credentials(
        &self,
        credentials: &Credentials,
        address: Option<IpAddr>,
        device: Option<(Uuid, Uuid)>,
    ) -> Result<(Account, Option<Whereabouts>), Error> {
        let email_key = credentials.email_key();
        let found = self.store.account_by_email_key(&email_key).await?;
        let id = found.as_ref().map(|found| found.account.id);
        let own_device = device.filter(|(account, _)| Some(*account) == id).map(|(_, device)| device);
        let whereabouts = self.whereabouts(id, address).await?;
        let admitted = self.admit(&email_key, whereabouts, own_device).await?;
        let result = self.verify(credentials, found).await;
        let outcome = match &result {
            Ok(_) | Err(Error::Unauthenticated(Unauthenticated::Deactivated)) => Outcome::Right,
            Err(Error::Unauthenticated(_)) => Outcome::Wrong,
            Err(_) => Outcome::Undecided,
        };
        if outcome == Outcome::Wrong {
            tracing::warn!(event = "auth.login.failed", "wrong credentials");
        }
        self.settle(admitted, outcome).await;
        Ok((result?, whereabouts))
    }

    async fn verify(&self, credentials: &Credentials, found: Option<StoredAccount>) -> Result<Account, Error> {
        let hash = found.as_ref().map(|found| found.password_hash.clone());
        let verdict = self.hasher.verify(credentials.password().to_owned(), hash).await?;
        let Some(found) = found.filter(|_| verdict.matches) else {
            self.delay_refusal(&verdict).await;
            return Err(Error::Unauthenticated(Unauthenticated::WrongCredentials));
        };
        if !found.account.active {
            return Err(Error::Unauthenticated(Unauthenticated::Deactivated));
        }
        if verdict.outdated {
            self.rehash(&found, credentials.password()).await;
        }
        Ok(found.account)
    }

    /// Deletes up to `limit` sessions whose time was over at `time`; returns how many.
    ///
    /// # Errors
    /// `Unavailable`, `Overloaded`.
    pub async fn sweep_sessions(&self, time: Timestamp, limit: i64) -> Result<u64, Error> {
        Ok(self.store.sweep_sessions(time, limit).await?)
    }

    pub(crate) async fn new_account(&self, registration: &Registration, role: Role) -> Result<StoredAccount, Error> {
        // Anyone may register: that many at once must leave room for those who log in.
        let Ok(_place) = self.newcomers.try_acquire() else {
            return Err(Error::Overloaded { what: "registrations", retry_after: Duration::from_secs(1) });
        };
        let salt = self.context.random()?;
        let password_hash = self.hasher.hash(registration.password().to_owned(), salt).await?;
        let now = self.context.now();
        Ok(StoredAccount {
            account: Account {
                id: self.context.id()?,
                username: registration.username().to_owned(),
                email: registration.email().to_owned(),
                role,
                active: true,
                email_verified_at: None,
                pending_email: None,
                version: 1,
                created_at: now,
                updated_at: now,
            },
            password_hash,
        })
    }

    async fn create(
        &self,
        stored: StoredAccount,
        opening: Option<(Opening, Event)>,
        cause: &Cause,
    ) -> Result<(), Error> {
        let mut events = vec![events::registered(&self.context, &stored.account, cause)?];
        let opening = opening.map(|(opening, opened)| {
            events.push(opened);
            opening
        });
        let effects = Effects::events(events);
        let store = Arc::clone(&self.store);
        let Account { username, email, .. } = stored.account.clone();
        let create = async move { Ok(store.create_account(stored, opening, None, effects).await) };
        self.tasks.run(create).await?.map_err(|error| taken(error, &username, &email))
    }

    fn new_session(&self, account_id: Uuid, api: Audience, used_by: UsedBy) -> Result<Session, Error> {
        let lifetime = match api {
            Audience::V1 => self.v1_token_lifetime,
            Audience::V2 => self.refresh_token_lifetime,
        };
        let (id, now) = (self.context.id()?, self.context.now());
        Ok(Session {
            id,
            account_id,
            api,
            created_at: now,
            expires_at: now.after(lifetime),
            ended_at: None,
            generation: 0,
            refreshed_at: None,
            used_by,
        })
    }

    /// A session of API v1 has one token, for all its life.
    fn logged_in(&self, account: Account, session: &Session) -> Result<LoggedIn, Error> {
        let (since, lifetime) = (session.created_at, self.v1_token_lifetime);
        let claims = Claims::new(account.id, session.id, Audience::V1, since, lifetime, self.context.id()?);
        let token = self.tokens.sign(&claims)?;
        Ok(LoggedIn { account, token })
    }

    /// Replaces an old kind of hash. The log-in does not depend on it: the next one tries again.
    async fn rehash(&self, found: &StoredAccount, password: &str) {
        let replace = async {
            let new = self.hasher.hash(password.to_owned(), self.context.random()?).await?;
            let (store, id, old) = (Arc::clone(&self.store), found.account.id, found.password_hash.clone());
            let replace = async move { Ok(store.rehash(id, old, new).await?) };
            self.tasks.run(replace).await
        };
        if let Err(error) = replace.await {
            tracing::warn!(event = "password.rehash.failed", error = %error, "a password keeps its old hash for now");
        }
    }
}

pub(crate) fn invalid(broken: Vec<&'static Rule>) -> Error {
    Error::Invalid(broken.into_iter().map(Into::into).collect())
}

pub(crate) fn name_taken(username: &str) -> Error {
    Error::taken("username", username, "The username, or one that looks like it, is taken.")
}

/// The refusal of an account, or of one with these changes. Who has what is taken is nobody's business.
pub(crate) fn taken(error: StoreError, username: &str, email: &str) -> Error {
    if error.is_conflict_on("accounts.username") || error.is_conflict_on(USERNAME_KEY_RULE) {
        name_taken(username)
    } else if error.is_conflict_on("accounts.email_key") {
        Error::taken("email", email, "The e-mail address is taken.")
    } else {
        error.into()
    }
}
