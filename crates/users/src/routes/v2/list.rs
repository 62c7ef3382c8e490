//! `GET /api/v2/users`

use std::sync::Arc;

use auth::Account;
use auth::routes::v2::{V2Account, V2AccountPage};
use axum::extract::{RawQuery, State};
use axum::response::Response;
use platform::http::caller::V2Admin;
use platform::http::v2::page::PageParameters;
use platform::http::v2::refusal::Problem;
use platform::http::v2::{self, Page, Position, Query, Refusal};

use crate::routes::Endpoints;

const SCOPE: &str = "users";

/// All accounts, newest first, for administrators
#[utoipa::path(get, path = "/api/v2/users", operation_id = "list_users", tag = "users", security(("bearer" = [])),
    params(PageParameters), responses((status = 200, body = V2AccountPage),
        (status = 403, body = Problem, content_type = "application/problem+json")))]
pub async fn handle(
    State(endpoints): State<Arc<Endpoints>>,
    V2Admin(_): V2Admin,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let mut query = Query::read(query.as_deref(), &["limit", "cursor"]);
    let (limit, after) = (query.limit(), query.cursor(SCOPE, Position::time));
    query.finish()?;
    let found = endpoints.accounts.list(after, limit as i64 + 1).await?;
    let position = |account: &Account| Position::at(account.created_at, account.id);
    Ok(v2::private(&Page::of(found, limit, SCOPE, position, V2Account::from)))
}
