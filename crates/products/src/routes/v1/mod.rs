//! The catalogue as API v1 shows it: one price, one stock.

pub mod create;
pub mod delete;
pub mod fields;
pub mod get;
pub mod list;
pub mod update;

use auth::Account;
use axum::http::request::Parts;
use kernel::{Principal, Uuid};
use platform::http::RequestId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::model::Product;
use crate::service::Caller;

/// v1's product.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct V1Product<'a> {
    pub id: Uuid,
    pub name: &'a str,
    pub description: Option<&'a str>,
    /// The lowest of its variants' prices, with two decimals.
    pub price: String,
    /// The sum of its variants.
    pub stock: i64,
    pub category: Option<&'a str>,
    pub user_id: Uuid,
    #[schema(format = DateTime)]
    pub created_at: String,
    #[schema(format = DateTime)]
    pub updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub owner: Option<Owner<'a>>,
}

/// v1's owner of a product.
#[derive(Clone, Copy, Serialize, ToSchema)]
pub struct Owner<'a> {
    id: Uuid,
    username: &'a str,
    email: &'a str,
}

impl<'a> From<&'a Account> for Owner<'a> {
    fn from(account: &'a Account) -> Self {
        Owner { id: account.id, username: &account.username, email: &account.email }
    }
}

impl<'a> From<&'a Principal> for Owner<'a> {
    fn from(principal: &'a Principal) -> Self {
        Owner { id: principal.account_id, username: &principal.username, email: &principal.email }
    }
}

impl<'a> V1Product<'a> {
    /// `stock` is what its variants have on hand together.
    pub fn new(product: &'a Product, stock: i64, owner: Option<Owner<'a>>) -> Self {
        V1Product {
            id: product.id,
            name: &product.name,
            description: product.description.as_deref(),
            price: product.money(product.lowest_price()).to_decimal(2),
            stock,
            category: product.category.as_deref(),
            user_id: product.owner_id,
            created_at: product.created_at.to_rfc3339_millis(),
            updated_at: product.updated_at.to_rfc3339_millis(),
            owner,
        }
    }
}

/// `{"product": …}`.
#[derive(Serialize, ToSchema)]
pub struct ProductData<'a> {
    pub product: V1Product<'a>,
}

pub fn caller(principal: Principal, parts: &Parts) -> Caller {
    Caller { principal, request_id: RequestId::of(parts).map(str::to_owned), told_of_hidden: true }
}
