//! `GET /api/v2/users/{id}/products`: an account's products of every status, for administrators.

use std::sync::Arc;

use api::caller::V2Admin;
use api::openapi::IdInPath;
use api::path::ResourceId;
use api::v2::Refusal;
use api::v2::problem::Problem;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use kernel::Error;

use super::SellerNames;
use crate::lists::routes::list_query::{self, Asked, ListParameters, StatusParameter};

/// An account's products, drafts too, with their stock, for administrators
#[utoipa::path(get, path = "/api/v2/users/{id}/products", operation_id = "list_user_products", tag = "users",
    security(("bearer" = [])), params(IdInPath, ListParameters, StatusParameter),
    responses((status = 200, body = list_query::V2ProductPage),
        (status = 403, body = Problem, content_type = "application/problem+json")))]
pub async fn handle(
    State(sellers): State<Arc<SellerNames>>,
    V2Admin(_): V2Admin,
    ResourceId(id): ResourceId,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    sellers.accounts.get(id).await?.ok_or(Error::NotFound)?;
    list_query::managed(&sellers.lists, Asked::own(query.as_deref(), id, sellers.lists.products.currency())?).await
}
