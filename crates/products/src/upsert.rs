//! Bringing a file's products into the catalogue: created once, edited when the file says something new, left alone otherwise.

use kernel::{Actor, Currency, Error, Money, Uuid};
use platform::db::Effects;
use sha2::{Digest, Sha256};

use crate::events::{self, CREATED};
use crate::import::{ImportedProduct, ImportedStatus, ImportedVariant};
use crate::model::{
    Cause, Image, MAX_CATEGORY, MAX_CODE, MAX_HANDLE, MAX_NAME, MAX_OPTION_BYTES, MAX_STOCK, Product, Status, Stock,
    Stocked, Variant, highest_price, stored_bytes,
};
use crate::service::Products;
use crate::store::Insert;

/// What became of an imported product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Created,
    Updated,
    /// The file says what it said last time; edits and sales since then stand.
    Unchanged,
}

impl Products {
    /// Writes an imported product for `owner`, in its own transaction. With `dry_run`, only tells what would happen.
    ///
    /// # Errors
    /// `Invalid` when it breaks a rule of the catalogue; `Conflict` when a SKU belongs to another product of the owner;
    /// `Unavailable`, `Overloaded`.
    pub async fn upsert(
        &self,
        owner: Uuid,
        imported: ImportedProduct,
        currency: Currency,
        dry_run: bool,
    ) -> Result<Outcome, Error> {
        check(&imported, currency)?;
        let content = serde_json::to_vec(&(&imported, currency)).map_err(|error| Error::Internal(error.to_string()))?;
        let digest = Sha256::digest(content).to_vec();
        let before = self.store.by_handle(owner, &imported.handle).await?;
        if before.as_ref().is_some_and(|before| before.product.import_digest.as_ref() == Some(&digest)) {
            return Ok(Outcome::Unchanged);
        }
        let outcome = if before.is_some() { Outcome::Updated } else { Outcome::Created };
        if dry_run {
            return Ok(outcome);
        }
        let expected = before.as_ref().map(|before| before.product.version);
        let merged = self.merge(owner, imported, currency, digest, before)?;
        let now = self.context.now();
        let cause = Cause { actor: Actor::Account(owner), reason: Some("import".into()), reference: None, time: now };
        match expected {
            None => {
                let id = self.context.id_for(owner)?;
                let effects = Effects::event(events::event(CREATED, id, &merged, cause.actor, now, None)?);
                self.store.insert(Insert::new(merged, cause, effects)).await?;
            }
            Some(version) => {
                let effects = self.update_effects(&merged, &cause, None, None)?;
                if !self.store.update(merged, version, true, cause, effects).await? {
                    return Err(Error::conflict("the product was edited during the import; run it again."));
                }
            }
        }
        Ok(outcome)
    }

    fn merge(
        &self,
        owner: Uuid,
        imported: ImportedProduct,
        currency: Currency,
        digest: Vec<u8>,
        before: Option<Stocked>,
    ) -> Result<Stocked, Error> {
        let now = self.context.now();
        let (id, version, created_at, known) = match before {
            Some(Stocked { product, stock }) => {
                let known = product.variants.into_iter().zip(stock).collect();
                (product.id, product.version + 1, product.created_at, known)
            }
            None => (self.context.id_for(owner)?, 1, now, Vec::new()),
        };
        let pairs = imported.variants.into_iter().map(|variant| self.variant(owner, variant, &known));
        let (variants, stock) = pairs.collect::<Result<Vec<_>, Error>>()?.into_iter().unzip();
        let product = Product {
            id,
            owner_id: owner,
            handle: imported.handle,
            name: imported.name.trim().to_owned(),
            description: imported.description,
            category: imported.category,
            tags: imported.tags,
            vendor: imported.vendor,
            status: match imported.status {
                ImportedStatus::Active => Status::Active,
                ImportedStatus::Draft => Status::Draft,
                ImportedStatus::Archived => Status::Archived,
            },
            currency,
            option_names: imported.option_names,
            images: imported.images.into_iter().map(|image| Image { url: image.url, alt: image.alt }).collect(),
            variants,
            version,
            created_at,
            updated_at: now,
            import_digest: Some(digest),
        };
        Ok(Stocked { product, stock })
    }

    /// A variant keeps its id, and what is reserved of it, as long as its option values stay.
    fn variant(
        &self,
        owner: Uuid,
        imported: ImportedVariant,
        known: &[(Variant, Stock)],
    ) -> Result<(Variant, Stock), Error> {
        let same = known.iter().find(|(variant, _)| variant.option_values == imported.option_values);
        let (id, reserved) = match same {
            Some((variant, stock)) => (variant.id, stock.reserved),
            None => (self.context.id_for(owner)?, 0),
        };
        let stock = Stock { variant_id: id, on_hand: imported.quantity, reserved };
        let variant = Variant {
            id,
            sku: imported.sku,
            barcode: imported.barcode,
            option_values: imported.option_values,
            price: imported.price,
            compare_at_price: imported.compare_at_price,
            in_stock: stock.available() > 0,
        };
        Ok((variant, stock))
    }
}

/// The catalogue's own rules; the reader has checked the form.
fn check(imported: &ImportedProduct, currency: Currency) -> Result<(), Error> {
    let length = |text: &str| text.trim().chars().count();
    let highest = highest_price(currency);
    if !(1..=MAX_NAME).contains(&length(&imported.name)) {
        return Err(Error::invalid("name", "length", format!("the title must have 1 to {MAX_NAME} characters")));
    }
    if !(1..=MAX_HANDLE).contains(&length(&imported.handle)) {
        return Err(Error::invalid("handle", "length", format!("the handle must have 1 to {MAX_HANDLE} characters")));
    }
    if imported.category.as_deref().is_some_and(|category| length(category) > MAX_CATEGORY) {
        let detail = format!("the category must have at most {MAX_CATEGORY} characters");
        return Err(Error::invalid("category", "length", detail));
    }
    if imported.variants.iter().any(|variant| variant.price > highest || variant.compare_at_price > Some(highest)) {
        let price = Money { amount: highest, currency }.to_decimal(currency.exponent());
        return Err(Error::invalid("price", "range", format!("a price is higher than {price} {currency}")));
    }
    for variant in &imported.variants {
        let [sku, barcode] = [&variant.sku, &variant.barcode].map(|code| code.as_deref().map_or(0, length));
        if sku > MAX_CODE || barcode > MAX_CODE {
            return Err(Error::invalid(
                "sku",
                "length",
                format!("a SKU or barcode is longer than {MAX_CODE} characters"),
            ));
        }
        if stored_bytes(&variant.option_values) > MAX_OPTION_BYTES {
            let detail = format!("the option values of a variant are longer than {MAX_OPTION_BYTES} bytes together");
            return Err(Error::invalid("options", "length", detail));
        }
    }
    if imported.variants.iter().any(|variant| variant.quantity > MAX_STOCK) {
        return Err(Error::invalid("stock", "range", format!("a quantity is higher than {MAX_STOCK}")));
    }
    Ok(())
}
