//! `POST /api/v2/accounts`

use std::sync::Arc;

use api::v2::problem::Problem;
use api::v2::{self, JsonBody, Refusal};
use axum::extract::State;
use axum::response::Response;
use kernel::Actor;
use serde::Deserialize;
use utoipa::ToSchema;

use super::V2Account;
use crate::routes::{Client, InRequest};
use crate::service::invalid;
use crate::{Auth, Cause, Registration};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAccount {
    /// Letters, digits and underscores. Not like another one: neither case tells names apart, nor do `i`, `l` and `1`, or `o` and `0`.
    #[schema(min_length = 3, max_length = 50, pattern = "^[A-Za-z0-9_]+$", example = "ada")]
    username: String,
    #[schema(format = "email", max_length = 100, example = "ada@example.com")]
    email: String,
    /// Any characters but controls and others that nobody sees; not one of those that everybody tries first. Compared in one form
    /// (RFC 8265), so that it does not matter which keyboard composes an é.
    #[schema(format = Password, min_length = 8, max_length = 128, example = "correct horse battery staple")]
    password: String,
}

/// Make an account
///
/// The answer is the same when the address has an account already: its owner is told by mail.
#[utoipa::path(post, path = "/api/v2/accounts", operation_id = "create_account", tag = "accounts",
    request_body = NewAccount, responses(
        (status = 201, body = V2Account, headers(("Location" = String))),
        (status = 409, body = Problem, description = "The username, or one that looks like it, is taken", content_type = "application/problem+json")))]
pub(super) async fn handle(
    State(auth): State<Arc<Auth>>,
    Client(used_by): Client,
    InRequest(request_id): InRequest,
    JsonBody { value, .. }: JsonBody<NewAccount>,
) -> Result<Response, Refusal> {
    let registration = Registration::v2(&value.username, &value.email, &value.password).map_err(invalid)?;
    // Nobody is logged in yet: the server acts for the newcomer.
    let cause = Cause { actor: Actor::System, request_id };
    let account = auth.create_account_v2(&registration, used_by.address, &cause).await?;
    Ok(v2::created("/api/v2/me", v2::bytes(&V2Account::from(account))))
}
