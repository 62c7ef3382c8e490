//! What other services ask of the catalogue, here and from other processes.

use std::sync::Arc;

use api::v2::{self, Position};
use async_trait::async_trait;
use axum::Router;
use kernel::{Error, Timestamp, Uuid};
use mesh::{Peer, Questions};
use serde::{Deserialize, Serialize};
use stock::model::{OffSale, Reservation};
use stock::routes::reservations;
use utoipa::ToSchema;

use crate::catalogue::routes::v2::V2Product;
use crate::catalogue::store::PageQuery;
use crate::lists::Lists;

/// What other services ask about products. They know no more of the catalogue than this.
#[async_trait]
pub trait Catalogue: Send + Sync {
    /// The products of an account as API v1 sums them up, newest first, at most `limit`.
    async fn summaries(&self, owner: Uuid, limit: i64) -> Result<Vec<ProductSummary>, Error>;

    /// A page of all that an account has, with stock. `after` is `next` of the page before.
    async fn export(&self, owner: Uuid, after: Option<String>) -> Result<Exported, Error>;

    /// A page of an account's reservations, as [`Catalogue::export`].
    async fn export_reservations(&self, account: Uuid, after: Option<String>) -> Result<Exported, Error>;

    /// Takes all of a seller off sale: nobody sees or buys any of it from now on. `erased` is for good. Returns the mark of the
    /// entry, which replaces that of an entry before; none where a process of the release before answers, which knows no entries.
    async fn take_off_sale(&self, seller: Uuid, erased: bool) -> Result<Option<Uuid>, Error>;

    /// Ends the entry of a seller, if it still has this mark: all is for sale again as it was.
    async fn put_on_sale(&self, seller: Uuid, mark: Uuid) -> Result<(), Error>;

    /// Entries that were made since then, of sellers behind an id, by id: empty behind the last.
    async fn off_sale(&self, since: Timestamp, after: Uuid) -> Result<Vec<OffSale>, Error>;

    /// Has everything of an erased account archived. It may be asked again.
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
    /// Lists of API v2, as JSON, with commas between them.
    pub items: String,
    /// Where the next page begins; none on the last.
    pub next: Option<String>,
}

/// What the places of an export are bound to.
const EXPORT: &str = "export";
/// Reservations of a page of an export.
const EXPORTED: usize = 100;

