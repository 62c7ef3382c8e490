//! `GET /api/v1/users?page&limit`: all accounts, newest first, for administrators.

use std::sync::Arc;

use auth::routes::v1::user::V1User;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use platform::http::caller::V1Admin;
use platform::http::query::pairs;
use platform::http::v1::{Failure, Success};
use platform::http::v1_page::{self, Pagination};
use serde::Serialize;

use crate::routes::Endpoints;

#[derive(Serialize)]
struct Data {
    users: Vec<V1User>,
    pagination: Pagination,
}

pub async fn handle(
    State(endpoints): State<Arc<Endpoints>>,
    V1Admin(_): V1Admin,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let page = v1_page::parse(&pairs(query.as_deref())).map_err(Failure::validation)?;
    let (accounts, total) = endpoints.accounts.page(page.offset().unsigned_abs(), page.limit.unsigned_abs()).await?;
    let users = accounts.into_iter().map(V1User::from).collect();
    Ok(Success::data(Data { users, pagination: page.of(total.cast_signed()) }).into_response())
}
