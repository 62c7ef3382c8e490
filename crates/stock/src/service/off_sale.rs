//! Sellers of whom nothing is for sale. Every public read looks for that with the row that it reads.

use kernel::{Error, Timestamp, Uuid};

use super::StockService;
use crate::model::OffSale;

impl StockService {
    /// Takes all of a seller off sale, for whoever asks from now on. Returns the mark of the entry.
    ///
    /// # Errors
    /// `Unavailable`, `Overloaded`.
    pub async fn take_seller_off_sale(&self, seller_id: Uuid, erased: bool) -> Result<Uuid, Error> {
        let mark = self.context.id()?;
        let (store, entry) = (self.store.clone(), OffSale { seller_id, mark, erased, since: self.context.now() });
        self.tasks.run(async move { Ok(store.take_off_sale(entry).await?) }).await?;
        Ok(mark)
    }

    /// Ends the entry with this mark: what the seller has is for sale again, as it is.
    ///
    /// # Errors
    /// `Unavailable`, `Overloaded`.
    pub async fn put_seller_on_sale(&self, seller: Uuid, mark: Uuid) -> Result<(), Error> {
        let store = self.store.clone();
        self.tasks.run(async move { Ok(store.put_on_sale(seller, mark).await?) }).await
    }

    /// Entries of sellers behind an id that were made since then, by id: at most a hundred.
    ///
    /// # Errors
    /// `Unavailable`, `Overloaded`.
    pub async fn sellers_off_sale(&self, since: Timestamp, after: Uuid) -> Result<Vec<OffSale>, Error> {
        const PAGE: i64 = 100;
        Ok(self.store.off_sale_since(since, after, PAGE).await?)
    }
}
