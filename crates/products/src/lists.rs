//! Lists of products, as their use cases.

use std::collections::HashMap;

use kernel::{Error, Uuid};
use stock::model::Stock;

use crate::model::{Product, Stocked};
use crate::service::Products;
use crate::store::{self, ListQuery, Listed, Shelf};

/// A category of active products.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    pub name: String,
    pub count: i64,
}

/// How to count a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    Exact,
    Estimated,
}

impl Products {
    /// The next page. Rows that do not fit are looked at too, `query.scan` at most in all.
    ///
    /// # Errors
    /// `Unavailable`, `Overloaded`.
    pub async fn list(&self, query: ListQuery) -> Result<Listed, Error> {
        Ok(store::page(self.store.as_ref(), query).await?)
    }

    /// How many products the list has.
    ///
    /// # Errors
    /// `Unavailable` also when counting takes too long; `Overloaded`.
    pub async fn count(&self, query: &ListQuery, how: Count) -> Result<i64, Error> {
        match how {
            Count::Exact => self.counted(self.store.count(query)).await,
            Count::Estimated => self.counted(self.store.estimate(query)).await,
        }
    }

    /// Whether an account has products that everyone sees.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn sells(&self, account: Uuid) -> Result<bool, Error> {
        let query = ListQuery { limit: 1, ..ListQuery::new(Shelf::Public(Some(account)), self.currency) };
        Ok(!self.list(query).await?.products.is_empty())
    }

    /// The products with their stock. One that was deleted since it was read is left out.
    ///
    /// # Errors
    /// `Unavailable`, `Overloaded`.
    pub async fn with_stock(&self, products: Vec<Product>) -> Result<Vec<Stocked>, Error> {
        if products.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<Uuid> = products.iter().map(|product| product.id).collect();
        let mut stock: HashMap<Uuid, Vec<Stock>> = HashMap::with_capacity(ids.len());
        for (product, units) in self.store.stock_of(&ids).await? {
            stock.entry(product).or_default().push(units);
        }
        let mut stocked = Vec::with_capacity(ids.len());
        for product in products {
            let id = product.id;
            match Stocked::pair(product, stock.get(&id).map_or(&[], Vec::as_slice)) {
                Some(pair) => stocked.push(pair),
                // An edit came between: it is read again, both at once.
                None => stocked.extend(self.store.get_stocked(id).await?),
            }
        }
        Ok(stocked)
    }

    /// Categories of active products behind `after`, or all, by name, at most `limit`; and where the next begin, if there may be more.
    /// Those whose sellers are all off sale are passed over, so there may be fewer.
    ///
    /// # Errors
    /// `Unavailable`, `Overloaded`.
    pub async fn categories(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Category>, Option<String>), Error> {
        /// Looks that one page is worth.
        const LOOKS: usize = 4;
        let (mut shown, mut after) = (Vec::new(), after.map(str::to_owned));
        for _ in 0..LOOKS {
            let found = self.counted(self.store.categories(after.as_deref(), limit + 1)).await?;
            let has_more = found.len() > limit;
            for (name, count) in found {
                if count > 0 && shown.len() == limit {
                    return Ok((shown, after));
                }
                after = Some(name.clone());
                if count > 0 {
                    shown.push(Category { name, count });
                }
            }
            if !has_more {
                return Ok((shown, None));
            }
        }
        Ok((shown, after))
    }
}
