//! Units on hand, and what their ledger tells.

use bytes::Bytes;
use effects::Effects;
use effects::idempotency::{Answer, Answered, Claim, Repeat, never_too_large};
use kernel::{Caller, Error, Event, Expected, Uuid, Violation};
use platform::telemetry::metrics::metrics;
use storage::StoreError;

use super::StockService;
use super::reservations::not_for_sale;
use crate::events;
use crate::model::{Adjustment, Cause, ChangedStock, Mode, Movement, Shortage, State, Stock, Units, check_threshold};
use crate::store::{Applied, History, Op, StockRefusal, StockWrite, VariantAdjustment};

impl StockService {
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
        render: fn(&Stock) -> Bytes,
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
        adjustment: Adjustment,
        claim: Option<Claim>,
        render: fn(&Stock) -> Bytes,
    ) -> Result<Answer, Error> {
        self.may_change(&caller, variant).await?;
        let answer = move |changed: &ChangedStock| {
            let stock = changed.stock();
            let subject = events::variant_subject(stock.variant_id);
            Answer::new(201, render(&stock), subject, changed.units.version)
        };
        let cause = self.cause(&caller, None);
        let answered = move |done: &Applied| Some(answer(done.changed.first()?).under(claim.clone()?));
        let adjustments = vec![VariantAdjustment { variant, adjustment, expected: Expected::Any }];
        let op = Op::Adjust { adjustments, mode: Mode::All };
        let done = self.write_stock(op, cause, caller.request_id, None, answered).await?;
        let done = done.map_err(|refusal| refused(refusal, |_| None))?;
        done.changed.first().map(answer).ok_or(Error::NotFound)
    }

    /// A variant's stock, with its threshold, for those who manage it.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `Unavailable`.
    pub async fn units(&self, caller: &Caller, variant: Uuid) -> Result<Units, Error> {
        let units = self.store.units(variant).await?.ok_or(Error::NotFound)?;
        self.may_change(caller, variant).await?;
        Ok(units)
    }

    /// Says with how many available units the stock of a variant is low, or that it never is. Who wants to hear of it is told when it
    /// comes down to that, and when it rises above it again.
    ///
    /// # Errors
    /// `Invalid`, `NotFound`, `Forbidden`, `Unavailable`.
    pub async fn set_low_stock(&self, caller: Caller, variant: Uuid, threshold: Option<i64>) -> Result<Units, Error> {
        if let Some(threshold) = threshold {
            check_threshold(threshold)?;
        }
        let this = self.clone();
        let set = async move {
            let units = Units { low_stock: threshold, ..this.units(&caller, variant).await? };
            let (id, cause) = (this.context.id_for(units.owner_id)?, this.cause(&caller, None));
            let event = events::threshold_set_event(id, &units, &cause, caller.request_id.as_deref())?;
            if this.store.set_low_stock(variant, threshold, Effects::event(event)).await? {
                Ok(units)
            } else {
                Err(Error::NotFound)
            }
        };
        self.tasks.run(set).await
    }

    /// A page of the movements of a variant that the caller manages, newest first.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `Unavailable`.
    pub async fn movements(&self, caller: &Caller, page: History) -> Result<Vec<Movement>, Error> {
        self.may_change(caller, page.variant).await?;
        Ok(self.store.history(page).await?)
    }

    /// Tells the metrics what only a look shows.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn measure_stock(&self) -> Result<(), Error> {
        metrics().inventory.oversold.set(self.store.oversold().await?);
        Ok(())
    }

    /// Writes an operation with its events, and with `kind` that of its reservation.
    pub async fn write_stock(
        &self,
        op: Op,
        cause: Cause,
        request_id: Option<String>,
        kind: Option<&'static str>,
        answered: impl Fn(&Applied) -> Option<Answered> + Send + Sync + 'static,
    ) -> Result<Result<Applied, StockRefusal>, Error> {
        let (this, told) = (self.clone(), cause.clone());
        let effects = move |done: &Applied| {
            let events = this.stock_events(done, &told, request_id.as_deref(), kind);
            let events = events.map_err(|error| StoreError::Statement(error.to_string()))?;
            Ok(Effects { events, answered: answered(done), ..Effects::default() })
        };
        let done = self.store.write(StockWrite { op, cause, effects: Box::new(effects) }).await;
        let done = done.map_err(super::store_refused)?;
        Ok(done)
    }

    fn stock_events(
        &self,
        done: &Applied,
        cause: &Cause,
        request_id: Option<&str>,
        kind: Option<&'static str>,
    ) -> Result<Vec<Event>, Error> {
        let mut events = Vec::with_capacity(done.changed.len() + 1);
        // Repeated in vain, it has changed nothing.
        let changed = kind.filter(|_| !done.is_repeated);
        if let Some((kind, reservation)) = changed.zip(done.reservation.as_ref()) {
            let id = self.context.id_for(reservation.owner_id)?;
            events.push(events::reservation_event(id, kind, reservation, cause, request_id)?);
        }
        for (changed, cause) in done.causes(cause) {
            events.extend(self.changed_stock_events(changed, &cause, request_id)?);
        }
        Ok(events)
    }

    /// That a stock changed, and that it crossed its threshold if it did.
    pub fn changed_stock_events(
        &self,
        changed: &ChangedStock,
        cause: &Cause,
        request_id: Option<&str>,
    ) -> Result<Vec<Event>, Error> {
        let id = || self.context.id_for(changed.units.owner_id);
        let mut events = vec![events::stock_event(id()?, changed, cause, request_id)?];
        if let Some(crossing) = changed.crossing() {
            events.push(events::threshold_event(id()?, changed, crossing, cause, request_id)?);
        }
        Ok(events)
    }

    pub fn cause(&self, caller: &Caller, reason: Option<String>) -> Cause {
        Cause { actor: caller.actor(), reason, reference: None, time: self.context.now() }
    }
}

