//! `POST /api/v1/auth/login`

use std::sync::Arc;

use api::v1::{Failure, FailureBody, Fields, Success};
use axum::extract::State;
use utoipa::ToSchema;

use super::{UserAndToken, text, validation_failure};
use crate::routes::{Client, InRequest};
use crate::{Auth, Credentials};

/// Who logs in.
#[derive(ToSchema)]
#[schema(as = LogIn)]
#[expect(dead_code, reason = "only described")]
pub(super) struct LogInBody {
    #[schema(example = "ada@example.com")]
    email: String,
    #[schema(example = "Secret1")]
    password: String,
}

/// Log in: a token for seven days
#[utoipa::path(post, path = "/api/v1/auth/login", operation_id = "v1_log_in", tag = "auth", request_body = LogInBody,
    responses((status = 200, body = Success<UserAndToken>), (status = 401, body = FailureBody), (status = 429, body = FailureBody)))]
pub(super) async fn handle(
    State(auth): State<Arc<Auth>>,
    Client(used_by): Client,
    InRequest(request_id): InRequest,
    Fields { fields, .. }: Fields,
) -> Result<Success<impl serde::Serialize>, Failure> {
    let (email, password) = (text(&fields, "email"), text(&fields, "password"));
    let credentials = Credentials::new(email.as_deref(), password.as_deref())
        .map_err(|broken| validation_failure(&fields, broken))?;
    let logged_in = auth.log_in(&credentials, used_by, request_id).await?;
    let data = UserAndToken { user: logged_in.account.into(), token: logged_in.token };
    Ok(Success::said("Login successful", data))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::json;

    use super::super::testing::App;

    const PATH: &str = "/api/v1/auth/login";

    #[tokio::test]
    async fn the_right_password_opens_a_session() {
        let app = App::start().await;
        let registered = app.ada().await;
        let (status, body) = app.post(PATH, json!({"email": "ada@example.com", "password": "Secret1"})).await;
        assert_eq!((status, &body["message"]), (StatusCode::OK, &json!("Login successful")));
        assert_eq!(body["data"]["user"], registered["user"]);
        assert_ne!(body["data"]["token"], registered["token"]);
    }

    #[tokio::test]
    async fn wrong_credentials_are_told_alike() {
        let app = App::start().await;
        app.ada().await;
        for (email, password) in [("ada@example.com", "Secret2"), ("nobody@example.com", "Secret1")] {
            let (status, body) = app.post(PATH, json!({"email": email, "password": password})).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED);
            assert_eq!(body, json!({"success": false, "message": "Invalid email or password"}));
        }
        let (status, body) = app.post(PATH, json!({"email": "", "password": null})).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(body["errors"][0]["msg"], "Please provide a valid email address");
        assert_eq!(body["errors"][1]["msg"], "Password is required");
    }

    #[tokio::test]
    async fn a_deactivated_account_is_told_only_to_who_knows_the_password() {
        let app = App::start().await;
        app.ada().await;
        app.sql("update accounts set active = 0");
        let (status, body) = app.post(PATH, json!({"email": "ada@example.com", "password": "Secret1"})).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(body["message"], "Account is deactivated. Please contact administrator.");
        let (_, body) = app.post(PATH, json!({"email": "ada@example.com", "password": "Secret2"})).await;
        assert_eq!(body["message"], "Invalid email or password");
    }

    #[tokio::test]
    async fn an_imported_password_logs_in_and_is_hashed_anew() {
        let app = App::start().await;
        app.ada().await;
        let imported = bcrypt::hash("Imported1", 4).unwrap();
        app.sql(&format!("update accounts set password_hash = '{imported}'"));
        for _ in 0..2 {
            let (status, _) = app.post(PATH, json!({"email": "ada@example.com", "password": "Imported1"})).await;
            assert_eq!(status, StatusCode::OK);
            app.sql("create table if not exists must_be_argon2 (hash text check (hash like '$argon2id$%'))");
            app.sql("insert into must_be_argon2 select password_hash from accounts");
        }
    }
}