#[async_trait]
impl Catalogue for Lists {
    async fn summaries(&self, owner: Uuid, limit: i64) -> Result<Vec<ProductSummary>, Error> {
        let query = PageQuery { owner: Some(owner), limit, ..PageQuery::default() };
        let (products, _) = self.products.page(query).await?;
        let summary = |(product, stock): (crate::catalogue::model::Product, i64)| ProductSummary {
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
        let seller = self.products.sellers.name(owner).await;
        for product in self.products.with_stock(page.products).await? {
            if !items.is_empty() {
                items.push(b',');
            }
            items.extend_from_slice(&v2::bytes(&V2Product::managed(&product, seller.as_deref())));
        }
        // JSON is UTF-8.
        let items = String::from_utf8(items).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(Exported { items, next: page.next.map(|next| next.to_cursor(EXPORT)) })
    }

    async fn export_reservations(&self, account: Uuid, after: Option<String>) -> Result<Exported, Error> {
        let strange = |_| Error::Internal("an export goes on at no place of its own".into());
        let before = after.map(|place| place.parse().map_err(strange)).transpose()?;
        let (reservations, next) = self.products.stock.reservations_of(account, None, before, EXPORTED).await?;
        let names = self.products.sellers.names(reservations.iter().map(|reservation| reservation.owner_id)).await;
        let named = |reservation: &Reservation| {
            let name = names.get(&reservation.owner_id).and_then(Option::as_deref);
            reservations::render(reservation, name)
        };
        let items: Vec<_> = reservations.iter().map(named).collect();
        let items = String::from_utf8(items.join(&b","[..])).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(Exported { items, next: next.map(|id| id.to_string()) })
    }

    async fn take_off_sale(&self, seller: Uuid, erased: bool) -> Result<Option<Uuid>, Error> {
        self.products.stock.take_seller_off_sale(seller, erased).await.map(Some)
    }

    async fn put_on_sale(&self, seller: Uuid, mark: Uuid) -> Result<(), Error> {
        self.products.stock.put_seller_on_sale(seller, mark).await
    }

    async fn off_sale(&self, since: Timestamp, after: Uuid) -> Result<Vec<OffSale>, Error> {
        self.products.stock.sellers_off_sale(since, after).await
    }

    async fn archive_all(&self, owner: Uuid) -> Result<(), Error> {
        self.archive_all_of(owner).await
    }
}

mesh::questions! {
    again "summaries" => Summaries { owner: Uuid, limit: i64 } -> Vec<ProductSummary>;
    again "export" => Export { owner: Uuid, after: Option<String> } -> Exported;
    again "export-reservations" => ExportReservations { owner: Uuid, after: Option<String> } -> Exported;
    again "sellers/take-off-sale" => TakeOffSale { seller: Uuid, erased: bool } -> Option<Uuid>;
    again "sellers/put-on-sale" => PutOnSale { seller: Uuid, mark: Uuid } -> ();
    again "sellers/off-sale" => SellersOffSale { since: Timestamp, after: Uuid } -> Vec<OffSale>;
    again "archive" => ArchiveAll { owner: Uuid } -> ();
}

/// What the catalogue answers other processes.
pub fn internal_routes(products: Lists) -> Router {
    let catalogue: Arc<dyn Catalogue> = Arc::new(products);
    Questions::of("products", catalogue)
        .on(|products, Summaries { owner, limit }| async move { products.summaries(owner, limit).await })
        .on(|products, Export { owner, after }| async move { products.export(owner, after).await })
        .on(|products, ExportReservations { owner, after }| async move {
            products.export_reservations(owner, after).await
        })
        .on(|products, TakeOffSale { seller, erased }| async move { products.take_off_sale(seller, erased).await })
        .on(|products, PutOnSale { seller, mark }| async move { products.put_on_sale(seller, mark).await })
        .on(|products, SellersOffSale { since, after }| async move { products.off_sale(since, after).await })
        .on(|products, ArchiveAll { owner }| async move { products.archive_all(owner).await })
        .routes()
}

/// The catalogue in other processes.
pub struct Remote(pub Peer);

/// The answer of the release before to a question that it does not know.
fn unknown(error: Error) -> Error {
    match error {
        Error::NotFound => {
            Error::Unavailable("a process with the role products is of the release before: update it".into())
        }
        error => error,
    }
}

#[async_trait]
impl Catalogue for Remote {
    async fn summaries(&self, owner: Uuid, limit: i64) -> Result<Vec<ProductSummary>, Error> {
        self.0.ask(Summaries { owner, limit }).await
    }

    async fn export(&self, owner: Uuid, after: Option<String>) -> Result<Exported, Error> {
        self.0.ask(Export { owner, after }).await
    }

    async fn export_reservations(&self, account: Uuid, after: Option<String>) -> Result<Exported, Error> {
        self.0.ask(ExportReservations { owner: account, after }).await.map_err(unknown)
    }

    async fn take_off_sale(&self, seller: Uuid, erased: bool) -> Result<Option<Uuid>, Error> {
        match self.0.ask(TakeOffSale { seller, erased }).await {
            Err(Error::NotFound) => Ok(None),
            taken => taken,
        }
    }

    async fn put_on_sale(&self, seller: Uuid, mark: Uuid) -> Result<(), Error> {
        self.0.ask(PutOnSale { seller, mark }).await.map_err(unknown)
    }

    async fn off_sale(&self, since: Timestamp, after: Uuid) -> Result<Vec<OffSale>, Error> {
        self.0.ask(SellersOffSale { since, after }).await.map_err(unknown)
    }

    async fn archive_all(&self, owner: Uuid) -> Result<(), Error> {
        self.0.ask(ArchiveAll { owner }).await
    }
}
