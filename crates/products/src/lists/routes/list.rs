//! `GET /api/v2/products`: active products; others for administrators.

use std::sync::Arc;

use api::caller::V2Caller;
use api::openapi::NotTheirs;
use api::v2::Refusal;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use kernel::Error;
use kernel::error::{Needed, Unauthenticated};

use super::list_query::{self, Asked, HiddenParameter, ListParameters, OwnerParameter};
use crate::lists::Lists;

/// Active products; for administrators, with `status`, also others
#[utoipa::path(get, path = "/api/v2/products", operation_id = "list_products", tag = "products",
    security((), ("bearer" = [])), params(ListParameters, OwnerParameter, HiddenParameter),
    responses((status = 200, body = list_query::V2ProductPage), NotTheirs))]
pub async fn handle(
    State(lists): State<Arc<Lists>>,
    // The public list is the same for everyone, but a token that is sent must be good.
    V2Caller(caller): V2Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let asked = Asked::public(query.as_deref(), lists.products.currency())?;
    if asked.is_public() {
        return list_query::public(&lists, asked).await;
    }
    let caller = caller.ok_or(Error::Unauthenticated(Unauthenticated::Missing))?;
    if !caller.is_admin() {
        return Err(Error::Forbidden(Needed::Admin).into());
    }
    list_query::managed(&lists, asked).await
}
