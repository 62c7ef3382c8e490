//! `POST /api/v2/password-resets/confirm`

use std::sync::Arc;

use api::v2::{self, JsonBody, Refusal};
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::Auth;
use crate::routes::InRequest;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordResetConfirmation {
    /// From the mail.
    token: String,
    #[schema(format = Password, min_length = 8, max_length = 128, example = "correct horse battery staple")]
    password: String,
}

/// Choose another password with a mailed token; all sessions end
#[utoipa::path(post, path = "/api/v2/password-resets/confirm", operation_id = "reset_password", tag = "accounts",
    request_body = PasswordResetConfirmation, responses((status = 204, description = "The new password holds")))]
pub async fn handle(
    State(auth): State<Arc<Auth>>,
    InRequest(request_id): InRequest,
    JsonBody { value, .. }: JsonBody<PasswordResetConfirmation>,
) -> Result<Response, Refusal> {
    auth.reset_password(&value.token, &value.password, request_id).await?;
    Ok(v2::done())
}
