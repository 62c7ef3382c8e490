//! Counts of values that have no place in our catalogue, so that none is dropped silently.

use super::records::Record;
use super::shopify::{Columns, Home};

/// Why a value is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Nothing here corresponds to the column.
    NoHome,
    /// A value of the product stands on a later row, and is not that of its first row.
    LaterRow,
    /// The category came from the product type, or this one is only an id.
    OtherCategory,
    /// A text or position of an image stands on a row without an image.
    NoImage,
}

const REASONS: [(Why, &str); 4] = [
    (Why::NoHome, ""),
    (Why::LaterRow, " (other than on the product's first row)"),
    (Why::OtherCategory, " (the type is used, or it is only an id)"),
    (Why::NoImage, " (on a row without an image)"),
];

/// Rows with such a value, per column of the file and reason.
#[derive(Debug)]
pub struct Unhoused {
    counts: Vec<[u64; REASONS.len()]>,
}

impl Unhoused {
    pub fn new(columns: &Columns) -> Self {
        Unhoused { counts: vec![[0; REASONS.len()]; columns.len()] }
    }

    /// Counts the values of a row in columns without a home.
    pub fn count_row(&mut self, columns: &Columns, record: &Record) {
        for &column in columns.unhoused() {
            let has_value = !record.get(column).is_empty();
            self.counts[column][Why::NoHome as usize] += u64::from(has_value);
        }
    }

    /// Counts one value of a column that has a home in general.
    pub fn count(&mut self, columns: &Columns, home: Home, why: Why) {
        if let Some(column) = columns.position(home) {
            self.counts[column][why as usize] += 1;
        }
    }

    /// In the order of the file.
    pub fn report(&self, columns: &Columns) -> Vec<(String, u64)> {
        let mut report = Vec::new();
        for (column, counts) in self.counts.iter().enumerate() {
            for (why, reason) in REASONS {
                let rows = counts[why as usize];
                if rows > 0 {
                    report.push((format!("{}{reason}", columns.name(column)), rows));
                }
            }
        }
        report
    }
}
