//! The catalogue as API v1 shows it: one price, one stock.

pub mod create;
pub mod delete;
pub mod fields;
pub mod get;
pub mod list;
pub mod shown;
pub mod update;

use std::sync::Arc;

use auth::{Account, Accounts};
use axum::http::request::Parts;
use kernel::{Caller, Error, Principal, Uuid};
use platform::RequestId;
use serde::Serialize;
use utoipa::ToSchema;

use self::shown::ShownStock;
use crate::catalogue::Products;
use crate::catalogue::model::Product;

/// What the endpoints of v1 are given.
pub struct Monolith {
    pub products: Arc<Products>,
    accounts: Arc<dyn Accounts>,
    /// What the sessions of v1 know of stock.
    pub shown: ShownStock,
}

impl Monolith {
    /// `accounts` are those of owners.
    pub fn new(products: Arc<Products>, accounts: Arc<dyn Accounts>) -> Self {
        let shown = ShownStock::new(products.context.clone());
        Self { products, accounts, shown }
    }

    /// The accounts of these owners, each once.
    async fn owners(&self, ids: impl Iterator<Item = Uuid>) -> Result<Vec<Account>, Error> {
        let mut ids: Vec<Uuid> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() { Ok(Vec::new()) } else { self.accounts.by_ids(&ids).await }
    }
}

/// v1's product.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct V1Product<'a> {
    #[schema(example = "0195ea1b-3d02-8c11-a411-9be1d2c4f7a0")]
    pub id: Uuid,
    #[schema(example = "Desk lamp")]
    pub name: &'a str,
    pub description: Option<&'a str>,
    /// The lowest of its variants' prices, with the decimals of its currency: two of most.
    #[schema(example = "39.90", pattern = "^[0-9]+([.][0-9]{2,4})?$")]
    pub price: String,
    /// The sum of its variants.
    #[schema(example = 5)]
    pub stock: i64,
    #[schema(example = "Lighting")]
    pub category: Option<&'a str>,
    #[schema(example = "0195ea1b-2c68-8d3a-a411-35f0c6a7b2de")]
    pub user_id: Uuid,
    #[schema(format = DateTime, example = "2026-11-23T01:12:40.112Z")]
    pub created_at: String,
    #[schema(format = DateTime, example = "2026-11-23T01:12:40.112Z")]
    pub updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub owner: Option<Owner<'a>>,
}

/// v1's owner of a product.
#[derive(Clone, Copy, Serialize, ToSchema)]
pub struct Owner<'a> {
    #[schema(example = "0195ea1b-2c68-8d3a-a411-35f0c6a7b2de")]
    id: Uuid,
    #[schema(example = "ada")]
    username: &'a str,
    #[schema(example = "ada@example.com")]
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
            price: product.shown_price(),
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
