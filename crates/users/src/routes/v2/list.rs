//! `GET /api/v2/users`

use std::sync::Arc;

use api::caller::V2Admin;
use api::v2::page::PageParameters;
use api::v2::problem::Problem;
use api::v2::{self, Page, Position, Query, Refusal};
use auth::routes::v2::{V2Account, V2AccountPage};
use auth::{AccountFilter, Place};
use axum::extract::{RawQuery, State};
use axum::response::Response;
use kernel::Role;
use utoipa::IntoParams;

use crate::routes::Endpoints;

/// Characters of a text to search for.
const MAX_TEXT: usize = 100;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described")]
pub struct UserFilter {
    /// Only accounts whose username or e-mail address contains this, in capitals or not.
    #[param(min_length = 1, max_length = 100)]
    q: Option<String>,
    /// Only accounts with this role.
    #[param(inline)]
    role: Option<Role>,
    /// Only accounts that are active, or are not.
    active: Option<bool>,
}

/// All accounts, newest first, for administrators
///
/// A page may have fewer than `limit`: only a `next_cursor` of null is the end.
#[utoipa::path(get, path = "/api/v2/users", operation_id = "list_users", tag = "users", security(("bearer" = [])),
    params(UserFilter, PageParameters), responses((status = 200, body = V2AccountPage),
        (status = 403, body = Problem, content_type = "application/problem+json")))]
pub async fn handle(
    State(endpoints): State<Arc<Endpoints>>,
    V2Admin(_): V2Admin,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let mut query = Query::read(query.as_deref(), &["q", "role", "active", "limit", "cursor"]);
    let searched = |text: &str| (1..=MAX_TEXT).contains(&text.chars().count()).then(|| text.to_owned());
    let filter = AccountFilter {
        text: query.parsed("q", "a text of 1 to 100 characters", searched),
        role: query.parsed("role", "user or admin", Role::parse),
        active: query.boolean("active"),
    };
    let scope = format!("users {filter:?}");
    let (limit, after) = (query.limit(), query.cursor(&scope, Position::time));
    query.finish()?;
    let (found, next) = endpoints.accounts.list(&filter, after, limit).await?;
    let cursor = |(time, id): Place| Position::at(time, id).to_cursor(&scope);
    let items = found.into_iter().map(V2Account::from).collect();
    Ok(v2::private(&Page { items, next_cursor: next.map(cursor), count: None }))
}
