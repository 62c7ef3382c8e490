//! The rows of one product, put together.

use std::collections::HashMap;

use kernel::{Currency, text};

use super::records::{Defect, MAX_COLUMNS, MAX_FIELD, MAX_RECORD, Record};
use super::shopify::{Columns, Home, VARIANT_HOMES};
use super::unhoused::Unhoused;
use super::values::{Cell, Refusal, excerpt};
use super::{ImportedProduct, ImportedVariant, RowError};

/// Most errors reported of one product; a column that is wrong throughout would repeat itself.
const MAX_ERRORS: usize = 20;
const NO_HANDLE: &str = "there is none; expected the product's handle on each of its rows, such as `blue-shirt`";
/// Most characters of a handle in an error.
const SHOWN_HANDLE: usize = 255;

/// A row and all that is needed to read it.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    pub columns: &'a Columns,
    pub record: &'a Record,
    pub currency: Currency,
}

impl<'a> Row<'a> {
    pub(super) fn cell(&self, home: Home) -> Cell<'a> {
        self.columns.cell(self.record, home)
    }

    pub(super) fn number(&self) -> u64 {
        self.record.row()
    }
}

/// Variants whose stock was kept otherwise in the shop.
#[derive(Debug, Clone, Copy, Default)]
pub struct StockNotes {
    pub untracked: u64,
    pub negative: u64,
    pub continue_selling: u64,
}

/// The product being read. Its buffers are reused for the next one.
#[derive(Default)]
pub struct Group {
    /// The handle as it stands in the file.
    key: Vec<u8>,
    pub(super) first: Record,
    pub(super) product: ImportedProduct,
    /// The first row names these of [`OPTIONS`].
    pub(super) options: Vec<usize>,
    pub(super) variant_rows: Vec<u64>,
    pub(super) positions: Vec<i64>,
    pub(super) stock: StockNotes,
    pub(super) text: usize,
    errors: Vec<RowError>,
    /// Its rows are only counted from here on.
    pub(super) given_up: bool,
}

impl Group {
    pub fn is_open(&self) -> bool {
        self.product.rows > 0
    }

    pub fn has_handle(&self, handle: &[u8]) -> bool {
        self.is_open() && !handle.is_empty() && self.key == handle
    }

    /// Begins a product with its first row.
    pub fn start(&mut self, row: Row<'_>, handle: &[u8], unhoused: &mut Unhoused) {
        self.key.clear();
        self.key.extend_from_slice(handle);
        self.first.copy_from(row.record);
        self.options.clear();
        self.variant_rows.clear();
        self.positions.clear();
        self.stock = StockNotes::default();
        self.text = handle.len();
        self.given_up = false;
        self.product = ImportedProduct {
            row: row.number(),
            handle: String::from_utf8_lossy(handle).into_owned(),
            rows: 1,
            ..ImportedProduct::default()
        };
        if !self.is_whole(row) {
            // Without its first row, the others cannot be judged.
            self.given_up = true;
            return;
        }
        if handle.is_empty() {
            self.refuse(row, Home::Handle, NO_HANDLE);
            return;
        }
        match self.owned(row, Home::Handle) {
            Some(handle) => self.product.handle = handle,
            None if self.errors.is_empty() => return self.refuse(row, Home::Handle, NO_HANDLE),
            None => {}
        }
        self.read_product(row, unhoused);
        self.read_variant(row);
        self.read_image(row, unhoused);
        self.check_size(row);
    }

    /// Adds a further row of the same product.
    pub fn add(&mut self, row: Row<'_>, unhoused: &mut Unhoused) {
        self.product.rows += 1;
        if self.given_up || !self.is_whole(row) {
            return;
        }
        self.compare_with_first(row, unhoused);
        if VARIANT_HOMES.iter().any(|home| !row.cell(*home).is_empty()) {
            self.read_variant(row);
        }
        self.read_image(row, unhoused);
        self.check_size(row);
    }

    /// Refuses the product for a reason that lies outside it; its rows are no longer looked at.
    pub fn refuse(&mut self, row: Row<'_>, home: Home, detail: &str) {
        self.errors.clear();
        self.note(row.number(), row.cell(home).refuse(detail));
        self.given_up = true;
    }

