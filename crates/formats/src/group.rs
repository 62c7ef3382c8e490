//! The rows of one product, put together.

use std::collections::HashMap;

use kernel::Currency;

use super::dialect::{Columns, Field, Place};
use super::records::{Defect, MAX_COLUMNS, MAX_FIELD, MAX_RECORD, Record};
use super::unmapped::Unmapped;
use super::values::{Cell, CellError, excerpt};
use super::{Given, ImportedImage, ImportedProduct, ImportedVariant, RefusedProduct, RowError, SourceRow, report};

/// Most errors reported of one product; a column that is wrong throughout would repeat itself.
const MAX_ERRORS: usize = 20;
const NO_HANDLE: &str = "there is none; expected the product's handle on each of its rows, such as `blue-shirt`";
/// Most characters of a handle in an error.
const SHOWN_HANDLE: usize = 255;
/// Most bytes kept of the rows of one product.
const MAX_SOURCE: usize = 16 << 20;

/// A row and all that is needed to read it.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    pub columns: &'a Columns,
    pub record: &'a Record,
    pub currency: Currency,
}

impl<'a> Row<'a> {
    pub(super) fn cell(&self, field: Field) -> Cell<'a> {
        self.columns.cell(self.record, field)
    }

    pub(super) fn number(&self) -> u64 {
        self.record.row()
    }
}

/// The product being read. Its buffers are reused for the next one.
#[derive(Default)]
pub struct Group {
    /// The handle as it stands in the file.
    key: Vec<u8>,
    pub(super) first: Record,
    pub(super) product: ImportedProduct,
    /// The first row names these of [`super::dialect::OPTIONS`].
    pub(super) options: Vec<usize>,
    pub(super) images: Vec<ImportedImage>,
    pub(super) positions: Vec<i64>,
    pub(super) text: usize,
    errors: Vec<RowError>,
    /// Its rows are not read from here on.
    pub(super) given_up: bool,
    is_open: bool,
    /// Whether its rows are kept as they stand.
    pub keeps_source: bool,
    source_bytes: usize,
}

impl Group {
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    pub fn has_key(&self, key: &[u8]) -> bool {
        self.is_open && !key.is_empty() && self.key == key
    }

    /// Begins a product with its first row.
    pub fn start(&mut self, row: Row<'_>, place: Place<'_>, unmapped: &mut Unmapped) {
        self.key.clear();
        self.key.extend_from_slice(place.key);
        self.first.copy_from(row.record);
        self.options.clear();
        self.images.clear();
        self.positions.clear();
        self.text = place.key.len();
        self.source_bytes = 0;
        self.given_up = false;
        self.is_open = true;
        self.product = ImportedProduct {
            row: row.number(),
            handle: String::from_utf8_lossy(place.key).into_owned(),
            ..ImportedProduct::default()
        };
        self.keep_source(row);
        if !self.is_whole(row) {
            // Without its first row, the others cannot be judged.
            self.given_up = true;
            return;
        }
        if place.key.is_empty() {
            self.refuse(row, Field::Handle, NO_HANDLE);
            return;
        }
        match self.owned(row, Field::Handle) {
            Some(handle) => self.product.handle = handle,
            None if self.errors.is_empty() => return self.refuse(row, Field::Handle, NO_HANDLE),
            None => {}
        }
        self.read_product(row, unmapped);
        if row.columns.has_variants() {
            self.read_variant(row);
        }
        self.read_image(row, unmapped);
        self.check_size(row);
    }

    /// Adds a further row of the same product.
    pub fn add(&mut self, row: Row<'_>, place: Place<'_>, unmapped: &mut Unmapped) {
        self.keep_source(row);
        if self.given_up || !self.is_whole(row) {
            return;
        }
        self.compare_with_first(row, unmapped);
        if place.is_variant {
            self.read_variant(row)
        } else {
            self.pass_over_variant(row, unmapped)
        }
        self.read_image(row, unmapped);
        self.check_size(row);
    }

