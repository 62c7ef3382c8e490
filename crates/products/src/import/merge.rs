//! What a file makes of a product, or of none. Pure: the product as it is and the file's cells in, the product as it will be out.

use std::collections::HashMap;

use kernel::{Currency, Error, Money, Timestamp, Uuid, Violation};

use super::dialect::Field;
use super::upsert::{Note, NoteKind, Options};
use super::values::excerpt;
use super::{Given, ImportedProduct, ImportedStatus, ImportedVariant, RowError};
use crate::model::{
    Image, ImportedStock, Inventory, Listing, MAX_HANDLE, MAX_STOCK, Product, Status, Stock, Stocked, Variant,
    highest_price,
};
use crate::store::{Quantities, StockEdit};

/// The product with what the file says.
pub struct Merged {
    pub after: Stocked,
    pub quantities: Vec<Option<i64>>,
    /// The row of each variant, in their order; none for those of which the file does not speak.
    pub rows: Vec<Option<u64>>,
    pub notes: Vec<Note>,
}

/// What a merge needs to know beside the file.
pub struct Present<'p> {
    pub owner: Uuid,
    pub before: Option<&'p Stocked>,
    /// What the last file said of each variant's stock.
    pub last: &'p HashMap<Uuid, Option<i64>>,
    pub options: &'p Options,
    pub now: Timestamp,
    /// The names of the file's columns.
    pub column: &'p (dyn Fn(Field) -> Option<String> + Sync),
}

/// Why a merge fails.
pub enum MergeError {
    Refused(Vec<RowError>),
    Failed(Error),
}

impl From<Error> for MergeError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// A variant in the making: the file's, and the one in the store that it is.
struct Pair<'a> {
    imported: &'a ImportedVariant,
    known: Option<(&'a Variant, &'a Stock)>,
}

/// # Errors
/// All rules that the product would break; as `mint`.
pub fn merge(
    imported: &ImportedProduct,
    present: &Present<'_>,
    mint: impl Fn() -> Result<Uuid, Error>,
) -> Result<Merged, MergeError> {
    let mut work = Work { imported, present, errors: Vec::new(), notes: Vec::new() };
    let names = work.option_names();
    let pairs = work.pair(&names);
    if !work.errors.is_empty() {
        return Err(MergeError::Refused(work.errors));
    }
    let currency = work.currency(&pairs);
    let mut made = Vec::with_capacity(pairs.len());
    for pair in &pairs {
        made.push(work.variant(pair, &mint)?);
    }
    let others = work.others(&pairs, &names);
    if !others.is_empty() {
        made.extend(others.into_iter().map(|(variant, stock)| Made::as_is(variant, *stock)));
        work.keep_order(&mut made);
    }
    let (mut merged, mut variants) = (Merged::of(&made, work.imported), Vec::with_capacity(made.len()));
    for Made { variant, stock, .. } in made {
        variants.push(variant);
        merged.after.stock.push(stock);
    }
    merged.after.product = work.product(names, currency, variants, &mint)?;
    work.check(&merged)?;
    merged.notes = work.notes;
    Ok(merged)
}

/// A variant as it will be, with what the file says of it.
struct Made {
    variant: Variant,
    stock: Stock,
    quantity: Option<i64>,
    row: Option<u64>,
}

impl Made {
    fn as_is(variant: &Variant, stock: Stock) -> Self {
        Self { variant: variant.clone(), stock, quantity: None, row: None }
    }
}

struct Work<'a> {
    imported: &'a ImportedProduct,
    present: &'a Present<'a>,
    errors: Vec<RowError>,
    notes: Vec<Note>,
}

