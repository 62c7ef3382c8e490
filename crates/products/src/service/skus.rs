//! SKUs that are there more than once.

use std::collections::HashSet;

use kernel::{Error, Uuid, Violation, text};

use super::{Products, TAKEN_SKU};
use crate::model::Product;
use crate::store::{SKU_RULE, SkuHolder};

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

    /// The refusal of a product with a SKU that is taken, where an owner has none twice: it names the other product, if it is one.
    pub(super) async fn taken_sku(&self, product: &Product) -> Error {
        let skus = product.variants.iter().filter_map(|variant| variant.sku.as_deref());
        let keys: Vec<String> = skus.map(text::fold).collect();
        let holders = self.store.sku_holders(product.owner_id, &keys).await.unwrap_or_default();
        match holders.iter().find(|holder| holder.product_id != product.id) {
            Some(SkuHolder { key, handle, .. }) => {
                Error::taken(SKU, format!("Another variant of the same owner has this SKU: {key} of {handle}."))
            }
            None => Error::taken(SKU, TAKEN_SKU),
        }
    }
}

/// The field of a conflict about a SKU.
const SKU: &str = "sku";

/// A conflict about SKUs that the input itself repeats is one of its broken rules: it can be told where.
pub(super) fn told_by_place<'s>(error: Error, skus: impl Iterator<Item = Option<&'s str>>) -> Error {
    if !matches!(&error, Error::Conflict(taken) if taken.field == SKU) {
        return error;
    }
    let mut seen = HashSet::new();
    let repeats = skus.enumerate().filter(|(_, sku)| sku.is_some_and(|sku| !seen.insert(text::fold(sku))));
    let place =
        |(number, _)| Violation::new(format!("variants/{number}/sku"), "duplicate", "another variant has this SKU");
    let broken: Vec<Violation> = repeats.map(place).collect();
    if broken.is_empty() { error } else { Error::Invalid(broken) }
}
