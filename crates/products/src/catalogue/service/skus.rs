//! SKUs that are there more than once.

use std::collections::HashSet;

use kernel::{Error, Uuid, Violation, text};
use stock::events::variant_subject;
use storage::StoreError;

use super::Products;
use crate::catalogue::events::subject;
use crate::catalogue::model::Product;
use crate::catalogue::store::{HANDLE_RULE, SKU_RULE, SkuHolder};

/// A SKU of an owner's that several variants have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepeatedSku {
    pub owner: Uuid,
    /// Folded.
    pub sku: String,
    /// Handles of their products.
    pub handles: Vec<String>,
}

impl Products {
    /// Whether no owner may have a SKU twice.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn unique_skus(&self) -> Result<bool, Error> {
        Ok(self.store.unique_skus().await?)
    }

    /// Says whether an owner may have a SKU twice; tells whether that could be: not while one does who may not.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn set_unique_skus(&self, unique: bool) -> Result<bool, Error> {
        match self.store.set_unique_skus(unique).await {
            Ok(()) => Ok(true),
            Err(error) if error.is_conflict_on(SKU_RULE) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// SKUs that an owner has more than once, at most `limit`.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn repeated_skus(&self, limit: i64) -> Result<Vec<RepeatedSku>, Error> {
        let repeated = self.store.repeated_skus(limit).await?.into_iter();
        let named = |(owner, sku, holders): (Uuid, String, Vec<SkuHolder>)| RepeatedSku {
            owner,
            sku,
            handles: holders.into_iter().map(|holder| holder.handle).collect(),
        };
        Ok(repeated.map(named).collect())
    }

    /// What a store's refusal of a product means to its seller: what is taken is named, with what has it.
    pub(super) async fn refused(&self, product: &Product, error: StoreError) -> Error {
        match &error {
            StoreError::Conflict(rule) if rule == SKU_RULE => self.taken_sku(product).await,
            StoreError::Conflict(rule) if rule == HANDLE_RULE => self.taken_handle(product).await,
            _ => super::refused(error),
        }
    }

    async fn taken_handle(&self, product: &Product) -> Error {
        let detail = "Another product of the same owner has this handle.";
        let taken = Violation::new("handle", "taken", detail).with_value(&*product.handle);
        let holder = self.store.get_by_handle(product.owner_id, &product.handle).await.ok().flatten();
        Error::Conflict(match holder {
            Some(holder) => taken.held_by(subject(holder.product.id)),
            None => taken,
        })
    }

    /// The refusal of a product with a SKU that is taken, where an owner has none twice: it names the other product, if it is one.
    pub(super) async fn taken_sku(&self, product: &Product) -> Error {
        let skus = product.variants.iter().filter_map(|variant| variant.sku.as_deref());
        let keys: Vec<String> = skus.map(text::fold).collect();
        let holders = self.store.sku_holders(product.owner_id, &keys, product.id).await.unwrap_or_default();
        Error::Conflict(match holders.first() {
            Some(SkuHolder { key, handle, variant_id, .. }) => {
                let sku = product
                    .variants
                    .iter()
                    .find_map(|variant| variant.sku.as_deref().filter(|sku| text::fold(sku) == *key));
                let detail = format!("Another variant of the same owner has this SKU: {key} of {handle}.");
                let taken = Violation::new(SKU, "taken", detail).with_value(sku.unwrap_or(key));
                taken.held_by(variant_subject(*variant_id))
            }
            None => Violation::new(SKU, "taken", TAKEN_SKU),
        })
    }
}

const TAKEN_SKU: &str = "Another variant of the same owner has this SKU.";
/// The field of a conflict about a SKU.
const SKU: &str = "sku";

/// A conflict about SKUs that the input itself repeats is one of its broken rules: it can be told where.
pub(super) fn told_by_place<'s>(error: Error, skus: impl Iterator<Item = Option<&'s str>>) -> Error {
    let taken = match error {
        Error::Conflict(taken) if taken.field == SKU => taken,
        error => return error,
    };
    let skus: Vec<Option<&str>> = skus.collect();
    let mut seen = HashSet::new();
    let repeats = skus.iter().enumerate().filter(|(_, sku)| sku.is_some_and(|sku| !seen.insert(text::fold(sku))));
    let place =
        |(number, _)| Violation::new(format!("variants/{number}/sku"), "duplicate", "another variant has this SKU");
    let broken: Vec<Violation> = repeats.map(place).collect();
    if !broken.is_empty() {
        return Error::Invalid(broken);
    }
    let value = taken.more.as_ref().and_then(|more| more.value.as_deref());
    // A plain product has its one SKU itself.
    let place = skus.iter().position(|sku| skus.len() > 1 && sku.is_some() && *sku == value);
    Error::Conflict(match place {
        Some(number) => Violation { field: format!("variants/{number}/sku").into(), ..taken },
        None => taken,
    })
}
