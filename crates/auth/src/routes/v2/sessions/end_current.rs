//! `DELETE /api/v2/sessions/current`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use platform::http::caller::V2User;
use platform::http::v2::{self, Refusal};

use crate::Auth;

/// End this session
#[utoipa::path(delete, path = "/api/v2/sessions/current", operation_id = "log_out", tag = "sessions",
    security(("bearer" = [])), responses((status = 204, description = "Its tokens are dead from now on")))]
pub async fn handle(State(auth): State<Arc<Auth>>, caller: V2User) -> Result<Response, Refusal> {
    auth.log_out(caller.principal.session_id).await?;
    Ok(v2::done())
}
