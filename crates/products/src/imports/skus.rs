//! SKUs that an import would have more than once.

use std::collections::{HashMap, HashSet};

use formats::dialect::Field;
use formats::values::excerpt;
use formats::{ImportedProduct, RowError};
use kernel::text;

use super::upsert::{Importer, Planned, UpsertError};
use super::{Note, NoteKind};
use crate::catalogue::store::SkuHolder;

impl Importer<'_> {
    /// SKUs of the product that other products have, with one of these each.
    ///
    /// # Errors
    /// `Refused` and `Taken` where this store takes each once.
    pub(super) async fn repeated(
        &self,
        imported: &ImportedProduct,
        planned: &Planned,
    ) -> Result<Vec<(Note, SkuHolder)>, UpsertError> {
        let product = &planned.merged.after.product;
        let (mut keys, mut refused) = (HashMap::new(), Vec::new());
        for variant in &product.variants {
            let Some(sku) = &variant.sku else { continue };
            let row = planned.rows.get(&variant.id).copied().unwrap_or(imported.row);
            if let Some((_, other)) = keys.insert(text::fold(sku), (sku, row)).filter(|_| self.unique_skus) {
                let what = format!("{} is also the SKU of row {other}", excerpt(sku));
                refused.push(self.taken(row, &imported.handle, &what));
            }
        }
        if !refused.is_empty() {
            return Err(UpsertError::Refused(refused));
        }
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let holders = self.holders(planned).await?;
        if self.unique_skus && !holders.is_empty() {
            return Err(UpsertError::Taken(holders));
        }
        let with_note = |holder: SkuHolder| {
            // Told once for each SKU.
            let (sku, row) = keys.remove(&holder.key)?;
            let detail = format!("{} is also a SKU of {}", excerpt(sku), excerpt(&holder.handle));
            let handle = imported.handle.clone();
            Some((Note { row, handle, kind: NoteKind::RepeatedSku, detail }, holder))
        };
        Ok(holders.into_iter().filter_map(with_note).collect())
    }

    /// For each SKU of the product, another product that has it.
    pub(super) async fn holders(&self, planned: &Planned) -> Result<Vec<SkuHolder>, UpsertError> {
        let product = &planned.merged.after.product;
        let skus = product.variants.iter().filter_map(|variant| variant.sku.as_deref());
        let keys: Vec<String> = skus.map(text::fold).collect::<HashSet<_>>().into_iter().collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.products.store.sku_holders(self.owner, &keys, product.id).await?)
    }

    /// The refusal of a SKU that is taken.
    pub fn taken(&self, row: u64, handle: &str, what: &str) -> RowError {
        let remedy = "this store takes each SKU once: give it another, or allow repeats with \
            `primetrade products unique-sku off`";
        RowError {
            row,
            handle: handle.to_owned(),
            column: (self.column)(Field::Sku),
            detail: format!("{what}, and {remedy}"),
        }
    }

    /// The refusal of a product whose SKUs others have.
    pub fn taken_by(&self, imported: &ImportedProduct, holders: &[SkuHolder]) -> Vec<RowError> {
        let mut errors = Vec::new();
        for variant in &imported.variants {
            let Some(sku) = variant.sku.value() else { continue };
            if let Some(holder) = holders.iter().find(|holder| holder.key == text::fold(sku)) {
                let what = format!("{} is the SKU of {} too", excerpt(sku), excerpt(&holder.handle));
                errors.push(self.taken(variant.row, &imported.handle, &what));
            }
        }
        if errors.is_empty() {
            let what = format!("one of its SKUs is that of {} too", excerpt(holders.first().map_or("", |h| &h.handle)));
            errors.push(self.taken(imported.row, &imported.handle, &what));
        }
        errors
    }
}
