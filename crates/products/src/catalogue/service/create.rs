//! New products.

use bytes::Bytes;
use effects::Effects;
use effects::idempotency::{Answer, Claim, Render, Repeat, Stored};
use effects::log::events as log;
use kernel::{Caller, Error, Principal};
use stock::model::Stock;
use storage::StoreError;

use super::Products;
use super::edit::fits;
use super::skus::told_by_place;
use crate::catalogue::events::{self, CREATED};
use crate::catalogue::model::{Content, Product, Status, Stocked, handle};
use crate::catalogue::store::Insert;

impl Products {
    /// Creates a product of the caller, at most once per key. Without a handle of its own it gets one that is free.
    ///
    /// # Errors
    /// `Conflict` when its handle or a SKU is taken; `IdempotencyInFlight`, `IdempotencyKeyReused`, `Unavailable`, `Overloaded`.
    pub async fn create(
        &self,
        caller: Caller,
        content: Content,
        repeat: Option<Repeat>,
        render: Render<Stocked>,
    ) -> Result<Answer, Error> {
        let this = self.clone();
        let create = async move {
            let write = |claim| this.create_once(&caller, content, claim, render);
            this.keys.once(repeat, write, |stored| this.render_again(stored, &caller, render)).await
        };
        self.tasks.run(create).await
    }

    async fn create_once(
        &self,
        caller: &Caller,
        content: Content,
        claim: Option<Claim>,
        render: Render<Stocked>,
    ) -> Result<Answer, Error> {
        let derived = content.handle.is_none();
        let draft = self.draft(&caller.principal, content)?;
        fits(&draft.product, None)?;
        let effects = self.creation(&draft, caller, claim.clone(), render)?;
        let cause = self.stock.cause(caller, None);
        let (this, seller) = (self.clone(), caller.clone());
        let renamed = move |draft: &Stocked| {
            let effects = this.creation(draft, &seller, claim.clone(), render);
            effects.map_err(|error| StoreError::Statement(error.to_string()))
        };
        let mut insert = Insert::new(draft, cause, effects);
        if derived {
            insert = insert.or_renamed(Box::new(renamed));
        }
        let product = insert.product().clone();
        match self.store.insert(insert).await {
            Ok(created) => Ok(answer(&created, caller, render)),
            Err(error) => {
                let skus = product.variants.iter().map(|variant| variant.sku.as_deref());
                Err(told_by_place(self.refused(&product, error).await, skus))
            }
        }
    }

    /// What is written with a new product.
    fn creation(
        &self,
        created: &Stocked,
        caller: &Caller,
        claim: Option<Claim>,
        render: Render<Stocked>,
    ) -> Result<Effects, Error> {
        let answered = claim.map(|claim| answer(created, caller, render).under(claim));
        Ok(Effects { answered, ..Effects::event(self.event(CREATED, created, caller)?) })
    }

    async fn render_again(&self, stored: Stored, caller: &Caller, render: Render<Stocked>) -> Result<Bytes, Error> {
        let event = log::at_version(&self.database, &stored.subject, stored.version).await?;
        let event = event.ok_or_else(|| Error::Internal(format!("{} has no event", stored.subject)))?;
        Ok(render(&events::stocked_in(&event)?, Some(&caller.principal.username)))
    }

    fn draft(&self, owner: &Principal, content: Content) -> Result<Stocked, Error> {
        let now = self.context.now();
        let mut product = Product {
            id: self.context.id_for(owner.account_id)?,
            owner_id: owner.account_id,
            handle: content.handle.unwrap_or_else(|| handle::derived(&content.name)),
            name: content.name,
            description: content.description,
            category: content.category,
            tags: content.tags,
            vendor: content.vendor,
            status: content.status.unwrap_or(Status::Draft),
            currency: content.currency,
            option_names: content.option_names,
            images: content.images,
            variants: Vec::with_capacity(content.variants.len()),
            version: 1,
            created_at: now,
            updated_at: now,
            import_digest: None,
            details: content.details,
        };
        let mut stock = Vec::with_capacity(content.variants.len());
        for variant in content.variants {
            let variant_id = self.context.id_for(owner.account_id)?;
            let units = Stock::new(variant_id, variant.stock);
            let (variant, units) = variant.with(units, None);
            product.variants.push(variant);
            stock.push(units);
        }
        Ok(Stocked { product, stock })
    }
}

/// Who creates a product sells it. (What is too large to be stored is rendered again with the name that they have then.)
fn answer(created: &Stocked, caller: &Caller, render: Render<Stocked>) -> Answer {
    let Product { id, version, .. } = created.product;
    Answer::new(201, render(created, Some(&caller.principal.username)), events::subject(id), version)
}
