//! `PUT /api/v2/me/password`

use std::sync::Arc;

use api::caller::V2User;
use api::v2::problem::Problem;
use api::v2::{self, JsonBody, Refusal};
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::cause;
use crate::Auth;
use crate::routes::Client;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    #[schema(format = Password, example = "correct horse battery staple")]
    current_password: String,
    #[schema(format = Password, min_length = 8, max_length = 128, example = "incorrect zebra capacitor pin")]
    new_password: String,
}

/// Choose another password; all other sessions end
#[utoipa::path(put, path = "/api/v2/me/password", operation_id = "change_password", tag = "me", security(("bearer" = [])),
    request_body = PasswordChange, responses((status = 204, description = "The new password holds"),
        (status = 429, body = Problem, content_type = "application/problem+json", headers(("Retry-After" = i64)))))]
pub async fn handle(
    State(auth): State<Arc<Auth>>,
    caller: V2User,
    Client(used_by): Client,
    JsonBody { value, .. }: JsonBody<PasswordChange>,
) -> Result<Response, Refusal> {
    let me = (caller.principal.account_id, caller.principal.session_id);
    let (present, new) = (&value.current_password, &value.new_password);
    auth.change_password(me, used_by.address, present, new, &cause(&caller)).await?;
    Ok(v2::done())
}