    /// Ends the product.
    ///
    /// # Errors
    /// All that is wrong with it, at most [`MAX_ERRORS`].
    pub fn finish(&mut self, columns: &Columns) -> Result<(ImportedProduct, StockNotes), Vec<RowError>> {
        if self.errors.is_empty() {
            self.check_duplicates(columns);
        }
        if !self.errors.is_empty() {
            self.product = ImportedProduct::default();
            return Err(std::mem::take(&mut self.errors));
        }
        let mut product = std::mem::take(&mut self.product);
        if !self.positions.is_sorted() {
            let images = std::mem::take(&mut product.images);
            let mut placed: Vec<_> = self.positions.iter().zip(images).collect();
            placed.sort_by_key(|(position, _)| **position);
            product.images = placed.into_iter().map(|(_, image)| image).collect();
        }
        Ok((product, self.stock))
    }

    pub(super) fn note(&mut self, row: u64, refusal: Refusal) {
        if self.errors.len() >= MAX_ERRORS {
            return;
        }
        let Refusal { column, mut detail } = refusal;
        if self.errors.len() + 1 == MAX_ERRORS {
            detail.push_str("; further errors of this product are not listed");
            self.given_up = true;
        }
        self.errors.push(RowError {
            row,
            handle: self.product.handle.chars().take(SHOWN_HANDLE).collect(),
            column: (!column.is_empty()).then_some(column),
            detail,
        });
    }

    /// The value, or a noted error.
    pub(super) fn accept<T>(&mut self, row: Row<'_>, value: Result<Option<T>, Refusal>) -> Option<T> {
        value.unwrap_or_else(|refusal| {
            self.note(row.number(), refusal);
            None
        })
    }

    pub(super) fn owned(&mut self, row: Row<'_>, home: Home) -> Option<String> {
        let text = self.accept(row, row.cell(home).text())?;
        self.text += text.len();
        Some(text.to_owned())
    }

    /// Notes what keeps the row from being read at all.
    fn is_whole(&mut self, row: Row<'_>) -> bool {
        let (columns, record) = (row.columns, row.record);
        let (column, detail) = match record.defect() {
            Some(Defect::TooLong { column }) => (
                columns.name(column),
                format!(
                    "the value is too long; expected at most {MAX_FIELD} bytes, and {MAX_RECORD} for the whole row"
                ),
            ),
            Some(Defect::TooManyColumns) => (
                String::new(),
                format!("the row has more than {MAX_COLUMNS} values; expected {}", columns.len()),
            ),
            Some(Defect::Unclosed { column }) => (
                columns.name(column),
                "a quotation mark opens here and is never closed, so that the rest of the file was taken for this value; \
                 expected a closing one"
                    .to_owned(),
            ),
            None => {
                let Some(excess) = (columns.len()..record.len()).find(|column| !record.get(*column).is_empty()) else {
                    return true;
                };
                let value = excerpt(&String::from_utf8_lossy(record.get(excess)));
                let detail = format!(
                    "the row has {} values, one of them {value}; expected {}, as in the header (is a comma not quoted?)",
                    record.len(),
                    columns.len()
                );
                (columns.name(excess), detail)
            }
        };
        self.note(row.number(), Refusal { column, detail });
        false
    }

    /// No two variants of a product may share their options or their SKU.
    fn check_duplicates(&mut self, columns: &Columns) {
        if self.product.variants.len() < 2 {
            return;
        }
        let mut combinations = HashMap::new();
        let mut skus = HashMap::new();
        let mut found = Vec::new();
        for (variant, &row) in self.product.variants.iter().zip(&self.variant_rows) {
            if let Some(other) = combinations.insert(variant.option_values.as_slice(), row) {
                found.push((row, Home::OptionValue1, same_options(variant, other)));
            }
            let Some(sku) = &variant.sku else { continue };
            if let Some(other) = skus.insert(text::fold(sku), row) {
                let detail = format!("{} is also the SKU of row {other}; expected another", excerpt(sku));
                found.push((row, Home::Sku, detail));
            }
        }
        for (row, home, detail) in found {
            let column = columns.position(home).map_or_else(String::new, |column| columns.name(column));
            self.note(row, Refusal { column, detail });
        }
    }
}

fn same_options(variant: &ImportedVariant, other: u64) -> String {
    if variant.option_values.is_empty() {
        return format!("row {other} is this product's variant already; expected options (such as Size) that differ");
    }
    let values = variant.option_values.join(" / ");
    format!("{} is also the variant of row {other}; expected another combination", excerpt(&values))
}
