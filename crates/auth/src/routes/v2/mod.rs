//! Accounts, sessions and one's own profile, as API v2 shows them.

mod accounts;
mod email_verifications;
mod me;
mod password_resets;
mod sessions;

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use kernel::{Actor, Role, Timestamp, Uuid};
use platform::http::caller::V2User;
use platform::http::v2::Page;
use platform::http::{ClientAddress, RequestId};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use me::etag;
pub use sessions::{V2Session, V2SessionPage};

use crate::{Account, Auth, Cause, UsedBy};

/// Characters that are kept of how a device names itself.
const MAX_DEVICE: usize = 200;

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
        .routes(routes!(password_resets::request))
        .routes(routes!(password_resets::confirm))
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
            role: account.role,
            active: account.active,
            version: account.version,
            created_at: account.created_at,
            updated_at: account.updated_at,
        }
    }
}

/// Who uses a session, as the request tells.
struct Client(UsedBy);

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let device = agent.map(|agent| agent.chars().take(MAX_DEVICE).collect());
        let address = parts.extensions.get().map(|ClientAddress(address)| *address);
        Ok(Client(UsedBy { device, address }))
    }
}

/// What an account's owner causes.
fn cause(caller: &V2User) -> Cause {
    Cause { actor: Actor::Account(caller.principal.account_id), request_id: caller.request_id() }
}

/// The request's id, where nobody is logged in.
struct InRequest(Option<String>);

impl<S: Sync> FromRequestParts<S> for InRequest {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(InRequest(RequestId::of(parts).map(str::to_owned)))
    }
}
