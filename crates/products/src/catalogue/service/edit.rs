//! Changes of products.

use std::time::Duration;

use effects::idempotency::Answered;
use effects::{Effects, EffectsOf};
use kernel::product::MAX_PRODUCT_BYTES;
use kernel::{Actor, Caller, Error, Expected, Uuid};
use stock::model::{Cause, ChangedStock};
use stock::store::RESERVED_RULE;
use storage::StoreError;

use super::Products;
use super::skus::told_by_place;
use crate::catalogue::events::{self, DELETED, UPDATED};
use crate::catalogue::model::{Edit, Listing, Patch, Product, Status, Stocked, reserved};
use crate::catalogue::store::{StockEdit, Update};

/// What an edit makes of a product.
pub(super) struct Edited {
    pub after: Stocked,
    pub stock: StockEdit,
    /// The answer to keep.
    pub answered: Option<Answered>,
}

impl Products {
    /// Archives a product, whoever edits it meanwhile.
    ///
    /// # Errors
    /// `Unavailable`, `Overloaded`.
    pub async fn archive(&self, id: Uuid) -> Result<(), Error> {
        // An edit of the owner's, sent before they went, may still come between.
        let mut turn = self.turns.take(id).await;
        while turn.goes_on().await {
            // Deleted meanwhile is as good.
            let Some(before) = self.store.get_stocked(id).await? else { return Ok(()) };
            let mut product = before.clone();
            if product.product.status == Status::Archived {
                return Ok(());
            }
            let Product { version, status, updated_at, .. } = &mut product.product;
            let expected = *version;
            (*version, *status, *updated_at) = (expected + 1, Status::Archived, self.context.now());
            let cause = Cause { actor: Actor::System, reason: None, reference: None, time: self.context.now() };
            let effects = self.update_effects(Some(&before.product), &product, &cause, None, None)?;
            let update = Update { stocked: product, expected, stock: StockEdit::Keep, cause, effects };
            if self.store.update(vec![update]).await?.is_some() {
                return Ok(());
            }
        }
        Err(Error::Unavailable("a product to archive is being edited all the time".into()))
    }

    /// v1's edit of a product that the caller manages.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`; `Invalid` as [`Edit::apply`]; `Conflict` when the stock would fall below what is reserved;
    /// `Overloaded` when edits keep meeting those of other processes; `Unavailable`.
    pub async fn edit(&self, caller: Caller, id: Uuid, edit: Edit) -> Result<Stocked, Error> {
        let this = self.clone();
        let apply = move |before: &Stocked| {
            let (after, set_stock) = edit.clone().apply(before)?;
            let stock = if set_stock { StockEdit::Set } else { StockEdit::Keep };
            Ok(Edited { after, stock, answered: None })
        };
        self.tasks.run(async move { this.edit_once(&caller, id, Expected::Any, apply).await }).await
    }

    /// Changes the fields of a product that the patch names.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `Stale`, `Invalid`; `Conflict` when its handle or SKU is taken; `Overloaded` when edits keep
    /// meeting others; `Unavailable`.
    pub async fn patch(&self, caller: Caller, id: Uuid, expected: Expected, patch: Patch) -> Result<Stocked, Error> {
        let this = self.clone();
        let apply = move |before: &Stocked| patch.apply(before).map(Edited::from);
        self.tasks.run(async move { this.edit_once(&caller, id, expected, apply).await }).await
    }

    /// Gives a product other content. Its stock stays.
    ///
    /// # Errors
    /// As [`Products::patch`]; `Conflict` also when a variant would vanish of which units are promised.
    pub async fn replace(
        &self,
        caller: Caller,
        id: Uuid,
        expected: Expected,
        listing: Listing,
    ) -> Result<Stocked, Error> {
        let (this, context) = (self.clone(), self.context.clone());
        let variants = listing.variants.iter().flatten();
        let skus: Vec<Option<String>> = variants.map(|variant| variant.offer.sku.clone()).collect();
        let apply = move |before: &Stocked| {
            let mint = || context.id_for(before.product.owner_id);
            let content = listing.clone().check(Some(&before.product))?;
            content.replace(before, mint).map(Edited::from)
        };
        let replaced = self.tasks.run(async move { this.edit_once(&caller, id, expected, apply).await }).await;
        replaced.map_err(|error| told_by_place(error, skus.iter().map(Option::as_deref)))
    }