impl<'a> Work<'a> {
    fn before(&self) -> Option<&'a Product> {
        self.present.before.map(|before| &before.product)
    }

    /// Variants that are there, with their stock.
    fn known(&self) -> impl Iterator<Item = (&'a Variant, &'a Stock)> + use<'a> {
        let before = self.present.before;
        before.into_iter().flat_map(|before| before.product.variants.iter().zip(&before.stock))
    }

    fn refuse(&mut self, row: u64, field: Field, detail: String) {
        let handle = self.imported.handle.clone();
        self.errors.push(RowError { row, handle, column: (self.present.column)(field), detail });
    }

    fn note(&mut self, row: u64, kind: NoteKind, detail: String) {
        let handle = self.imported.handle.clone();
        self.notes.push(Note { row, handle, kind, detail });
    }

    fn option_names(&self) -> Vec<String> {
        let given = self.imported.option_names.clone();
        given.unwrap_or_else(|| self.before().map(|before| before.option_names.clone()).unwrap_or_default())
    }

    /// Finds which variant each one of the file is.
    fn pair(&mut self, names: &[String]) -> Vec<Pair<'a>> {
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
                    "the product has {several} variants, and the file has neither option columns nor the SKU of one of them; \
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

    /// The currency of the product's prices. A file may bring another one only if it has all of them.
    fn currency(&mut self, pairs: &[Pair<'_>]) -> Currency {
        let of_file = self.present.options.currency;
        let Some(before) = self.before().filter(|before| before.currency != of_file) else { return of_file };
        let is_priced = |pair: &Pair<'_>| pair.imported.price.is_some();
        if !pairs.iter().any(|pair| is_priced(pair) || pair.imported.compare_at_price.value().is_some()) {
            return before.currency;
        }
        let keeps = |pair: &Pair<'_>| {
            let keeps_compare = pair.imported.compare_at_price.is_absent()
                && pair.known.is_some_and(|(variant, _)| variant.compare_at_price.is_some());
            !is_priced(pair) || keeps_compare
        };
        if pairs.iter().any(keeps) || pairs.iter().filter(|pair| pair.known.is_some()).count() < before.variants.len() {
            let detail = format!(
                "the product is sold in {}, and the file has only some of its prices in {of_file}; expected all of them, or \
                 the currency of the product (--currency {})",
                before.currency, before.currency
            );
            self.refuse(self.imported.row, Field::Price, detail);
        }
        of_file
    }

    /// The variant with what the file says, its stock then, and the file's quantity.
    fn variant(&mut self, pair: &Pair<'_>, mint: &impl Fn() -> Result<Uuid, Error>) -> Result<Made, MergeError> {
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
        variant.details.inventory = self.inventory(imported, quantity, (!is_new).then_some(variant.details.inventory));
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
    ) -> Inventory {
        let by_option = quantity.is_some() && imported.quantity.is_none();
        let inventory = match (imported.is_tracked, quantity) {
            (_, Some(_)) if by_option => Inventory::Tracked,
            (Some(false), _) => Inventory::Untracked,
            (Some(true), Some(_)) => Inventory::Tracked,
            (None, Some(_)) => present.unwrap_or(Inventory::Tracked),
            (_, None) => present.unwrap_or(Inventory::Untracked),
        };
        if present.is_none() && quantity.is_none() {
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
            self.note(imported.row, NoteKind::HeldBack, held_back(wanted, on_hand, present.reserved));
        }
        Stock { on_hand, ..present }
    }

    /// Variants of which the file does not speak. They stay, unless its options are others.
    fn others(&mut self, pairs: &[Pair<'_>], names: &[String]) -> Vec<(&'a Variant, &'a Stock)> {
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
    fn keep_order(&self, made: &mut [Made]) {
        let places: HashMap<Uuid, usize> =
            self.known().enumerate().map(|(at, (variant, _))| (variant.id, at)).collect();
        made.sort_by_key(|made| places.get(&made.variant.id).copied().unwrap_or(usize::MAX));
    }

    fn product(
        &mut self,
        option_names: Vec<String>,
        currency: Currency,
        variants: Vec<Variant>,
        mint: &impl Fn() -> Result<Uuid, Error>,
    ) -> Result<Product, MergeError> {
        let (imported, present) = (self.imported, self.present);
        let before = self.before();
        if before.is_none() {
            self.check_new(&variants);
        }
        let mut product = match before {
            Some(before) => Product { version: before.version + 1, ..before.clone() },
            None => new_product(mint()?, present.owner, present.now, &imported.handle),
        };
        if let Some(name) = &imported.name {
            name.trim().clone_into(&mut product.name);
        }
        product.description = imported.description.clone().over(product.description);
        product.category = imported.category.clone().over(product.category);
        product.vendor = imported.vendor.clone().over(product.vendor);
        product.tags = imported.tags.clone().over(Some(product.tags)).unwrap_or_default();
        let details = &mut product.details;
        details.category_path = imported.category_path.clone().over(details.category_path.take());
        details.seo_title = imported.seo_title.clone().over(details.seo_title.take());
        details.seo_description = imported.seo_description.clone().over(details.seo_description.take());
        for (name, value) in &imported.attributes {
            details.attributes.set(name, value.clone());
        }
        product.status = imported.status.map_or(product.status, Status::from);
        match &imported.images {
            Given::Absent => {}
            Given::Empty => product.images.clear(),
            Given::Value(images) => {
                let image = |image: &super::ImportedImage| Image { url: image.url.clone(), alt: image.alt.clone() };
                product.images = images.iter().map(image).collect();
            }
        }
        (product.option_names, product.currency, product.variants) = (option_names, currency, variants);
        product.updated_at = present.now;
        Ok(product)
    }

    /// What a product needs that is not there yet.
    fn check_new(&mut self, variants: &[Variant]) {
        let row = self.imported.row;
        if self.imported.name.is_none() {
            let detail =
                "there is none; expected the product's name on its first row, as no product has this handle yet";
            self.refuse(row, Field::Title, detail.to_owned());
        }
        if variants.is_empty() {
            let detail = "the file has no price for it; expected one, as no product has this handle yet";
            self.refuse(row, Field::Price, detail.to_owned());
        }
    }

    /// The rules that hold for every product, whoever writes it.
    fn check(&mut self, merged: &Merged) -> Result<(), MergeError> {
        let after = &merged.after;
        let length = after.product.handle.chars().count();
        if length > MAX_HANDLE {
            let detail = format!("it has {length} characters; expected at most {MAX_HANDLE}");
            self.refuse(self.imported.row, Field::Handle, detail);
        }
        // What is missing was told already.
        if self.errors.is_empty() {
            match Listing::from(&after.product).check(self.before()) {
                Ok(_) => {}
                Err(Error::Invalid(broken)) => broken.iter().for_each(|violation| self.refuse_rule(violation, merged)),
                Err(error) => return Err(error.into()),
            }
        }
        match self.errors.is_empty() {
            true => Ok(()),
            false => Err(MergeError::Refused(std::mem::take(&mut self.errors))),
        }
    }

    /// Finds the row, column and value of a broken rule.
    fn refuse_rule(&mut self, violation: &Violation, merged: &Merged) {
        let product = &merged.after.product;
        let way: Vec<&str> = violation.field.split('/').collect();
        let (variant, way) = match way.as_slice() {
            ["variants", number, rest @ ..] => (number.parse::<usize>().ok(), rest),
            way => (None, way),
        };
        let row = variant.and_then(|number| merged.rows.get(number).copied().flatten());
        let known = variant.and_then(|number| product.variants.get(number));
        let nth = |number: &&str| number.parse::<usize>().ok();
        let code = |code: fn(&Variant) -> Option<&String>| known.and_then(code).cloned();
        let price = |amount: fn(&Variant) -> Option<i64>| known.and_then(amount).map(|amount| product.money(amount));
        let decimal = |money: Money| money.to_decimal(product.currency.exponent());
        let (field, value) = match way {
            ["name", ..] => (Field::Title, Some(product.name.clone())),
            ["description", ..] => (Field::Description, product.description.clone()),
            ["category", ..] => (Field::Type, product.category.clone()),
            ["category_path", ..] => (Field::Category, product.details.category_path.clone()),
            ["vendor", ..] => (Field::Vendor, product.vendor.clone()),
            ["tags", number, ..] => (Field::Tags, nth(number).and_then(|n| product.tags.get(n).cloned())),
            ["tags"] => (Field::Tags, None),
            ["images", number, ..] => {
                (Field::ImageUrl, nth(number).and_then(|n| product.images.get(n)).map(|image| image.url.clone()))
            }
            ["images"] if variant.is_none() => (Field::ImageUrl, None),
            ["seo_title", ..] => (Field::SeoTitle, product.details.seo_title.clone()),
            ["seo_description", ..] => (Field::SeoDescription, product.details.seo_description.clone()),
            ["sku", ..] => (Field::Sku, code(|variant| variant.sku.as_ref())),
            ["barcode", ..] => (Field::Barcode, code(|variant| variant.barcode.as_ref())),
            ["price", ..] => (Field::Price, price(|variant| Some(variant.price)).map(decimal)),
            ["compare_at_price", ..] => (Field::CompareAtPrice, price(|variant| variant.compare_at_price).map(decimal)),
            ["options", ..] => (Field::OptionValue1, known.map(|variant| variant.option_values.join(" / "))),
            _ => (Field::Handle, Some(violation.field.to_string())),
        };
        let rule = match field {
            Field::Price | Field::CompareAtPrice => {
                let highest = product.money(highest_price(product.currency));
                format!("is too high; expected at most {}", decimal(highest))
            }
            _ => violation.detail.clone(),
        };
        let detail = value.map_or_else(|| format!("the product {rule}"), |value| format!("{} {rule}", excerpt(&value)));
        self.refuse(row.unwrap_or(self.imported.row), field, detail);
    }
}

impl Merged {
    /// All but the product itself and its stock.
    fn of(made: &[Made], imported: &ImportedProduct) -> Self {
        let product = new_product(Uuid::nil(), Uuid::nil(), Timestamp(0), &imported.handle);
        Self {
            after: Stocked { product, stock: Vec::with_capacity(made.len()) },
            quantities: made.iter().map(|made| made.quantity).collect(),
            rows: made.iter().map(|made| made.row).collect(),
            notes: Vec::new(),
        }
    }

    /// What the file means for the stock of the product that is there.
    pub fn stock_edit(&mut self, how: ImportedStock, was_imported: bool) -> StockEdit {
        StockEdit::Import(Quantities { how, of: std::mem::take(&mut self.quantities), was_imported })
    }
}

/// That a stock does not take all that a file says.
pub fn held_back(wanted: i64, on_hand: i64, reserved: i64) -> String {
    let difference = (wanted - on_hand).abs();
    match wanted < on_hand {
        true => format!("{wanted} units by the file, but {reserved} are reserved: {on_hand} stay, {difference} more"),
        false => format!("{wanted} units by the file, more than there can be: {on_hand}, {difference} fewer"),
    }
}

/// The one variant that is left with the SKU of the file's.
fn take_by_sku<'a>(
    known: &mut [Option<(&'a Variant, &'a Stock)>],
    imported: &ImportedVariant,
) -> Option<(&'a Variant, &'a Stock)> {
    let sku = imported.sku.value()?;
    let has =
        |known: &&mut Option<(&Variant, &Stock)>| known.is_some_and(|(variant, _)| variant.sku.as_ref() == Some(sku));
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

fn new_product(id: Uuid, owner_id: Uuid, now: Timestamp, handle: &str) -> Product {
    Product {
        id,
        owner_id,
        handle: handle.to_owned(),
        name: String::new(),
        description: None,
        category: None,
        tags: Vec::new(),
        vendor: None,
        status: Status::Draft,
        currency: Currency::USD,
        option_names: Vec::new(),
        images: Vec::new(),
        variants: Vec::new(),
        version: 1,
        created_at: now,
        updated_at: now,
        import_digest: None,
        details: Default::default(),
    }
}

impl From<ImportedStatus> for Status {
    fn from(status: ImportedStatus) -> Self {
        match status {
            ImportedStatus::Active => Status::Active,
            ImportedStatus::Draft => Status::Draft,
            ImportedStatus::Archived => Status::Archived,
            ImportedStatus::Unlisted => Status::Unlisted,
        }
    }
}