    fn keep_source(&mut self, row: Row<'_>) {
        if !self.keeps_source || self.source_bytes > MAX_SOURCE {
            return;
        }
        let (columns, record) = (row.columns, row.record);
        // As many values as the header has, and what an earlier report added is not repeated.
        let kept = (0..columns.count()).filter(|column| !report::COLUMNS.contains(&columns.names()[*column].as_str()));
        let mut text = Vec::new();
        report::join(&mut text, kept.map(|column| record.as_written(column)));
        self.source_bytes += text.len();
        self.product.source.push(SourceRow { row: row.number(), text });
    }

    /// Refuses the product for a reason that lies outside it; its rows are no longer looked at.
    pub fn refuse(&mut self, row: Row<'_>, field: Field, detail: &str) {
        self.errors.clear();
        self.note(row.number(), row.cell(field).refuse(detail));
        self.given_up = true;
    }

    /// Ends the product.
    ///
    /// # Errors
    /// All that is wrong with it, at most [`MAX_ERRORS`].
    pub fn finish(&mut self, columns: &Columns) -> Result<ImportedProduct, RefusedProduct> {
        self.is_open = false;
        if self.errors.is_empty() {
            self.check_duplicates(columns);
        }
        let mut product = std::mem::take(&mut self.product);
        if !self.errors.is_empty() {
            if self.source_bytes > MAX_SOURCE {
                self.errors[0].detail.push_str("; rows beyond 16 MiB of the product are not in the report");
            }
            return Err(RefusedProduct { errors: std::mem::take(&mut self.errors), source: product.source });
        }
        let mut images = std::mem::take(&mut self.images);
        if !self.positions.is_sorted() {
            let mut placed: Vec<_> = self.positions.iter().zip(images).collect();
            placed.sort_by_key(|(position, _)| **position);
            images = placed.into_iter().map(|(_, image)| image).collect();
        }
        if columns.has(Field::ImageUrl) {
            product.images = Given::of(Some(images).filter(|images| !images.is_empty()));
        }
        product.text = self.text;
        Ok(product)
    }

    pub(super) fn note(&mut self, row: u64, refusal: CellError) {
        if self.errors.len() >= MAX_ERRORS {
            return;
        }
        let CellError { column, mut detail } = refusal;
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
    pub(super) fn accept<T>(&mut self, row: Row<'_>, value: Result<Option<T>, CellError>) -> Option<T> {
        value.unwrap_or_else(|refusal| {
            self.note(row.number(), refusal);
            None
        })
    }

    pub(super) fn owned(&mut self, row: Row<'_>, field: Field) -> Option<String> {
        let text = self.accept(row, row.cell(field).text())?;
        self.text += text.len();
        Some(text.to_owned())
    }

    /// What a text means for what is there.
    pub(super) fn given(&mut self, row: Row<'_>, field: Field) -> Given<String> {
        row.cell(field).given(self.owned(row, field))
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
                format!("the row has more than {MAX_COLUMNS} values; expected {}", columns.count()),
            ),
            Some(Defect::Unclosed { column }) => (
                columns.name(column),
                "a quotation mark opens here and is never closed, so that the rest of the file was taken for this value; \
                 expected a closing one"
                    .to_owned(),
            ),
            None => {
                let Some(excess) = (columns.count()..record.len()).find(|column| !record.get(*column).is_empty()) else {
                    return true;
                };
                let value = excerpt(&String::from_utf8_lossy(record.get(excess)));
                let detail = format!(
                    "the row has {} values, one of them {value}; expected {}, as in the header (is a comma not quoted?)",
                    record.len(),
                    columns.count()
                );
                (columns.name(excess), detail)
            }
        };
        self.note(row.number(), CellError { column, detail });
        false
    }

    /// No two variants of a product may share their options. Where the file has none, their SKUs tell them apart.
    fn check_duplicates(&mut self, columns: &Columns) {
        if self.product.variants.len() < 2 || self.product.option_names.is_none() {
            return;
        }
        let mut combinations = HashMap::new();
        let mut found = Vec::new();
        for variant in &self.product.variants {
            if let Some(other) = combinations.insert(variant.option_values.as_slice(), variant.row) {
                found.push((variant.row, same_options(variant, other)));
            }
        }
        for (row, detail) in found {
            let column = columns.name_of(Field::OptionValue1).unwrap_or_default();
            self.note(row, CellError { column, detail });
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
