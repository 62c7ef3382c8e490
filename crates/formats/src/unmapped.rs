//! Counts of values that have no place in our catalogue, so that none is dropped silently.

use super::dialect::{Columns, Field};
use super::records::Record;

/// Why a value is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Nothing here corresponds to the column.
    Unmapped,
    /// A value of the product stands on a later row, and is not that of its first row.
    LaterRow,
    /// It is only an id, which names no category to a person.
    TaxonomyId,
    /// A text or position of an image stands on a row without an image.
    NoImage,
    /// A value of a variant stands on a row that describes none.
    NoVariant,
}

const REASONS: [(Why, &str); 5] = [
    (Why::Unmapped, ""),
    (Why::LaterRow, " (other than on the product's first row)"),
    (Why::TaxonomyId, " (it is only an id)"),
    (Why::NoImage, " (on a row without an image)"),
    (Why::NoVariant, " (on a row without a variant)"),
];

/// Rows with such a value, per column of the file and reason.
#[derive(Debug)]
pub struct Unmapped {
    counts: Vec<[u64; REASONS.len()]>,
}

impl Unmapped {
    pub fn new(columns: &Columns) -> Self {
        Unmapped { counts: vec![[0; REASONS.len()]; columns.count()] }
    }

    /// Counts the values of a row in columns that correspond to nothing.
    pub fn count_row(&mut self, columns: &Columns, record: &Record) {
        for &column in columns.unmapped() {
            self.count_at(column, record, Why::Unmapped);
        }
    }

    /// Counts the value of a column, if the row has one.
    pub fn count_at(&mut self, column: usize, record: &Record, why: Why) {
        let has_value = !record.get(column).is_empty();
        self.counts[column][why as usize] += u64::from(has_value);
    }

    /// Counts one value of a field.
    pub fn count(&mut self, columns: &Columns, field: Field, why: Why) {
        if let Some(column) = columns.position(field) {
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
