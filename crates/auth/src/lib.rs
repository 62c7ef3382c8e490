//! Auth owns accounts, passwords, sessions and tokens: who somebody is, and whether they still are.
//!
//! Every check of a token reads its session and account, so log-out and deactivation hold at once, whoever wrote them.

mod events;
mod keys;
mod model;
mod passwords;
pub mod routes;
mod service;
mod store;
mod throttle;
mod tokens;

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{Error, Uuid};
use platform::db::migrate::{COMMON_POSTGRES, COMMON_SQLITE, Migration, Migrations};

pub use events::Cause;
pub use keys::{Key, KeyError, KeyRing};
pub use model::{Account, Credentials, Registration, Rule, Session};
pub use passwords::{PasswordHasher, Verdict};
pub use service::{Auth, AuthSettings, LoggedIn, StartError};
pub use tokens::{Audience, Claims};

/// The schema of the database that auth is started with.
pub const MIGRATIONS: Migrations = Migrations {
    sqlite: &[
        Migration { version: 1, name: "common", sql: COMMON_SQLITE },
        Migration { version: 2, name: "accounts", sql: include_str!("../migrations/sqlite/0001_accounts.sql") },
    ],
    postgres: &[
        Migration { version: 1, name: "common", sql: COMMON_POSTGRES },
        Migration { version: 2, name: "accounts", sql: include_str!("../migrations/postgres/0001_accounts.sql") },
    ],
};

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
}

/// Auth's endpoints.
pub fn api(auth: Arc<Auth>) -> platform::http::openapi::Api {
    routes::api(auth)
}
