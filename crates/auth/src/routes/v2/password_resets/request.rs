//! `POST /api/v2/password-resets`

use std::sync::Arc;

use api::v2::problem::Problem;
use api::v2::{self, JsonBody, Refusal};
use axum::extract::State;
use axum::response::Response;
use kernel::{Actor, Error};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::model::EMAIL;
use crate::routes::{Client, InRequest};
use crate::{Auth, Cause, Profile};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordReset {
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
pub async fn handle(
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
    Ok(v2::accepted())
}
