//! `GET /api/v1/auth/me`

use std::sync::Arc;

use api::caller;
use api::v1::{Failure, Success};
use axum::extract::State;
use kernel::Error;
use kernel::error::Unauthenticated;
use serde::Serialize;
use utoipa::ToSchema;

use super::V1User;
use crate::{Accounts, Auth};

#[derive(Serialize, ToSchema)]
pub(super) struct MeData {
    user: V1User,
}

/// The caller's account
#[utoipa::path(get, path = "/api/v1/auth/me", operation_id = "v1_me", tag = "auth", security(("bearer" = [])),
    responses((status = 200, body = Success<MeData>)))]
pub(super) async fn handle(
    State(auth): State<Arc<Auth>>,
    caller::V1User(caller): caller::V1User,
) -> Result<Success<MeData>, Failure> {
    // Gone between the check of the token and now.
    let gone = Error::Unauthenticated(Unauthenticated::Ended);
    let account = auth.get(caller.account_id).await?.ok_or(gone)?;
    Ok(Success::data(MeData { user: account.into() }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::StatusCode;
    use kernel::{Expected, Role, Uuid};

    use super::super::testing::App;
    use crate::{Accounts, Administration, Audience, Cause};

    #[tokio::test]
    async fn a_token_dies_with_its_session_and_its_time() {
        let app = App::start().await;
        let ada = app.ada().await;
        let token = ada["token"].as_str().unwrap();
        let (status, body) = app.me(token).await;
        assert_eq!((status, &body["data"]["user"]), (StatusCode::OK, &ada["user"]));

        let ada = app.auth.authenticate(token, Audience::V1).await.unwrap().principal;
        app.auth.end_session(ada.account_id, ada.session_id, &Cause::SYSTEM).await.unwrap();
        let (status, body) = app.me(token).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(body["message"], "Invalid or inactive user token.");

        app.advance(Duration::from_secs(3_600));
        assert_eq!(app.me(token).await.1["message"], "Token has expired. Please login again.");
        assert_eq!(app.me("nonsense").await.1["message"], "Invalid token.");
    }

    #[tokio::test]
    async fn a_deactivation_holds_at_once_and_activation_revives_no_token() {
        let app = App::start().await;
        let ada = app.ada().await;
        let (token, id) = (ada["token"].as_str().unwrap(), ada["user"]["id"].as_str().unwrap());
        let id: Uuid = id.parse().unwrap();
        let set = |active| Administration { active: Some(active), role: None };
        let after = app.auth.administer(id, &Expected::Any, set(false), &Cause::SYSTEM).await.unwrap();
        assert_eq!(app.auth.get(id).await.unwrap(), Some(after));
        assert_eq!(app.me(token).await.1["message"], "Invalid or inactive user token.");
        app.auth.administer(id, &Expected::Any, set(true), &Cause::SYSTEM).await.unwrap();
        assert_eq!(app.me(token).await.0, StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn a_row_written_by_others_counts_too() {
        let app = App::start().await;
        let ada = app.ada().await;
        let token = ada["token"].as_str().unwrap();
        assert_eq!(app.me(token).await.0, StatusCode::OK);
        app.sql("pragma foreign_keys = on; delete from accounts");
        assert_eq!(app.me(token).await.0, StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn an_account_is_ensured_once() {
        let app = App::start().await;
        let ensure = || app.auth.ensure_account("root", "root@example.com", "Secret1", Role::Admin);
        let (first, made) = ensure().await.unwrap();
        assert!(made && first.role == Role::Admin);
        assert_eq!(ensure().await.unwrap(), (first, false));
        assert!(app.auth.create_admin("r", "x", "y").await.is_err());
        assert!(app.auth.create_admin("root", "other@example.com", "Secret1").await.is_err());
    }
}
