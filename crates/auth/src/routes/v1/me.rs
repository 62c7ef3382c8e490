//! `GET /api/v1/auth/me`

use std::sync::Arc;

use axum::extract::State;
use kernel::Error;
use kernel::error::Unauthenticated;
use platform::http::caller;
use platform::http::v1::{Failure, Success};
use serde::Serialize;

use super::V1User;
use crate::{Accounts, Auth};

#[derive(Serialize)]
pub(super) struct Data {
    user: V1User,
}

pub(super) async fn handle(
    State(auth): State<Arc<Auth>>,
    caller::V1User(caller): caller::V1User,
) -> Result<Success<Data>, Failure> {
    // Gone between the check of the token and now.
    let gone = Error::Unauthenticated(Unauthenticated::Ended);
    let account = auth.get(caller.account_id).await?.ok_or(gone)?;
    Ok(Success::data(Data { user: account.into() }))
}
