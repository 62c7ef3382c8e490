//! What a file makes of a product, or of none. Pure: the product as it is and the file's cells in, the product as it will be out.

mod pairs;
mod rules;
mod variant;

use std::collections::HashMap;

use kernel::{Currency, Error, Timestamp, Uuid};

pub use self::variant::held_back;
use formats::dialect::Field;
use formats::{Given, ImportedProduct, ImportedStatus, ImportedVariant, RowError};
use stock::model::{ImportedStock, Stock};

use super::notes::{Note, NoteKind, Options};
use crate::catalogue::model::{Image, Product, Status, Stocked, Variant};
use crate::catalogue::store::{Quantities, StockEdit};

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
        let detail = format!("its prices were in {}, and come in {of_file}", before.currency);
        self.note(self.imported.row, NoteKind::Currency, detail);
        of_file
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
                let image = |image: &formats::ImportedImage| Image { url: image.url.clone(), alt: image.alt.clone() };
                product.images = images.iter().map(image).collect();
            }
        }
        (product.option_names, product.currency, product.variants) = (option_names, currency, variants);
        product.updated_at = present.now;
        Ok(product)
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
