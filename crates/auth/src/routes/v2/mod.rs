//! Accounts, sessions and one's own profile, as API v2 shows them.

mod accounts;
mod email_verifications;
mod me;
mod password_resets;
mod sessions;

use std::sync::Arc;

use api::caller::V2User;
use api::v2::Page;
use kernel::{Role, Timestamp, Uuid};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use me::etag;
pub use sessions::{V2Session, V2SessionPage};

use crate::{Account, Auth, Cause};

pub(super) fn router() -> OpenApiRouter<Arc<Auth>> {
    OpenApiRouter::new()
        .routes(routes!(accounts::handle))
        .routes(routes!(sessions::open::handle, sessions::list::handle, sessions::end_all::handle))
        .routes(routes!(sessions::end_current::handle))
        .routes(routes!(sessions::end::handle))
        .routes(routes!(sessions::refresh::handle))
        .routes(routes!(me::get::handle, me::patch::handle))
        .routes(routes!(me::password::handle))
        .routes(routes!(me::email_verification::handle))
        .routes(routes!(email_verifications::handle))
        .routes(routes!(password_resets::request::handle))
        .routes(routes!(password_resets::confirm::handle))
}

/// An account, as its owner and administrators see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub struct V2Account {
    id: Uuid,
    username: String,
    email: String,
    /// Whether the address proved to be theirs.
    email_verified: bool,
    /// The address that takes its place once it is confirmed by the token that is mailed to it.
    #[schema(format = "email")]
    pending_email: Option<String>,
    role: Role,
    active: bool,
    version: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

pub type V2AccountPage = Page<V2Account>;

impl From<Account> for V2Account {
    fn from(account: Account) -> Self {
        Self {
            id: account.id,
            username: account.username,
            email: account.email,
            email_verified: account.email_verified_at.is_some(),
            pending_email: account.pending_email,
            role: account.role,
            active: account.active,
            version: account.version,
            created_at: account.created_at,
            updated_at: account.updated_at,
        }
    }
}

/// What an account's owner causes.
fn cause(caller: &V2User) -> Cause {
    Cause::of(caller.principal.account_id, caller.request_id())
}
