//! `DELETE /api/v2/sessions/current`

use std::sync::Arc;

use api::caller::V2User;
use api::v2::{self, Refusal};
use axum::extract::State;
use axum::response::Response;
use kernel::{Error, Principal};

use super::super::cause;
use crate::Auth;

/// End this session
#[utoipa::path(delete, path = "/api/v2/sessions/current", operation_id = "log_out", tag = "sessions",
    security(("bearer" = [])), responses((status = 204, description = "Its tokens are dead from now on")))]
pub async fn handle(State(auth): State<Arc<Auth>>, caller: V2User) -> Result<Response, Refusal> {
    let Principal { account_id, session_id, .. } = caller.principal;
    match auth.end_session(account_id, session_id, &cause(&caller)).await {
        // Ended meanwhile is what was asked for.
        Ok(()) | Err(Error::NotFound) => Ok(v2::done()),
        Err(error) => Err(error.into()),
    }
}
