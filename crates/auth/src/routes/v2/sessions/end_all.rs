//! `DELETE /api/v2/sessions`

use std::sync::Arc;

use api::caller::V2User;
use api::v2::{self, Refusal};
use axum::extract::State;
use axum::response::Response;

use super::super::cause;
use crate::Auth;

/// End all of the caller's sessions, this one too
#[utoipa::path(delete, path = "/api/v2/sessions", operation_id = "log_out_everywhere", tag = "sessions",
    security(("bearer" = [])), responses((status = 204, description = "Its tokens are dead from now on")))]
pub async fn handle(State(auth): State<Arc<Auth>>, caller: V2User) -> Result<Response, Refusal> {
    auth.log_out_everywhere(caller.principal.account_id, &cause(&caller)).await?;
    Ok(v2::done())
}
