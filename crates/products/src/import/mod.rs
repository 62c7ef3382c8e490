//! Import of product files, without I/O of its own and without a store: bytes in, products and refusals out.
//!
//! [`ProductRows`] reads Shopify's product CSV one product at a time, in bounded memory whatever the file holds. What it
//! cannot place it counts in its [`Report`] or refuses with a [`RowError`]; nothing is dropped silently.

use std::fmt;
use std::io;

use serde::Serialize;

mod group;
mod reader;
mod records;
mod rows;
mod shopify;
mod unhoused;
mod values;

#[cfg(test)]
mod tests;

pub use reader::ProductRows;

/// A product as a file describes it; the rules of the catalogue have not been applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImportedProduct {
    /// Its first row, as a spreadsheet counts: the header is row 1.
    #[serde(skip)]
    pub row: u64,
    pub handle: String,
    pub name: String,
    /// May hold HTML.
    pub description: Option<String>,
    pub category: Option<String>,
    pub tags: Vec<String>,
    pub vendor: Option<String>,
    pub status: ImportedStatus,
    /// Empty for a plain product.
    pub option_names: Vec<String>,
    /// At least one; each has as many option values as there are option names.
    pub variants: Vec<ImportedVariant>,
    /// In the order in which they are shown.
    pub images: Vec<ImportedImage>,
    /// Number of rows that describe it.
    #[serde(skip)]
    pub rows: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub enum ImportedStatus {
    Active,
    #[default]
    Draft,
    Archived,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImportedVariant {
    pub sku: Option<String>,
    pub barcode: Option<String>,
    pub option_values: Vec<String>,
    /// Minor units of the currency of the import.
    pub price: i64,
    pub compare_at_price: Option<i64>,
    /// Never negative.
    pub quantity: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImportedImage {
    /// `http` or `https`.
    pub url: String,
    pub alt: Option<String>,
}

/// Why a product was refused: one of its rows, the column, the value, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct RowError {
    pub row: u64,
    /// Empty where the row has none that can be read.
    pub handle: String,
    /// As the file names it.
    pub column: Option<String>,
    pub detail: String,
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}", self.row)?;
        if !self.handle.is_empty() {
            write!(f, " ({})", self.handle)?;
        }
        if let Some(column) = &self.column {
            write!(f, ", {column}")?;
        }
        write!(f, ": {}", self.detail)
    }
}

/// Why the file as a whole cannot be imported, or not further.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("the file is empty; expected a header row with Shopify's product columns")]
    Empty,
    #[error("the header row cannot be used: {0}")]
    Header(String),
    #[error("reading failed after row {row}: {source}")]
    Read { row: u64, source: io::Error },
}

/// One refusal of an import. After [`ImportError::File`] nothing follows.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Row(#[from] RowError),
    #[error(transparent)]
    File(#[from] FileError),
}

/// What was read, and what has no home here. Of refused products only their rows and unhoused values are counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Rows below the header that are not blank.
    pub rows: u64,
    pub products: u64,
    /// Products with at least one [`RowError`].
    pub refused: u64,
    pub variants: u64,
    pub images: u64,
    /// Columns whose values were not taken, or not all of them, with the number of rows in which there was one.
    pub unhoused: Vec<(String, u64)>,
    /// Variants whose stock the shop did not track; they keep the quantity of the file.
    pub untracked_variants: u64,
    /// Variants whose quantity was below zero; it is now zero.
    pub negative_quantities: u64,
    /// Variants that the shop sold beyond their stock; here they are not.
    pub continue_selling: u64,
}
