//! `GET /api/v1/users/:id`: one account with its products, for administrators.

use std::sync::Arc;

use api::caller::V1Admin;
use api::openapi::IdInPath;
use api::path::PathId;
use api::v1::{Failure, FailureBody, Success, Words};
use auth::routes::v1::user::V1User;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use kernel::Error;
use products::ProductSummary;
use serde::Serialize;
use utoipa::ToSchema;

use crate::routes::Endpoints;

const WORDS: Words = Words { not_found: "User not found", ..Words::NONE };
/// v1 has no pages here. A seller with more has outgrown v1.
const MAX_PRODUCTS: i64 = 10_000;

#[derive(Serialize, ToSchema)]
#[schema(as = UserData)]
struct Data {
    user: UserWithProducts,
}

#[derive(Serialize, ToSchema)]
struct UserWithProducts {
    #[serde(flatten)]
    user: V1User,
    products: Vec<ProductSummary>,
}

/// An account with its products, for administrators
#[utoipa::path(get, path = "/api/v1/users/{id}", operation_id = "v1_user", tag = "users",
    security(("bearer" = [])), params(IdInPath),
    responses((status = 200, body = Success<Data>), (status = 403, body = FailureBody)))]
pub async fn handle(
    State(endpoints): State<Arc<Endpoints>>,
    V1Admin(_): V1Admin,
    PathId(id): PathId,
) -> Result<Response, Failure> {
    let respond = async {
        let id = id.ok_or(Error::NotFound)?;
        let account = endpoints.accounts.get(id).await?.ok_or(Error::NotFound)?;
        let products = endpoints.products.summaries(id, MAX_PRODUCTS).await?;
        let user = UserWithProducts { user: V1User::from(account), products };
        Ok::<_, Error>(Success::data(Data { user }).into_response())
    };
    respond.await.map_err(|error| WORDS.failure(error))
}
