//! `POST /api/v2/sessions/refresh`

use std::sync::Arc;

use api::v2::problem::Problem;
use api::v2::{JsonBody, Refusal};
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{V2Tokens, answer};
use crate::Auth;
use crate::routes::{Client, InRequest};

#[derive(Deserialize, ToSchema)]
#[schema(as = RefreshToken)]
#[serde(deny_unknown_fields)]
pub struct Body {
    refresh_token: String,
}

/// Exchange a refresh token for the next one
///
/// A client that lost the answer repeats the request within ten seconds and gets the same successor. Later, the same token
/// ends the session: somebody else has it.
#[utoipa::path(post, path = "/api/v2/sessions/refresh", operation_id = "refresh_session", tag = "sessions",
    request_body = Body, responses((status = 201, body = V2Tokens),
        (status = 401, body = Problem, content_type = "application/problem+json", headers(("WWW-Authenticate" = String)),
            description = "None of ours, replayed, or its session has ended")))]
pub async fn handle(
    State(auth): State<Arc<Auth>>,
    Client(used_by): Client,
    InRequest(request_id): InRequest,
    JsonBody { value, .. }: JsonBody<Body>,
) -> Result<Response, Refusal> {
    Ok(answer(auth.refresh(&value.refresh_token, used_by, request_id).await?))
}
