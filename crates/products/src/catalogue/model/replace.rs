//! A product with new content: what it keeps.

use kernel::{Broken, Error, Uuid};
use stock::model::Stock;

use super::{Content, Product, Stocked, Variant, VariantContent, VariantDetails};

impl VariantContent {
    /// As a variant of these units. What it does not say of its inventory stays as it is with `present`.
    pub fn with(self, stock: Stock, present: Option<&VariantDetails>) -> (Variant, Stock) {
        let mut variant = Variant {
            id: stock.variant_id,
            sku: self.sku,
            barcode: self.barcode,
            option_values: self.option_values,
            price: self.price,
            compare_at_price: self.compare_at_price,
            in_stock: false,
            details: VariantDetails {
                inventory: self.inventory.or(present.map(|present| present.inventory)).unwrap_or_default(),
                backorder: self.backorder.or(present.map(|present| present.backorder)).unwrap_or_default(),
                weight: self.weight,
                images: self.images,
            },
        };
        variant.in_stock = variant.is_in_stock(&stock);
        (variant, stock)
    }
}

impl Content {
    /// The product with this content instead of its own. Variants that are named by their id, or have the option values of one,
    /// stay that one with its stock; others are new, with ids of `mint`.
    ///
    /// # Errors
    /// `Invalid` for an id that no variant of the product has; `Conflict` when a variant would
    /// vanish of which units are promised; as `mint`.
    pub fn replace(self, before: &Stocked, mint: impl Fn() -> Result<Uuid, Error>) -> Result<Stocked, Error> {
        let present = &before.product;
        let mut broken = Broken::default();
        for (n, id) in self.variants.iter().enumerate().filter_map(|(n, variant)| Some((n, variant.id?))) {
            if present.variants.iter().all(|known| known.id != id) {
                broken.refuse(format!("variants/{n}/id"), "unknown-variant", "the product has no variant of this id");
            }
        }
        broken.finish()?;
        let details = |id| present.variants.iter().find(|variant| variant.id == id).map(|variant| &variant.details);
        let known = self.known(present);
        let mut pairs = Vec::with_capacity(self.variants.len());
        for (variant, known) in self.variants.into_iter().zip(known) {
            let stock = match known.and_then(|id| before.stock.iter().find(|stock| stock.variant_id == id)) {
                Some(stock) => *stock,
                None => Stock::new(mint()?, variant.stock),
            };
            pairs.push(variant.with(stock, details(stock.variant_id)));
        }
        let (variants, stock): (Vec<Variant>, Vec<Stock>) = pairs.into_iter().unzip();
        before.may_lose(|id| stock.iter().all(|stock| stock.variant_id != id))?;
        let product = Product {
            name: self.name,
            description: self.description,
            category: self.category,
            tags: self.tags,
            vendor: self.vendor,
            status: self.status.unwrap_or(present.status),
            handle: self.handle.unwrap_or_else(|| present.handle.clone()),
            images: self.images,
            currency: self.currency,
            option_names: self.option_names,
            variants,
            details: self.details,
            ..present.clone()
        };
        Ok(Stocked { product, stock })
    }

    /// Which variant of the product each one is.
    fn known(&self, present: &Product) -> Vec<Option<Uuid>> {
        let mut known: Vec<Option<Uuid>> = self.variants.iter().map(|variant| variant.id).collect();
        for (n, variant) in self.variants.iter().enumerate().filter(|(_, variant)| variant.id.is_none()) {
            let options = pairs(&self.option_names, &variant.option_values);
            let same = |other: &&Variant| {
                let alike = other.option_values == variant.option_values
                    || pairs(&present.option_names, &other.option_values) == options;
                alike && !known.contains(&Some(other.id))
            };
            known[n] = present.variants.iter().find(same).map(|same| same.id);
        }
        known
    }
}

/// Options regardless of their order.
fn pairs<'a>(names: &'a [String], values: &'a [String]) -> Vec<(&'a String, &'a String)> {
    let mut pairs: Vec<_> = names.iter().zip(values).collect();
    pairs.sort_unstable();
    pairs
}

impl Stocked {
    /// # Errors
    /// `Conflict` when units are reserved of a variant that is lost.
    pub fn may_lose(&self, lost: impl Fn(Uuid) -> bool) -> Result<(), Error> {
        if self.stock.iter().any(|stock| stock.is_promised() && lost(stock.variant_id)) {
            Err(reserved())
        } else {
            Ok(())
        }
    }
}

/// The refusal to lose a variant, or all of them, of which units are reserved.
pub fn reserved() -> Error {
    Error::conflict("Units of it are reserved: it stays until they are sold or released.")
}
