//! `PATCH /api/v2/me`

use std::sync::Arc;

use api::caller::V2User;
use api::conditional::IfMatch;
use api::openapi::IfMatchHeader;
use api::v2::problem::Problem;
use api::v2::{self, JsonBody, Refusal, sent};
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::{V2Account, cause};
use super::etag;
use crate::routes::Client;
use crate::service::invalid;
use crate::{Auth, Profile};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileChange {
    /// Not like another account's, as in a registration.
    #[serde(default, deserialize_with = "sent")]
    #[schema(nullable = false, min_length = 3, max_length = 50, pattern = "^[A-Za-z0-9_]+$", example = "ada_l")]
    username: Option<String>,
    /// Takes effect when it is confirmed; the present one is told by mail, and ends what is pending if it is sent.
    #[serde(default, deserialize_with = "sent")]
    #[schema(nullable = false, format = "email", max_length = 100)]
    email: Option<String>,
}

/// Change one's own name or address
///
/// Another address needs a log-in of the last ten minutes. It is pending until it is confirmed by the token that is mailed to it, and is
/// where one logs in and passwords are reset from then on. The answer is the same when another account has it: its owner is told by mail.
#[utoipa::path(patch, path = "/api/v2/me", operation_id = "update_me", tag = "me", security(("bearer" = [])),
    params(IfMatchHeader), request_body(content((ProfileChange = "application/merge-patch+json"), (ProfileChange = "application/json"))),
    responses((status = 200, body = V2Account, headers(("ETag" = String))),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "The username is taken"),
        (status = 429, body = Problem, content_type = "application/problem+json", headers(("Retry-After" = i64)),
            description = "Too many mails to others")))]
pub async fn handle(
    State(auth): State<Arc<Auth>>,
    caller: V2User,
    Client(used_by): Client,
    IfMatch(expected): IfMatch,
    JsonBody { value, .. }: JsonBody<ProfileChange>,
) -> Result<Response, Refusal> {
    let profile = Profile::new(value.username.as_deref(), value.email.as_deref()).map_err(invalid)?;
    let cause = cause(&caller);
    let account = auth.change_profile(&caller.principal, &expected, profile, used_by.address, &cause).await?;
    Ok(v2::private_with_etag(etag(&account), &V2Account::from(account)))
}
