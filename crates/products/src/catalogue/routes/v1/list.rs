//! `GET /api/v1/products?page&limit&category&search`: the caller's products, newest first; all of them for an administrator.

use std::sync::Arc;

use api::caller::V1User;
use api::query::{first, pairs};
use api::v1::page::{self, PageParameters, Pagination};
use api::v1::{Failure, Success};
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use kernel::text;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::{Owner, V1Product};
use crate::catalogue::routes::v1::Monolith;
use crate::catalogue::store::PageQuery;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described")]
struct Filters {
    /// Exactly this category.
    category: Option<String>,
    /// Text that the name contains, whatever its case.
    search: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ProductPage)]
struct Data<'a> {
    products: Vec<V1Product<'a>>,
    pagination: Pagination,
}

/// The caller's products, newest first; everyone's for an administrator
#[utoipa::path(get, path = "/api/v1/products", operation_id = "v1_products", tag = "products",
    security(("bearer" = [])), params(PageParameters, Filters),
    responses((status = 200, body = Success<Data>)))]
pub async fn handle(
    State(v1): State<Arc<Monolith>>,
    V1User(caller): V1User,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let query = pairs(query.as_deref());
    let page = page::parse(&query).map_err(Failure::validation)?;
    // A form's empty field is no filter.
    let filter = |name| first(&query, name).filter(|value| !value.is_empty());
    let (products, total) = v1
        .products
        .page(PageQuery {
            owner: (!caller.is_admin()).then_some(caller.account_id),
            category: filter("category").map(str::to_owned),
            search: filter("search").map(text::fold),
            offset: page.offset(),
            limit: page.limit,
        })
        .await?;
    let others = products.iter().map(|(product, _)| product.owner_id).filter(|owner| *owner != caller.account_id);
    let owners = v1.owners(others).await?;
    let owner_of = |id| {
        if id == caller.account_id {
            Some(Owner::from(&caller))
        } else {
            owners.iter().find(|account| account.id == id).map(Owner::from)
        }
    };
    v1.shown.remember(caller.session_id, products.iter().map(|(product, stock)| (product.id, *stock)));
    let products =
        products.iter().map(|(product, stock)| V1Product::new(product, *stock, owner_of(product.owner_id))).collect();
    Ok(Success::data(Data { products, pagination: page.of(total) }).into_response())
}
