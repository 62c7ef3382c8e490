//! Use cases of the catalogue. They know nothing of HTTP: refusals are kernel errors, answers are rendered by the caller.

mod batch;
mod create;
mod edit;
mod skus;
#[cfg(test)]
pub(crate) mod tests;
mod turns;
mod variants;

use std::collections::HashMap;
use std::sync::Arc;

use auth::Accounts;
use effects::idempotency::Keys;
use effects::log::Follower;
use kernel::error::{Error, Needed};
use kernel::{Caller, Currency, Principal, Uuid};
use platform::Context;
use platform::tasks::WriteTasks;
use stock::StockService;
use stock::model::Stock;
use storage::{Database, StoreError};

pub use self::batch::{Item, Outcome, RenderBatch};
pub use self::skus::RepeatedSku;
use auth::names::AccountNames;

use self::turns::Turns;
use crate::catalogue::events;
use crate::catalogue::model::{Product, Stocked};
use crate::catalogue::store::{self, Found, OPTIONS_RULE, PageQuery, Store};

/// The catalogue.
#[derive(Clone)]
pub struct Products {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) database: Database,
    pub(crate) context: Context,
    pub(crate) currency: Currency,
    tasks: WriteTasks,
    keys: Keys,
    turns: Turns,
    /// Units, their ledger, and reservations.
    pub stock: Arc<StockService>,
    pub sellers: AccountNames,
}

impl Products {
    pub fn new(database: Database, context: Context, tasks: WriteTasks, currency: Currency) -> Self {
        let (store, keys) = (store::open(&database), Keys::new(database.clone()));
        let turns = Turns::new(context.clone());
        let sellers = AccountNames::unknown();
        let stock = Arc::new(StockService::new(
            database.clone(),
            context.clone(),
            tasks.clone(),
            keys.clone(),
            sellers.clone(),
        ));
        Self { store, database, context, currency, tasks, keys, turns, stock, sellers }
    }

    /// With the names of sellers, which auth has, and tells when they change.
    #[must_use]
    pub fn with_accounts(self, accounts: Arc<dyn Accounts>, changes: Option<Arc<Follower>>) -> Self {
        let sellers = AccountNames::of(accounts, changes);
        let stock = Arc::new(self.stock.naming(sellers.clone()));
        Self { stock, sellers, ..self }
    }

    /// The currency of clients and files that name none.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// The product with its stock, for those who may manage it.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `Unavailable`.
    pub async fn managed(&self, caller: &Principal, id: Uuid) -> Result<Stocked, Error> {
        let stocked = self.store.get_stocked(id).await?.ok_or(Error::NotFound)?;
        if caller.may_manage(stocked.product.owner_id) { Ok(stocked) } else { Err(Error::Forbidden(Needed::Owner)) }
    }

    /// The product, if anyone may see it or `caller` manages it.
    ///
    /// # Errors
    /// `NotFound` also when it is invisible to the caller; `Unavailable`.
    pub async fn visible(&self, caller: Option<&Principal>, id: Uuid) -> Result<Product, Error> {
        visible(caller, self.store.get(id).await?)
    }

    /// As [`Products::visible`], by its seller and handle.
    ///
    /// # Errors
    /// As [`Products::visible`].
    pub async fn visible_by_handle(
        &self,
        caller: Option<&Principal>,
        owner: Uuid,
        handle: &str,
    ) -> Result<Product, Error> {
        // No text column holds a NUL.
        let found = if handle.contains('\0') { None } else { self.store.get_by_handle(owner, handle).await? };
        visible(caller, found)
    }

    /// A page by number with the units on hand of each product, and the total.
    ///
    /// # Errors
    /// `Unavailable`, `Overloaded`.
    pub async fn page(&self, query: PageQuery) -> Result<(Vec<(Product, i64)>, i64), Error> {
        let (products, total) = self.store.page(query).await?;
        let ids: Vec<Uuid> = products.iter().map(|product| product.id).collect();
        let mut units: HashMap<Uuid, i64> = HashMap::with_capacity(ids.len());
        for (product, stock) in self.store.stock_of(&ids).await? {
            *units.entry(product).or_default() += stock.on_hand;
        }
        let with_units = |product: Product| {
            let units = units.get(&product.id).copied().unwrap_or(0);
            (product, units)
        };
        Ok((products.into_iter().map(with_units).collect(), total))
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

    /// The product with its stock, for a change.
    async fn changeable(&self, caller: &Caller, id: Uuid) -> Result<Stocked, Error> {
        let stocked = self.store.get_stocked(id).await?.ok_or(Error::NotFound)?;
        if caller.principal.may_manage(stocked.product.owner_id) {
            return Ok(stocked);
        }
        if !caller.told_of_hidden {
            self.visible(None, id).await?;
        }
        Err(Error::Forbidden(Needed::Owner))
    }

    fn event(&self, kind: &'static str, stocked: &Stocked, caller: &Caller) -> Result<kernel::Event, Error> {
        let id = self.context.id_for(stocked.product.owner_id)?;
        events::event(kind, id, stocked, caller.actor(), self.context.now(), caller.request_id.as_deref())
    }
}

/// The product, if it is there and the caller may see it.
fn visible(caller: Option<&Principal>, found: Option<Found>) -> Result<Product, Error> {
    let found = found.ok_or(Error::NotFound)?;
    let is_managed = || caller.is_some_and(|caller| caller.may_manage(found.product.owner_id));
    if found.is_public() || is_managed() { Ok(found.product) } else { Err(Error::NotFound) }
}

/// What a store's refusal means to a seller.
fn refused(error: StoreError) -> Error {
    if error.is_conflict_on(OPTIONS_RULE) {
        Error::conflict("Another variant of the product has these options.")
    } else {
        stock::store_refused(error)
    }
}
