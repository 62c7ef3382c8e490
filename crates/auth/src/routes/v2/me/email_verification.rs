//! `POST /api/v2/me/email-verification`

use std::sync::Arc;

use api::caller::V2User;
use api::v2::problem::Problem;
use api::v2::{self, Refusal};
use axum::extract::State;
use axum::response::Response;

use super::super::cause;
use crate::Auth;
use crate::routes::Client;

/// Have another token mailed that verifies one's address, or the pending one
#[utoipa::path(post, path = "/api/v2/me/email-verification", operation_id = "request_email_verification", tag = "me",
    security(("bearer" = [])), responses((status = 202, description = "Mailed"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "It is verified, and none is pending"),
        (status = 429, body = Problem, content_type = "application/problem+json", headers(("Retry-After" = i64)))))]
pub async fn handle(
    State(auth): State<Arc<Auth>>,
    caller: V2User,
    Client(used_by): Client,
) -> Result<Response, Refusal> {
    auth.request_verification(caller.principal.account_id, used_by.address, &cause(&caller)).await?;
    Ok(v2::accepted())
}
