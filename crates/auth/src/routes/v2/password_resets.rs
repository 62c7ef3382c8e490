//! `POST /api/v2/password-resets` and `/api/v2/password-resets/confirm`

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Actor, Error};
use platform::http::v2::refusal::Problem;
use platform::http::v2::{self, JsonBody, Refusal};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::model::EMAIL;
use crate::routes::{Client, InRequest};
use crate::{Auth, Cause, Profile};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordReset {
    #[schema(format = "email", max_length = 100, example = "ada@example.com")]
    email: String,
}

/// Have a token mailed that allows to choose another password
///
/// The answer is the same whether an account has the address or not.
#[utoipa::path(post, path = "/api/v2/password-resets", operation_id = "request_password_reset", tag = "accounts",
    request_body = PasswordReset, responses(
        (status = 202, description = "Mailed, if an account has the address"),
        (status = 429, body = Problem, content_type = "application/problem+json", headers(("Retry-After" = i64)))))]
pub(super) async fn request(
    State(auth): State<Arc<Auth>>,
    InRequest(request_id): InRequest,
    Client(used_by): Client,
    JsonBody { value, .. }: JsonBody<PasswordReset>,
) -> Result<Response, Refusal> {
    if Profile::new(None, Some(&value.email)).is_err() {
        return Err(Error::Invalid(vec![(&EMAIL).into()]).into());
    }
    let cause = Cause { actor: Actor::System, request_id };
    auth.request_reset(&value.email, used_by.address, &cause).await?;
    let mut response = v2::done();
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordResetConfirmation {
    /// From the mail.
    token: String,
    #[schema(format = Password, min_length = 8, max_length = 128, example = "correct horse battery staple")]
    password: String,
}

/// Choose another password with a mailed token; all sessions end
#[utoipa::path(post, path = "/api/v2/password-resets/confirm", operation_id = "reset_password", tag = "accounts",
    request_body = PasswordResetConfirmation, responses((status = 204, description = "The new password holds")))]
pub(super) async fn confirm(
    State(auth): State<Arc<Auth>>,
    InRequest(request_id): InRequest,
    JsonBody { value, .. }: JsonBody<PasswordResetConfirmation>,
) -> Result<Response, Refusal> {
    auth.reset_password(&value.token, &value.password, request_id).await?;
    Ok(v2::done())
}
