//! `GET /api/v1/users?page&limit`: all accounts, newest first, for administrators.

use std::sync::Arc;

use api::caller::V1Admin;
use api::query::pairs;
use api::v1::page::{self, PageParameters, Pagination};
use api::v1::{Failure, FailureBody, Success};
use auth::routes::v1::user::V1User;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::routes::Endpoints;

#[derive(Serialize, ToSchema)]
#[schema(as = UserPage)]
struct Data {
    users: Vec<V1User>,
    pagination: Pagination,
}

/// All accounts, newest first, for administrators
#[utoipa::path(get, path = "/api/v1/users", operation_id = "v1_users", tag = "users",
    security(("bearer" = [])), params(PageParameters),
    responses((status = 200, body = Success<Data>), (status = 403, body = FailureBody)))]
pub async fn handle(
    State(endpoints): State<Arc<Endpoints>>,
    V1Admin(_): V1Admin,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let page = page::parse(&pairs(query.as_deref())).map_err(Failure::validation)?;
    let (accounts, total) = endpoints.accounts.page(page.offset().unsigned_abs(), page.limit.unsigned_abs()).await?;
    let users = accounts.into_iter().map(V1User::from).collect();
    Ok(Success::data(Data { users, pagination: page.of(total.cast_signed()) }).into_response())
}
