//! What other services ask of the catalogue, here and from other processes.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use kernel::{Error, Uuid};
use platform::http::v2::{self, Position};
use platform::internal::{Answer, Asked, Peer};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::routes::v2::V2Product;
use crate::service::Products;
use crate::store::PageQuery;

/// What other services ask about products. They know no more of the catalogue than this.
#[async_trait]
pub trait Catalogue: Send + Sync {
    /// The products of an account as API v1 sums them up, newest first, at most `limit`.
    async fn summaries(&self, owner: Uuid, limit: i64) -> Result<Vec<ProductSummary>, Error>;

    /// A page of all that an account has, with stock. `after` is `next` of the page before.
    async fn export(&self, owner: Uuid, after: Option<String>) -> Result<Exported, Error>;

    /// Takes everything of an account off sale. It can be asked again after it was cut short.
    async fn archive_all(&self, owner: Uuid) -> Result<(), Error>;
}

/// A product in a list of API v1's administration.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ProductSummary {
    id: Uuid,
    name: String,
    price: String,
    stock: i64,
    category: Option<String>,
}

/// A page of an export.
#[derive(Debug, Serialize, Deserialize)]
pub struct Exported {
    /// Products of API v2, as JSON, with commas between them.
    pub items: String,
    /// Where the next page begins; none on the last.
    pub next: Option<String>,
}

/// What the places of an export are bound to.
const EXPORT: &str = "export";

#[async_trait]
impl Catalogue for Products {
    async fn summaries(&self, owner: Uuid, limit: i64) -> Result<Vec<ProductSummary>, Error> {
        let query = PageQuery { owner: Some(owner), limit, ..PageQuery::default() };
        let (products, _) = self.page(query).await?;
        let summary = |(product, stock): (crate::model::Product, i64)| ProductSummary {
            id: product.id,
            price: product.shown_price(),
            stock,
            name: product.name,
            category: product.category,
        };
        Ok(products.into_iter().map(summary).collect())
    }

    async fn export(&self, owner: Uuid, after: Option<String>) -> Result<Exported, Error> {
        let strange = || Error::Internal("an export goes on at no place of its own".into());
        let after = after.map(|place| Position::from_cursor(&place, EXPORT).ok_or_else(strange)).transpose()?;
        let mut query = self.everything_of(owner);
        query.after = after;
        let page = self.list(query).await?;
        let mut items = Vec::new();
        for product in self.with_stock(page.products).await? {
            if !items.is_empty() {
                items.push(b',');
            }
            items.extend_from_slice(&v2::bytes(&V2Product::managed(&product)));
        }
        // JSON is UTF-8.
        let items = String::from_utf8(items).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(Exported { items, next: page.next.map(|next| next.to_cursor(EXPORT)) })
    }

    async fn archive_all(&self, owner: Uuid) -> Result<(), Error> {
        self.archive_all_of(owner).await
    }
}

mod path {
    pub const SUMMARIES: &str = "/internal/products/summaries";
    pub const EXPORT: &str = "/internal/products/export";
    pub const ARCHIVE: &str = "/internal/products/archive";
}

#[derive(Serialize, Deserialize)]
struct Summaries {
    owner: Uuid,
    limit: i64,
}

#[derive(Serialize, Deserialize)]
struct Export {
    owner: Uuid,
    after: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Owner {
    owner: Uuid,
}

type Here = State<Arc<dyn Catalogue>>;

/// The endpoints, for the listener that only other processes of the deployment reach.
pub fn internal_routes(products: Products) -> Router {
    let catalogue: Arc<dyn Catalogue> = Arc::new(products);
    Router::new()
        .route(
            path::SUMMARIES,
            post(async |State(products): Here, Asked(asked): Asked<Summaries>| {
                Answer(products.summaries(asked.owner, asked.limit).await)
            }),
        )
        .route(
            path::EXPORT,
            post(async |State(products): Here, Asked(asked): Asked<Export>| {
                Answer(products.export(asked.owner, asked.after).await)
            }),
        )
        .route(
            path::ARCHIVE,
            post(async |State(products): Here, Asked(asked): Asked<Owner>| {
                Answer(products.archive_all(asked.owner).await)
            }),
        )
        .with_state(catalogue)
}

/// The catalogue in other processes.
pub struct Remote(pub Peer);

#[async_trait]
impl Catalogue for Remote {
    async fn summaries(&self, owner: Uuid, limit: i64) -> Result<Vec<ProductSummary>, Error> {
        self.0.ask(path::SUMMARIES, &Summaries { owner, limit }).await
    }

    async fn export(&self, owner: Uuid, after: Option<String>) -> Result<Exported, Error> {
        self.0.ask(path::EXPORT, &Export { owner, after }).await
    }

    async fn archive_all(&self, owner: Uuid) -> Result<(), Error> {
        self.0.ask(path::ARCHIVE, &Owner { owner }).await
    }
}
