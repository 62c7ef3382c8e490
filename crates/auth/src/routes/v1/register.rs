//! `POST /api/v1/auth/register`

use std::sync::Arc;

use api::v1::{Failure, FailureBody, Fields, Success, Words, json};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::Actor;
use utoipa::ToSchema;

use super::{UserAndToken, text, validation_failure};
use crate::routes::{Client, InRequest};
use crate::{Auth, Cause, Registration};

const WORDS: Words = Words { conflict: Some("User with this email or username already exists"), ..Words::NONE };

/// A new account.
#[derive(ToSchema)]
#[schema(as = Registration)]
#[expect(dead_code, reason = "only described")]
pub(super) struct RegisterBody {
    /// Letters, digits and underscores.
    #[schema(min_length = 3, max_length = 50, pattern = "^[A-Za-z0-9_]+$", example = "ada")]
    username: String,
    #[schema(max_length = 100, example = "ada@example.com")]
    email: String,
    /// With an upper-case letter, a lower-case letter and a digit.
    #[schema(min_length = 6, example = "Secret1")]
    password: String,
}

/// Make an account, and log in
#[utoipa::path(post, path = "/api/v1/auth/register", operation_id = "v1_register", tag = "auth", request_body = RegisterBody,
    responses((status = 201, body = Success<UserAndToken>), (status = 409, body = FailureBody)))]
pub(super) async fn handle(
    State(auth): State<Arc<Auth>>,
    Client(used_by): Client,
    InRequest(request_id): InRequest,
    Fields { fields, .. }: Fields,
) -> Result<Response, Failure> {
    let field = |name| text(&fields, name);
    let (username, email, password) = (field("username"), field("email"), field("password"));
    let registration = Registration::new(username.as_deref(), email.as_deref(), password.as_deref())
        .map_err(|broken| validation_failure(&fields, broken))?;
    // Nobody is logged in yet: the server acts for the newcomer.
    let cause = Cause { actor: Actor::System, request_id };
    let registered = auth.register(&registration, used_by, &cause).await;
    let registered = registered.map_err(|error| WORDS.failure(error))?;
    let data = UserAndToken { user: registered.account.into(), token: registered.token };
    let body = Success::said("User registered successfully", data).to_bytes();
    Ok(json(StatusCode::CREATED, body))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::json;

    use super::super::testing::App;

    const PATH: &str = "/api/v1/auth/register";

    #[tokio::test]
    async fn a_newcomer_gets_an_account_and_a_token() {
        let app = App::start().await;
        let body = json!({"username": " ada ", "email": " Ada@Example.com ", "password": "Secret1", "role": "admin"});
        let (status, body) = app.post(PATH, body).await;
        assert_eq!(status, StatusCode::CREATED);
        assert_eq!((&body["success"], &body["message"]), (&json!(true), &json!("User registered successfully")));
        let user = &body["data"]["user"];
        let expected = json!({
            "id": user["id"],
            "username": "ada",
            "email": "Ada@Example.com",
            "role": "user",
            "isActive": true,
            "createdAt": "2025-11-23T01:11:06.898Z",
            "updatedAt": "2025-11-23T01:11:06.898Z",
        });
        assert_eq!(*user, expected);
        assert_eq!(app.me(body["data"]["token"].as_str().unwrap()).await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn a_taken_name_or_address_is_a_conflict() {
        let app = App::start().await;
        app.ada().await;
        for (username, email) in [("ada", "new@example.com"), ("new", "ADA@example.com")] {
            let body = json!({"username": username, "email": email, "password": "Secret1"});
            let (status, body) = app.post(PATH, body).await;
            assert_eq!(status, StatusCode::CONFLICT);
            assert_eq!(body, json!({"success": false, "message": "User with this email or username already exists"}));
        }
    }

    #[tokio::test]
    async fn every_broken_rule_is_reported_with_the_value_as_sent() {
        let app = App::start().await;
        let (status, body) = app.post(PATH, json!({"username": [], "email": " x ", "password": 12})).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(body["message"], "Validation failed");
        let told: Vec<_> = body["errors"].as_array().unwrap().iter().map(|e| (&e["path"], &e["value"])).collect();
        let (username, email, password) = (json!("username"), json!("email"), json!("password"));
        let (list, text, number) = (json!([]), json!(" x "), json!(12));
        let expected =
            [(&username, &list), (&username, &list), (&email, &text), (&password, &number), (&password, &number)];
        assert_eq!(told, expected);

        let (_, body) = app.post(PATH, json!({"username": 123, "email": "a@b.co"})).await;
        let first = json!({
            "type": "field",
            "msg": "Password must be at least 6 characters long",
            "path": "password",
            "location": "body",
        });
        assert_eq!(body["errors"].as_array().unwrap().len(), 2);
        assert_eq!(body["errors"][0], first);
    }
}
