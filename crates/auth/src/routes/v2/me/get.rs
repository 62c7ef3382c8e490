//! `GET /api/v2/me`

use std::sync::Arc;

use api::caller::V2User;
use api::v2::{self, Refusal};
use axum::extract::State;
use axum::response::Response;
use kernel::Error;
use kernel::error::Unauthenticated;

use super::super::V2Account;
use super::etag;
use crate::{Accounts, Auth};

/// The caller's account
#[utoipa::path(get, path = "/api/v2/me", operation_id = "get_me", tag = "me", security(("bearer" = [])),
    responses((status = 200, body = V2Account, headers(("ETag" = String, description = "Its version, for If-Match")))))]
pub async fn handle(State(auth): State<Arc<Auth>>, caller: V2User) -> Result<Response, Refusal> {
    // Gone between the check of the token and now.
    let gone = Error::Unauthenticated(Unauthenticated::Ended);
    let account = auth.get(caller.principal.account_id).await?.ok_or(gone)?;
    Ok(v2::private_with_etag(etag(&account), &V2Account::from(account)))
}
