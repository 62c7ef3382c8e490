//! Auth owns accounts, passwords, sessions and tokens: who somebody is, and whether they still are.
//!
//! Every check of a token reads its session and account, so log-out and deactivation hold at once, whoever wrote them.

mod email;
mod events;
mod keys;
mod local;
mod model;
pub mod names;
mod opaque;
mod passwords;
mod peer;
pub mod routes;
mod service;
mod store;
mod strength;
mod throttle;
mod tickets;
mod tokens;

use std::sync::Arc;

use async_trait::async_trait;
use effects::{COMMON_POSTGRES, COMMON_SQLITE, JOBS_POSTGRES, JOBS_SQLITE, TAGS};
use kernel::{Error, Expected, Timestamp, Uuid};
use storage::belonging::STORE;
use storage::migrate::{Addition, Migration, Migrations};

pub use events::{Cause, session_subject, subject as account_subject};
pub use keys::KeyRing;
pub use model::{Account, AccountFilter, Credentials, Profile, Registration, Rule, Session, UsedBy};
pub use passwords::{PasswordHasher, Verdict, is_password};
pub use peer::{Remote, internal_routes};
pub use service::{
    Administration, Auth, AuthSettings, Authenticated, Letterhead, LoggedIn, MAILS, Mail, Opened, StartError,
};
pub use tokens::{Audience, Claims};

/// The schema of the database that auth is started with.
pub const MIGRATIONS: Migrations = Migrations {
    sqlite: &[
        Migration { version: 1, name: "common", sql: COMMON_SQLITE },
        Migration { version: 2, name: "accounts", sql: include_str!("../migrations/sqlite/0001_accounts.sql") },
        Migration { version: 3, name: "sessions_v2", sql: include_str!("../migrations/sqlite/0003_sessions_v2.sql") },
        Migration { version: 4, name: "jobs", sql: JOBS_SQLITE },
        Migration {
            version: 5,
            name: "account_filters",
            sql: include_str!("../migrations/sqlite/0005_account_filters.sql"),
        },
    ],
    postgres: &[
        Migration { version: 1, name: "common", sql: COMMON_POSTGRES },
        Migration { version: 2, name: "accounts", sql: include_str!("../migrations/postgres/0001_accounts.sql") },
        Migration { version: 3, name: "sessions_v2", sql: include_str!("../migrations/postgres/0003_sessions_v2.sql") },
        Migration { version: 4, name: "jobs", sql: JOBS_POSTGRES },
        Migration {
            version: 5,
            name: "account_filters",
            sql: include_str!("../migrations/postgres/0005_account_filters.sql"),
        },
    ],
    additions: &[
        Addition::new(
            "username_keys",
            include_str!("../migrations/sqlite/username_keys.sql"),
            include_str!("../migrations/postgres/username_keys.sql"),
        ),
        Addition::new(
            "log_in_limits",
            include_str!("../migrations/sqlite/log_in_limits.sql"),
            include_str!("../migrations/postgres/log_in_limits.sql"),
        ),
        Addition::new(
            "bcrypt_accounts",
            include_str!("../migrations/sqlite/bcrypt_accounts.sql"),
            include_str!("../migrations/postgres/bcrypt_accounts.sql"),
        ),
        STORE,
        TAGS,
        // Last: while it runs, PostgreSQL lets nobody read accounts.
        Addition::new(
            "pending_emails",
            include_str!("../migrations/sqlite/pending_emails.sql"),
            include_str!("../migrations/postgres/pending_emails.sql"),
        ),
    ],
};

/// Where a list of accounts goes on: behind the account that was made then.
pub type Place = (Timestamp, Uuid);

/// What other services ask about accounts. They know no more of auth than this.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Those that exist, in no order.
    async fn by_ids(&self, ids: &[Uuid]) -> Result<Vec<Account>, Error>;

    async fn get(&self, id: Uuid) -> Result<Option<Account>, Error>;

    /// Compared without regard to case.
    async fn by_email(&self, email: &str) -> Result<Option<Account>, Error>;

    /// Newest first, with the number of all accounts.
    async fn page(&self, offset: u64, limit: u64) -> Result<(Vec<Account>, u64), Error>;

    /// Newest first, by key: those that fit after the given place, at most `limit`, or fewer where most do not fit; and the place
    /// from which to go on, if there may be more.
    async fn list(
        &self,
        filter: &AccountFilter,
        after: Option<Place>,
        limit: usize,
    ) -> Result<(Vec<Account>, Option<Place>), Error>;

    /// Changes role and activity of an account whose version is one that is `expected`.
    ///
    /// # Errors
    /// `NotFound`; `Stale`; `Conflict` when no administrator would be left.
    async fn administer(
        &self,
        id: Uuid,
        expected: &Expected,
        administration: Administration,
        cause: &Cause,
    ) -> Result<Account, Error>;

    /// The live sessions of an account, newest first.
    async fn sessions_of(&self, id: Uuid) -> Result<Vec<Session>, Error>;

    /// Ends all sessions of an account.
    ///
    /// # Errors
    /// `NotFound`.
    async fn end_sessions(&self, id: Uuid, cause: &Cause) -> Result<(), Error>;

    /// Erases what is personal of an account. Its products are the caller's to archive.
    ///
    /// # Errors
    /// As [`Accounts::administer`].
    async fn erase(&self, id: Uuid, expected: &Expected, cause: &Cause) -> Result<(), Error>;

    /// Erased accounts whose products are not known to be archived, by id, those after the given one; and when they were erased.
    async fn erasures(&self, after: Uuid, limit: i64) -> Result<Vec<(Uuid, Timestamp)>, Error>;

    /// Says that the products of an erased account are archived.
    async fn erasure_done(&self, id: Uuid) -> Result<(), Error>;
}

/// Where a POST may be made twice as well as once. Whoever lost the answer to a log-in logs in again: the session before is known to
/// nobody, and ends by itself. The same refresh token gets the same successor.
pub const REPEATABLE_POSTS: &[&str] = &["/api/v1/auth/login", "/api/v2/sessions", "/api/v2/sessions/refresh"];

/// Auth's endpoints.
pub fn api(auth: Arc<Auth>) -> api::openapi::Api {
    routes::api().with_state(auth)
}

/// What describes them.
pub fn described() -> api::openapi::Api {
    routes::api().described()
}
