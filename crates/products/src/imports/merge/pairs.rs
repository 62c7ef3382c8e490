//! Which variant each one of a file is, and what becomes of those of which it does not speak.

use std::collections::HashMap;

use formats::ImportedVariant;
use formats::dialect::Field;
use formats::values::excerpt;
use kernel::{Uuid, text};
use stock::model::Stock;

use super::super::notes::NoteKind;
use super::{Made, Pair, Work};
use crate::catalogue::model::Variant;

impl<'a> Work<'a> {
    /// Finds which variant each one of the file is.
    pub(super) fn pair(&mut self, names: &[String]) -> Vec<Pair<'a>> {
        let mut known: Vec<Option<(&Variant, &Stock)>> = self.known().map(Some).collect();
        let variants = &self.imported.variants;
        let with_options = self.imported.option_names.is_some();
        let mut found: Vec<Option<(&Variant, &Stock)>> = vec![None; variants.len()];
        if with_options && self.before().is_some_and(|before| before.option_names.len() == names.len()) {
            let by_options: HashMap<&[String], usize> =
                self.known().enumerate().map(|(at, (variant, _))| (variant.option_values.as_slice(), at)).collect();
            for (place, imported) in found.iter_mut().zip(variants) {
                let at = by_options.get(imported.option_values.as_slice());
                *place = at.and_then(|at| known[*at].take());
            }
        }
        for (place, imported) in found.iter_mut().zip(variants).filter(|(place, _)| place.is_none()) {
            *place = take_by_sku(&mut known, imported);
        }
        if !with_options && let [only] = found.as_mut_slice() {
            let mut left = known.iter_mut().filter(|known| known.is_some());
            if let (Some(last), None) = (left.next(), left.next())
                && only.is_none()
                && self.known().count() == 1
            {
                *only = last.take();
            }
        }
        let several = self.known().count();
        if !with_options {
            for (imported, _) in variants.iter().zip(&found).filter(|(_, found)| found.is_none() && several > 0) {
                let detail = format!(
                    "the product has {several} variants, and the file has neither option columns nor the SKU of just one of them; \
                     expected either, to tell which this is"
                );
                self.refuse(imported.row, Field::Handle, detail);
            }
            if several == 0 && variants.len() > 1 {
                let detail = format!(
                    "row {} is this product's variant already; expected options (such as Size) that differ",
                    variants[0].row
                );
                self.refuse(variants[1].row, Field::Handle, detail);
            }
        }
        variants.iter().zip(found).map(|(imported, known)| Pair { imported, known }).collect()
    }

    /// Variants of which the file does not speak. They stay, unless its options are others.
    pub(super) fn others(&mut self, pairs: &[Pair<'_>], names: &[String]) -> Vec<(&'a Variant, &'a Stock)> {
        let is_known = |id: Uuid| pairs.iter().any(|pair| pair.known.is_some_and(|(variant, _)| variant.id == id));
        let others: Vec<_> = self.known().filter(|(variant, _)| !is_known(variant.id)).collect();
        let row = self.imported.row;
        if self.before().is_none_or(|before| before.option_names.len() == names.len()) {
            if !others.is_empty() && !pairs.is_empty() {
                let detail = format!("the file does not speak of {}: they stay", named(&others));
                self.note(row, NoteKind::Kept, detail);
            }
            return others;
        }
        for (variant, stock) in &others {
            let name = variant_name(variant);
            if stock.is_promised() {
                let detail =
                    format!("the file has other options than the variant {name}, of which buyers wait for units");
                self.refuse(row, Field::OptionName1, detail);
            } else {
                let detail =
                    format!("the variant {name} goes, with {} units: the file has other options", stock.on_hand);
                self.note(row, NoteKind::Lost, detail);
            }
        }
        Vec::new()
    }

    /// A file that speaks only of some variants does not say in which order they are: what is new comes last.
    pub(super) fn keep_order(&self, made: &mut [Made]) {
        let places: HashMap<Uuid, usize> =
            self.known().enumerate().map(|(at, (variant, _))| (variant.id, at)).collect();
        made.sort_by_key(|made| places.get(&made.variant.id).copied().unwrap_or(usize::MAX));
    }
}

/// The one variant that is left with the SKU of the file's.
fn take_by_sku<'a>(
    known: &mut [Option<(&'a Variant, &'a Stock)>],
    imported: &ImportedVariant,
) -> Option<(&'a Variant, &'a Stock)> {
    let folded = text::fold(imported.sku.value()?);
    let has = |known: &&mut Option<(&Variant, &Stock)>| {
        known.is_some_and(|(variant, _)| variant.sku.as_deref().map(text::fold).as_deref() == Some(&folded))
    };
    let mut with_it = known.iter_mut().filter(has);
    match (with_it.next(), with_it.next()) {
        (Some(one), None) => one.take(),
        _ => None,
    }
}

fn named(variants: &[(&Variant, &Stock)]) -> String {
    const SHOWN: usize = 3;
    let mut names: Vec<String> = variants.iter().take(SHOWN).map(|(variant, _)| variant_name(variant)).collect();
    if variants.len() > SHOWN {
        names.push(format!("{} more variants", variants.len() - SHOWN));
    }
    names.join(", ")
}

fn variant_name(variant: &Variant) -> String {
    match (&variant.sku, variant.option_values.as_slice()) {
        (Some(sku), []) => excerpt(sku),
        (None, []) => "without options".to_owned(),
        (_, values) => excerpt(&values.join(" / ")),
    }
}
