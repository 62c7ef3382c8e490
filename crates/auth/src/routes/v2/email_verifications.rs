//! `POST /api/v2/email-verifications`

use std::sync::Arc;

use api::v2::problem::Problem;
use api::v2::{self, JsonBody, Refusal};
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::Auth;
use crate::routes::InRequest;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EmailVerification {
    /// From the mail.
    token: String,
}

/// Verify an e-mail address with the token that was mailed to it
///
/// A pending address takes the place of the present one.
#[utoipa::path(post, path = "/api/v2/email-verifications", operation_id = "verify_email", tag = "accounts",
    request_body = EmailVerification, responses((status = 204, description = "Verified"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "Another account has the address by now")))]
pub(super) async fn handle(
    State(auth): State<Arc<Auth>>,
    InRequest(request_id): InRequest,
    JsonBody { value, .. }: JsonBody<EmailVerification>,
) -> Result<Response, Refusal> {
    auth.verify_email(&value.token, request_id).await?;
    Ok(v2::done())
}
