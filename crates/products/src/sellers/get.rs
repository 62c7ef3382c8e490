//! `GET /api/v2/sellers/{id}`

use std::sync::Arc;

use api::caller::V2Caller;
use api::conditional::etag;
use api::openapi::{IdInPath, IfNoneMatchHeader};
use api::path::ResourceId;
use api::v2::{self, Refusal};
use axum::extract::{Request, State};
use axum::response::Response;
use kernel::Error;
use stock::routes::Seller;

use super::SellerNames;

/// Who sells something: accounts with an active product
#[utoipa::path(get, path = "/api/v2/sellers/{id}", operation_id = "get_seller", tag = "products",
    security((), ("bearer" = [])), params(IdInPath, IfNoneMatchHeader),
    responses((status = 200, body = Seller, headers(("ETag" = String, description = "For If-None-Match"))),
        (status = 304, description = "The client has it")))]
pub async fn handle(
    State(sellers): State<Arc<SellerNames>>,
    V2Caller(_): V2Caller,
    ResourceId(id): ResourceId,
    request: Request,
) -> Result<Response, Refusal> {
    // Nobody learns the names of others.
    if !sellers.lists.sells(id).await? {
        return Err(Error::NotFound.into());
    }
    let account = sellers.accounts.get(id).await?.ok_or(Error::NotFound)?;
    let (parts, _) = request.into_parts();
    let seller = || Seller { id, name: Some(&account.username) };
    // Of nothing but what is shown.
    let shown = format!("{:016x}", kernel::fnv1a(account.username.bytes()));
    Ok(v2::public_with_etag(&parts, etag(1, &shown), seller))
}
