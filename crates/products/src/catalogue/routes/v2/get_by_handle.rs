//! `GET /api/v2/products/by-handle/{owner_id}/{handle}`: as by its id.

use std::sync::Arc;

use api::caller::V2Caller;
use api::openapi::IfNoneMatchHeader;
use api::v2::Refusal;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use kernel::{Error, Uuid};
use utoipa::IntoParams;

use super::{V2Product, get};
use crate::catalogue::Products;

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described")]
struct Parameters {
    owner_id: Uuid,
    /// Unique per owner.
    #[param(max_length = 255)]
    handle: String,
}

/// A product by its seller and handle
#[utoipa::path(get, path = "/api/v2/products/by-handle/{owner_id}/{handle}", operation_id = "get_product_by_handle",
    tag = "products", security((), ("bearer" = [])), params(Parameters, IfNoneMatchHeader),
    responses((status = 200, body = V2Product, headers(("ETag" = String, description = "Its version, for If-Match and If-None-Match"))),
        (status = 304, description = "The client has it")))]
pub async fn handle(
    State(products): State<Arc<Products>>,
    V2Caller(caller): V2Caller,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Result<Response, Refusal> {
    let Path((owner_id, handle)) = path.map_err(|_| Error::NotFound)?;
    let owner_id = Uuid::try_parse(&owner_id).ok().filter(|_| owner_id.len() == 36).ok_or(Error::NotFound)?;
    let product = products.visible_by_handle(caller.as_ref(), owner_id, &handle).await?;
    get::answer(&products, caller, product, request).await
}
