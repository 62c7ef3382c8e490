//! `POST /api/v1/auth/register`

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::Actor;
use platform::http::RequestId;
use platform::http::v1::{Failure, Fields, Success, Words, json};

use super::{UserAndToken, text, validation_failure};
use crate::{Auth, Cause, Registration};

const WORDS: Words = Words {
    conflict: Some("User with this email or username already exists"),
    ..Words::NONE
};

pub(super) async fn handle(
    State(auth): State<Arc<Auth>>,
    request_id: Option<Extension<RequestId>>,
    Fields { fields, .. }: Fields,
) -> Result<Response, Failure> {
    let field = |name| text(&fields, name);
    let (username, email, password) = (field("username"), field("email"), field("password"));
    let registration = Registration::new(username.as_deref(), email.as_deref(), password.as_deref())
        .map_err(|broken| validation_failure(&fields, broken))?;
    let cause = Cause {
        // Nobody is logged in yet: the server acts for the newcomer.
        actor: Actor::System,
        request_id: request_id.map(|Extension(id)| id.0),
    };
    let registered = auth.register(&registration, &cause).await;
    let registered = registered.map_err(|error| WORDS.failure(error))?;
    let data = UserAndToken {
        user: registered.account.into(),
        token: registered.token,
    };
    let body = Success::said("User registered successfully", data).to_bytes();
    Ok(json(StatusCode::CREATED, body))
}
