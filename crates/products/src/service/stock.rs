//! Units on hand.

use kernel::{Actor, Error, Uuid};
use platform::db::{Effects, StoreError};
use platform::idempotency::{Answer, Claim, Repeat};

use super::variants::never_too_large;
use super::{Caller, Products, Render, refused};
use crate::events;
use crate::model::{Adjustment, ChangedStock, Stock};

impl Products {
    /// Sets or adjusts the units on hand of a variant that the caller manages, at most once per key.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`; `Conflict` when less would be left than is reserved, or more than a stock can be;
    /// `IdempotencyInFlight`, `IdempotencyKeyReused`, `Unavailable`.
    pub async fn change_stock(
        &self,
        caller: Caller,
        variant: Uuid,
        adjustment: Adjustment,
        repeat: Option<Repeat>,
        render: Render<Stock>,
    ) -> Result<Answer, Error> {
        let this = self.clone();
        let change = async move {
            let write = |claim| this.change_stock_once(caller, variant, adjustment, claim, render);
            this.keys.once(repeat, write, never_too_large).await
        };
        self.tasks.run(change).await
    }

    async fn change_stock_once(
        &self,
        caller: Caller,
        variant: Uuid,
        Adjustment { change, reason }: Adjustment,
        claim: Option<Claim>,
        render: Render<Stock>,
    ) -> Result<Answer, Error> {
        let product = self.store.product_of(variant).await?.ok_or(Error::NotFound)?;
        self.changeable(&caller, product).await?;
        let answer = move |changed: &ChangedStock| {
            let ChangedStock { stock, version, .. } = changed;
            Answer::new(201, render(stock), events::variant_subject(stock.variant_id), *version)
        };
        let this = self.clone();
        let effects = Box::new(move |changed: &ChangedStock| {
            let event = this.stock_event(changed, Some(&reason), caller.actor(), caller.request_id.as_deref());
            let event = event.map_err(|error| StoreError::Statement(error.to_string()))?;
            Ok(Effects { events: vec![event], answered: claim.map(|claim| answer(changed).under(claim)) })
        });
        let changed = self.store.change_stock(variant, change, effects).await.map_err(refused)?;
        Ok(answer(&changed.ok_or(Error::NotFound)?))
    }

    pub(super) fn stock_event(
        &self,
        changed: &ChangedStock,
        reason: Option<&str>,
        actor: Actor,
        request_id: Option<&str>,
    ) -> Result<kernel::Event, Error> {
        let id = self.context.id_for(changed.owner_id)?;
        events::stock_event(id, changed, reason, actor, self.context.now(), request_id)
    }
}
