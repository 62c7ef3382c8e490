//! Single variants of products. They have no version of their own: a change of one is an edit of its product.

use bytes::Bytes;
use effects::idempotency::{Answer, Claim, Repeat, never_too_large};
use kernel::{Caller, Error, Expected, Principal, Uuid};

use super::Products;
use super::edit::Edited;
use crate::catalogue::model::{ListedVariant, Product, Stocked, VariantPatch, added, removed};

/// How a variant of this id that was added to a product is answered.
pub type RenderVariant = fn(&Stocked, Uuid) -> Bytes;

impl Products {
    /// The product that has this variant, as far as the caller may see it.
    ///
    /// # Errors
    /// As [`Products::visible`].
    pub async fn visible_with_variant(&self, caller: Option<&Principal>, variant: Uuid) -> Result<Product, Error> {
        let product = self.stock.store.product_of(variant).await?.ok_or(Error::NotFound)?;
        self.visible(caller, product).await
    }

    /// Adds a variant to a product, as its last one, at most once per key.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `Invalid`; `Conflict` when its options or SKU are taken, or there are as many as can be;
    /// `IdempotencyInFlight`, `IdempotencyKeyReused`, `Unavailable`.
    pub async fn add_variant(
        &self,
        caller: Caller,
        product: Uuid,
        listed: ListedVariant,
        repeat: Option<Repeat>,
        render: RenderVariant,
    ) -> Result<Answer, Error> {
        let this = self.clone();
        let add = async move {
            let write = |claim| this.add_once(&caller, product, listed, claim, render);
            this.keys.once(repeat, write, never_too_large).await
        };
        self.tasks.run(add).await
    }

    async fn add_once(
        &self,
        caller: &Caller,
        product: Uuid,
        listed: ListedVariant,
        claim: Option<Claim>,
        render: RenderVariant,
    ) -> Result<Answer, Error> {
        let answer = |after: &Stocked| {
            // It was added as the last one.
            let id = after.product.variants.last().map_or(Uuid::nil(), |variant| variant.id);
            Answer::new(201, render(after, id), stock::events::variant_subject(id), after.product.version)
        };
        let apply = |before: &Stocked| {
            let after = added(before, listed.clone(), self.context.id_for(before.product.owner_id)?)?;
            let answered = claim.clone().map(|claim| answer(&after).under(claim));
            Ok(Edited { answered, ..Edited::from(after) })
        };
        Ok(answer(&self.edit_once(caller, product, Expected::Any, apply).await?))
    }

    /// Changes the fields of a variant that the patch names; returns its product.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `Stale`, `Invalid`; `Conflict` when its options or SKU are taken; `Overloaded`, `Unavailable`.
    pub async fn patch_variant(
        &self,
        caller: Caller,
        variant: Uuid,
        expected: Expected,
        patch: VariantPatch,
    ) -> Result<Stocked, Error> {
        self.edit_variant(caller, variant, expected, move |before| patch.apply_to(before, variant)).await
    }

    /// Takes a variant away; returns its product.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `Stale`; `Conflict` when it is the last of its product, or units of it are reserved;
    /// `Overloaded`, `Unavailable`.
    pub async fn delete_variant(&self, caller: Caller, variant: Uuid, expected: Expected) -> Result<Stocked, Error> {
        self.edit_variant(caller, variant, expected, move |before| removed(before, variant)).await
    }

    async fn edit_variant(
        &self,
        caller: Caller,
        variant: Uuid,
        expected: Expected,
        apply: impl Fn(&Stocked) -> Result<Stocked, Error> + Send + Sync + 'static,
    ) -> Result<Stocked, Error> {
        let this = self.clone();
        let edit = async move {
            let product = this.stock.store.product_of(variant).await?.ok_or(Error::NotFound)?;
            this.edit_once(&caller, product, expected, |before| apply(before).map(Edited::from)).await
        };
        self.tasks.run(edit).await
    }
}
