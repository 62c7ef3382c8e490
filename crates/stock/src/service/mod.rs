//! Use cases of stock. They know nothing of HTTP: refusals are kernel errors, answers are rendered by the caller.

mod adjust;
mod off_sale;
mod reservations;
mod verify;

use std::sync::Arc;

use auth::names::AccountNames;
use effects::idempotency::{Keys, claimed};
use kernel::error::{Error, Needed};
use kernel::{Caller, Uuid};
use platform::Context;
use platform::tasks::WriteTasks;
use storage::{Database, StoreError};

pub use self::adjust::refused;
pub use self::verify::Difference;
use crate::store::{self, RESERVED_RULE, Store};

/// Stock and reservations.
#[derive(Clone)]
pub struct StockService {
    pub store: Arc<dyn Store>,
    database: Database,
    pub(crate) context: Context,
    tasks: WriteTasks,
    keys: Keys,
    pub(crate) sellers: AccountNames,
}

impl StockService {
    /// `sellers` are named in answers.
    pub fn new(database: Database, context: Context, tasks: WriteTasks, keys: Keys, sellers: AccountNames) -> Self {
        Self { store: store::open(&database), database, context, tasks, keys, sellers }
    }

    /// With the names of sellers.
    #[must_use]
    pub fn naming(&self, sellers: AccountNames) -> Self {
        Self { sellers, ..self.clone() }
    }

    /// Whether the caller may change the stock of a variant.
    ///
    /// # Errors
    /// `NotFound` also when its product is invisible to the caller; `Forbidden`, `Unavailable`.
    async fn may_change(&self, caller: &Caller, variant: Uuid) -> Result<(), Error> {
        let sale = self.store.sales(&[variant]).await?.pop().ok_or(Error::NotFound)?;
        if caller.principal.may_manage(sale.owner_id) {
            return Ok(());
        }
        let may_know = caller.told_of_hidden || sale.is_for_sale();
        Err(if may_know { Error::Forbidden(Needed::Owner) } else { Error::NotFound })
    }
}

/// What a store's refusal means to a seller.
pub fn store_refused(error: StoreError) -> Error {
    if error.is_conflict_on(RESERVED_RULE) {
        Error::conflict("The stock would fall below zero, or below what is reserved.")
    } else {
        claimed(error)
    }
}
