//! Taking everything of a seller off sale, when their account is erased.

use kernel::{Actor, Error, Uuid};

use super::Products;
use crate::model::{Cause, Product, Status};
use crate::store::{ListQuery, SCAN, Shelf, Sort, StockEdit, Update};

/// Products that are read at a time.
const PAGE: usize = 100;

impl Products {
    /// Archives all products of a seller; what was sold stays in the log. It can be run again after it was cut short.
    ///
    /// # Errors
    /// `Unavailable`, `Overloaded`.
    pub async fn archive_all_of(&self, owner: Uuid) -> Result<(), Error> {
        let mut query = self.everything_of(owner);
        loop {
            let page = self.list(query.clone()).await?;
            for product in page.products.iter().filter(|product| product.status != Status::Archived) {
                self.archive(product.id).await?;
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// The list of all that a seller has, whatever its status.
    pub fn everything_of(&self, owner: Uuid) -> ListQuery {
        ListQuery {
            shelf: Shelf::Own(owner),
            category: None,
            in_stock: None,
            status: None,
            currency: self.currency,
            only_currency: false,
            price: None,
            sort: Sort::Newest,
            after: None,
            limit: PAGE,
            scan: SCAN,
        }
    }

    async fn archive(&self, id: Uuid) -> Result<(), Error> {
        // An edit of the owner's, sent before they went, may still come between.
        let mut turn = self.turns.take(id).await;
        while turn.goes_on().await {
            // Deleted meanwhile is as good.
            let Some(mut product) = self.store.get_stocked(id).await? else { return Ok(()) };
            if product.product.status == Status::Archived {
                return Ok(());
            }
            let Product { version, status, updated_at, .. } = &mut product.product;
            let expected = *version;
            (*version, *status, *updated_at) = (expected + 1, Status::Archived, self.context.now());
            let cause = Cause { actor: Actor::System, reason: None, reference: None, time: self.context.now() };
            let effects = self.update_effects(&product, &cause, None, None)?;
            let update = Update { stocked: product, expected, stock: StockEdit::Keep, cause, effects };
            if self.store.update(vec![update]).await?.is_some() {
                return Ok(());
            }
        }
        Err(Error::Unavailable("a product to archive is being edited all the time".into()))
    }
}
