//! Product files of shops: bytes in, products and refusals out ([`ProductRows`]).
//!
//! [`ProductRows`] reads one product at a time, in bounded memory whatever the file holds. A [`dialect`] knows how a shop's export
//! is written. What has no place here is counted in the [`Report`] or refused with a [`RowError`]; nothing is dropped silently.

use std::{fmt, io};

use kernel::product::Grams;
use serde::Serialize;

pub mod dialect;
mod dialects;
mod group;
mod reader;
mod records;
pub mod report;
mod rows;
mod unmapped;
pub mod values;

#[cfg(test)]
mod tests;

pub use reader::ProductRows;

/// What a file has in a cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub enum Given<T> {
    /// There is no such column: what is there stays.
    #[default]
    Absent,
    /// The cell is empty: what is there goes.
    Empty,
    Value(T),
}

impl<T> Given<T> {
    /// Of a column that is there.
    pub fn of(value: Option<T>) -> Self {
        value.map_or(Given::Empty, Given::Value)
    }

    /// What becomes of what is there.
    pub fn over(self, present: Option<T>) -> Option<T> {
        match self {
            Given::Absent => present,
            Given::Empty => None,
            Given::Value(value) => Some(value),
        }
    }

    pub fn value(&self) -> Option<&T> {
        match self {
            Given::Value(value) => Some(value),
            Given::Absent | Given::Empty => None,
        }
    }

    pub fn is_absent(&self) -> bool {
        matches!(self, Given::Absent)
    }
}

/// A product as a file describes it; the rules of the catalogue have not been applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImportedProduct {
    /// Its first row, as a spreadsheet counts: the header is row 1.
    #[serde(skip)]
    pub row: u64,
    pub handle: String,
    pub name: Option<String>,
    /// May hold HTML.
    pub description: Given<String>,
    pub category: Given<String>,
    /// Such as `Home & Garden > Decor > Mirrors`.
    pub category_path: Given<String>,
    pub tags: Given<Vec<String>>,
    pub vendor: Given<String>,
    pub status: Option<ImportedStatus>,
    pub seo_title: Given<String>,
    pub seo_description: Given<String>,
    /// Of each column that has them, the value.
    pub attributes: Vec<(String, Option<String>)>,
    /// Empty for a plain product; none where the file has no such columns.
    pub option_names: Option<Vec<String>>,
    /// Each has as many option values as there are option names. None where the file describes no variants.
    pub variants: Vec<ImportedVariant>,
    /// In the order in which they are shown.
    pub images: Given<Vec<ImportedImage>>,
    /// Its rows, where they are kept for a report.
    #[serde(skip)]
    pub source: Vec<SourceRow>,
    /// Bytes of its values.
    #[serde(skip)]
    pub text: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ImportedStatus {
    Active,
    Draft,
    Archived,
    Unlisted,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImportedVariant {
    #[serde(skip)]
    pub row: u64,
    pub sku: Given<String>,
    pub barcode: Given<String>,
    pub option_values: Vec<String>,
    /// Minor units of the currency of the import.
    pub price: Option<i64>,
    pub compare_at_price: Given<i64>,
    /// May be negative: units that the shop sold beyond its stock.
    pub quantity: Option<i64>,
    /// Whether the shop counts its units, as far as the file tells.
    pub is_tracked: Option<bool>,
    pub backorder: Option<bool>,
    pub weight: Given<Grams>,
    pub image: Given<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImportedImage {
    /// `http` or `https`.
    pub url: String,
    pub alt: Option<String>,
}

/// A row as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRow {
    pub row: u64,
    /// CSV, without the end of the line.
    pub text: Vec<u8>,
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

/// A product that is refused, with all that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedProduct {
    pub errors: Vec<RowError>,
    /// As of [`ImportedProduct`].
    pub source: Vec<SourceRow>,
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

/// What ends a product, or the file. After [`ImportError::File`] nothing follows.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("{} of its cells are refused", .0.errors.len())]
    Product(RefusedProduct),
    #[error(transparent)]
    File(#[from] FileError),
}

/// What was read, and what has no place here. Of refused products only their rows and unmapped values are counted.
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
    pub unmapped: Vec<(String, u64)>,
}