    /// Applies an edit to the product as it is, which may change meanwhile. An edit without effect makes no version.
    pub(super) async fn edit_once(
        &self,
        caller: &Caller,
        id: Uuid,
        expected: Expected,
        apply: impl Fn(&Stocked) -> Result<Edited, Error>,
    ) -> Result<Stocked, Error> {
        let mut turn = self.turns.take(id).await;
        while turn.goes_on().await {
            let before = self.changeable(caller, id).await?;
            let version = before.product.version;
            expected.check(version)?;
            // As it is if there is a difference, which the answer tells.
            let mut next = before.clone();
            next.product.version = version + 1;
            next.product.updated_at = self.context.now();
            let Edited { after, stock, answered } = apply(&next)?;
            if after == next {
                return Ok(before);
            }
            fits(&after.product, Some(&before.product))?;
            let cause = self.stock.cause(caller, None);
            let effects =
                self.update_effects(Some(&before.product), &after, &cause, caller.request_id.clone(), answered)?;
            let keeps_stock = matches!(stock, StockEdit::Keep);
            let update = Update { stocked: after.clone(), expected: version, stock, cause, effects };
            match self.store.update(vec![update]).await {
                Ok(Some(_)) => return Ok(after),
                Ok(None) => continue,
                // Somebody reserved units of a variant that would vanish.
                Err(error) if keeps_stock && error.is_conflict_on(RESERVED_RULE) => return Err(reserved()),
                Err(error) => return Err(self.refused(&after.product, error).await),
            }
        }
        Err(contended())
    }

    /// Deletes a product that the caller manages.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `Stale`; `Conflict` while units of it are reserved; `Overloaded` when edits of other processes keep
    /// coming between; `Unavailable`.
    pub async fn delete(&self, caller: Caller, id: Uuid, expected: Expected) -> Result<(), Error> {
        let this = self.clone();
        self.tasks.run(async move { this.delete_once(&caller, id, expected).await }).await
    }

    async fn delete_once(&self, caller: &Caller, id: Uuid, expected: Expected) -> Result<(), Error> {
        let mut turn = self.turns.take(id).await;
        while turn.goes_on().await {
            let mut deleted = self.changeable(caller, id).await?;
            let version = deleted.product.version;
            expected.check(version)?;
            deleted.product.version += 1;
            let effects = Effects::event(self.event(DELETED, &deleted, caller)?);
            match self.store.delete(id, version, self.stock.cause(caller, None), effects).await {
                Ok(true) => return Ok(()),
                Ok(false) => continue,
                Err(error) if error.is_conflict_on(RESERVED_RULE) => return Err(reserved()),
                Err(error) => return Err(error.into()),
            }
        }
        Err(contended())
    }

    /// What is written with an edit: its own event, one for each stock that it sets, and its answer.
    pub(crate) fn update_effects(
        &self,
        before: Option<&Product>,
        after: &Stocked,
        cause: &Cause,
        request_id: Option<String>,
        answered: Option<Answered>,
    ) -> Result<EffectsOf<Vec<ChangedStock>>, Error> {
        let id = self.context.id_for(after.product.owner_id)?;
        let edited = events::event(UPDATED, id, after, cause.actor, cause.time, request_id.as_deref())?;
        let edited = edited.tagged(before.into_iter().flat_map(events::lists_of));
        let (this, cause) = (self.clone(), cause.clone());
        Ok(Box::new(move |changed: &Vec<ChangedStock>| {
            let mut events = vec![edited];
            for changed in changed {
                let told = this.stock.changed_stock_events(changed, &cause, request_id.as_deref());
                events.extend(told.map_err(|error| StoreError::Statement(error.to_string()))?);
            }
            Ok(Effects { events, answered, ..Effects::default() })
        }))
    }
}

impl From<Stocked> for Edited {
    fn from(after: Stocked) -> Self {
        Self { after, stock: StockEdit::Keep, answered: None }
    }
}

/// No conflict, which would be kept as final: the same request succeeds when the others are done.
pub(super) fn contended() -> Error {
    Error::Overloaded { what: "edits of one product", retry_after: Duration::from_secs(1) }
}

/// # Errors
/// `Invalid` when the product is larger than one may be, and than it was.
pub(super) fn fits(after: &Product, before: Option<&Product>) -> Result<(), Error> {
    let grows = before.is_none_or(|before| before.text_bytes() < after.text_bytes());
    if grows && after.is_too_large() {
        let detail = format!("the product must have at most {MAX_PRODUCT_BYTES} bytes of JSON in all");
        return Err(Error::invalid("", "length", detail));
    }
    Ok(())
}
