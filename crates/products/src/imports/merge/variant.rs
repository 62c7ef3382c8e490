//! What a file makes of a variant and its stock.

use formats::dialect::Field;
use formats::{Given, ImportedVariant};
use kernel::{Error, Uuid};
use stock::model::{ImportedStock, Inventory, MAX_STOCK, Stock};

use super::super::notes::NoteKind;
use super::{Made, MergeError, Pair, Work};
use crate::catalogue::model::{Image, Variant};

impl Work<'_> {
    /// The variant with what the file says, its stock then, and the file's quantity.
    pub(super) fn variant(
        &mut self,
        pair: &Pair<'_>,
        mint: &impl Fn() -> Result<Uuid, Error>,
    ) -> Result<Made, MergeError> {
        let Pair { imported, known } = pair;
        let (mut variant, present) = match known {
            Some((variant, stock)) => ((*variant).clone(), **stock),
            None => {
                let id = mint()?;
                (new_variant(id), Stock::new(id, 0))
            }
        };
        let is_new = known.is_none();
        match imported.price {
            Some(price) => variant.price = price,
            None if is_new => {
                let detail = "there is none; expected the price of the variant, such as 19.99".to_owned();
                self.refuse(imported.row, Field::Price, detail);
            }
            None => {}
        }
        if self.imported.option_names.is_some() || is_new {
            variant.option_values.clone_from(&imported.option_values);
        }
        variant.sku = imported.sku.clone().over(variant.sku);
        variant.barcode = imported.barcode.clone().over(variant.barcode);
        variant.compare_at_price = imported.compare_at_price.over(variant.compare_at_price);
        variant.details.weight = imported.weight.over(variant.details.weight);
        variant.details.backorder = imported.backorder.unwrap_or(variant.details.backorder);
        match &imported.image {
            Given::Absent => {}
            Given::Empty => variant.details.images.clear(),
            // A picture that is there keeps its words.
            Given::Value(url) if variant.details.images.iter().any(|image| image.url == *url) => {}
            Given::Value(url) => variant.details.images = vec![Image { url: url.clone(), alt: None }],
        }
        let quantity = self.quantity(imported, is_new);
        let has_last = self.present.last.get(&variant.id).copied().flatten().is_some();
        let inventory = (!is_new).then_some(variant.details.inventory);
        variant.details.inventory = self.inventory(imported, quantity, inventory, has_last);
        let stock = self.stock(imported, present, quantity, is_new);
        variant.in_stock = variant.is_in_stock(&stock);
        Ok(Made { variant, stock, quantity, row: Some(imported.row) })
    }

    /// The file's quantity, not below zero, or what new variants are given.
    fn quantity(&mut self, imported: &ImportedVariant, is_new: bool) -> Option<i64> {
        let Some(quantity) = imported.quantity else {
            return self.present.options.quantity.filter(|_| is_new);
        };
        if quantity < 0 {
            let detail = format!("{quantity} units: the shop sold more than it had; it has none here");
            self.note(imported.row, NoteKind::Negative, detail);
        }
        if quantity > MAX_STOCK {
            let detail = format!("`{quantity}` is too many; expected at most {MAX_STOCK}");
            self.refuse(imported.row, Field::Quantity, detail);
        }
        Some(quantity.max(0))
    }

    /// Whether units are counted. Without a number there is nothing to count: a variant would be sold out.
    fn inventory(
        &mut self,
        imported: &ImportedVariant,
        quantity: Option<i64>,
        present: Option<Inventory>,
        has_last: bool,
    ) -> Inventory {
        let by_option = quantity.is_some() && imported.quantity.is_none();
        let inventory = match (imported.is_tracked, quantity) {
            (_, Some(_)) if by_option => Inventory::Tracked,
            (Some(false), _) => Inventory::Untracked,
            (Some(true), Some(_)) => Inventory::Tracked,
            // Where no file had a quantity yet, this is the first.
            (None, Some(_)) if !has_last => Inventory::Tracked,
            (None, Some(_)) => present.unwrap_or(Inventory::Tracked),
            (_, None) => present.unwrap_or(Inventory::Untracked),
        };
        let is_unknown = present.is_none() || imported.is_tracked == Some(true) && !inventory.is_tracked();
        if is_unknown && quantity.is_none() {
            let detail = "the file has no quantity: its units are not counted (--quantity N gives each such variant N)";
            self.note(imported.row, NoteKind::NoQuantity, detail.to_owned());
        } else if !inventory.is_tracked() && present != Some(Inventory::Untracked) {
            let detail = "the shop did not count its units: it is always in stock, as it was there".to_owned();
            self.note(imported.row, NoteKind::Untracked, detail);
        }
        inventory
    }

    /// The stock then. What others promise meanwhile, the store takes into account once more.
    fn stock(&mut self, imported: &ImportedVariant, present: Stock, quantity: Option<i64>, is_new: bool) -> Stock {
        let Some(quantity) = quantity else { return present };
        if is_new {
            return Stock { on_hand: quantity, ..present };
        }
        let last = self.present.last.get(&present.variant_id).copied().flatten();
        let wanted = self.present.options.stock.wanted(present, last, quantity);
        let on_hand = ImportedStock::possible(present, wanted);
        if on_hand != wanted {
            self.note(imported.row, NoteKind::HeldBack, held_back(wanted, on_hand));
        }
        Stock { on_hand, ..present }
    }
}

/// That a stock does not take all that a file says.
pub fn held_back(wanted: i64, on_hand: i64) -> String {
    let difference = (wanted - on_hand).abs();
    if wanted > on_hand {
        return format!("{wanted} units by the file, more than there can be: {on_hand}, {difference} fewer");
    }
    if on_hand == 0 {
        return format!("the file takes away {difference} units more than there are: none are left");
    }
    format!("{wanted} units by the file, but {on_hand} are reserved: {on_hand} stay, {difference} more")
}

fn new_variant(id: Uuid) -> Variant {
    Variant {
        id,
        sku: None,
        barcode: None,
        option_values: Vec::new(),
        price: 0,
        compare_at_price: None,
        in_stock: false,
        details: Default::default(),
    }
}