/// What it means that nothing was done. `line` finds the place of a variant in the input.
pub fn refused(refusal: StockRefusal, line: impl Fn(Uuid) -> Option<String>) -> Error {
    match refusal {
        StockRefusal::Absent => Error::NotFound,
        // Where the input names none, the variant is what was asked for.
        StockRefusal::Shortage(Shortage::Unknown(variants)) => {
            match variants.into_iter().filter_map(line).collect::<Vec<_>>() {
                lines if lines.is_empty() => Error::NotFound,
                lines => Error::ReferenceNotFound(lines.into_iter().map(not_for_sale).collect()),
            }
        }
        StockRefusal::Shortage(Shortage::Short(short)) => {
            let lines = short.into_iter().map(|(variant, _)| line(variant).unwrap_or_default());
            let short = |line| Violation::new(line, "insufficient-stock", "fewer units are available");
            Error::InsufficientStock(lines.map(short).collect())
        }
        StockRefusal::Shortage(Shortage::BelowReserved(Stock { on_hand, reserved, .. })) => Error::conflict(format!(
            "The stock would fall below zero, or below what is reserved: {on_hand} are on hand, {reserved} of them reserved."
        )),
        StockRefusal::Shortage(Shortage::BeyondLimit) => {
            Error::conflict("The stock would rise beyond 2147483647 units.")
        }
        StockRefusal::Over(State::Held) => Error::conflict("The time of the reservation is over."),
        StockRefusal::Over(state) => Error::conflict(format!("The reservation is {}.", state.as_str())),
        StockRefusal::Stale => Error::Stale,
        StockRefusal::Several(refused_items) => match refused_items.into_iter().next() {
            Some((_, first)) => refused(first, line),
            None => Error::NotFound,
        },
        StockRefusal::TooLong => Error::conflict("The reservation would be kept longer than a day."),
    }
}
