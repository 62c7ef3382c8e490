//! Lists of products, as their use cases.

pub mod routes;
pub mod store;

use std::sync::Arc;
use std::time::Duration;

use kernel::{Error, Uuid};
use storage::StoreError;
use tokio::sync::Semaphore;

use self::store::{ListQuery, ListStore, Listed, Shelf};
use crate::catalogue::Products;

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

/// The lists of the catalogue.
#[derive(Clone)]
pub struct Lists {
    pub products: Arc<Products>,
    store: Arc<dyn ListStore>,
    counting: Arc<Semaphore>,
}

/// Counts that run at a time, and how long others wait for one to end: they read every entry of an index, and must leave the
/// database to those who change something.
const COUNTS: usize = 2;
const COUNT_WAIT: Duration = Duration::from_secs(1);

impl Lists {
    pub fn new(products: Arc<Products>) -> Self {
        let store = store::open(&products.database);
        Self { products, store, counting: Arc::new(Semaphore::new(COUNTS)) }
    }

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
        let query = ListQuery { limit: 1, ..ListQuery::new(Shelf::Public(Some(account)), self.products.currency()) };
        Ok(!self.list(query).await?.products.is_empty())
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

    /// Counts in turn with others.
    ///
    /// # Errors
    /// `Overloaded` when it is not one's turn for too long; what the count gives.
    async fn counted<T>(&self, count: impl Future<Output = Result<T, StoreError>>) -> Result<T, Error> {
        let overloaded = || Error::Overloaded { what: "counts", retry_after: COUNT_WAIT };
        let turn = tokio::time::timeout(COUNT_WAIT, self.counting.acquire()).await;
        let _turn = turn.map_err(|_| overloaded())?.map_err(|_| overloaded())?;
        Ok(count.await?)
    }
}
