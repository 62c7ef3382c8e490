//! From the rows of a file to its products.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::Read;
use std::vec;

use kernel::Currency;

use super::group::{Group, Row};
use super::records::{Defect, Record, Records};
use super::shopify::{Columns, Home};
use super::unhoused::Unhoused;
use super::{FileError, ImportError, ImportedProduct, Report, RowError};

/// The products of a file, one at a time, in its order.
///
/// At any moment only one product and one row are in memory, both bounded, and eight bytes of each handle that was seen.
/// A product with errors gives these errors, one item each, and the products after it still come.
pub struct ProductRows<R> {
    records: Records<R>,
    columns: Columns,
    currency: Currency,
    group: Group,
    /// Hashes stand for handles: 64 bits make a false match unlikely (one in 10⁷ for a million products), and it would
    /// only refuse a product.
    seen: HashSet<u64>,
    hasher: BuildHasherDefault<DefaultHasher>,
    unhoused: Unhoused,
    report: Report,
    errors: vec::IntoIter<RowError>,
    done: bool,
}

impl<R: Read> ProductRows<R> {
    /// Reads the header. Prices are taken to be in `currency`; the file does not name one.
    ///
    /// # Errors
    /// The file is empty or unreadable, or its header lacks a column or has one twice.
    pub fn new(reader: R, currency: Currency) -> Result<Self, FileError> {
        let unreadable = |source| FileError::Read { row: 0, source };
        let mut records = Records::new(reader).map_err(unreadable)?;
        let columns = match records.next().map_err(unreadable)? {
            Some(header) => Columns::from_header(header)?,
            None => return Err(FileError::Empty),
        };
        Ok(ProductRows {
            unhoused: Unhoused::new(&columns),
            records,
            columns,
            currency,
            group: Group::default(),
            seen: HashSet::new(),
            hasher: BuildHasherDefault::default(),
            report: Report::default(),
            errors: Vec::new().into_iter(),
            done: false,
        })
    }

    /// Rows read so far, without the header and blank ones.
    pub fn rows(&self) -> u64 {
        self.report.rows
    }

    /// What was read so far; complete once the iterator has ended.
    pub fn report(&self) -> Report {
        Report { unhoused: self.unhoused.report(&self.columns), ..self.report.clone() }
    }

    /// Reads rows until a product is complete; `None` at the end of the file.
    fn next_product(&mut self) -> Option<Result<ImportedProduct, ImportError>> {
        loop {
            let record = match self.records.next() {
                Ok(Some(record)) => record,
                Ok(None) => {
                    self.done = true;
                    return close(&mut self.group, &self.columns, &mut self.report, &mut self.errors).map(Ok);
                }
                Err(source) => {
                    // The product being read may lack rows, and is not given out.
                    self.done = true;
                    let row = self.records.row();
                    return Some(Err(FileError::Read { row, source }.into()));
                }
            };
            if is_blank(record) {
                continue;
            }
            self.report.rows += 1;
            self.unhoused.count_row(&self.columns, record);
            let row = Row { columns: &self.columns, record, currency: self.currency };
            let handle = handle_of(&self.columns, record);
            if self.group.has_handle(handle) {
                self.group.add(row, &mut self.unhoused);
                continue;
            }
            let finished = close(&mut self.group, &self.columns, &mut self.report, &mut self.errors);
            self.group.start(row, handle, &mut self.unhoused);
            if !handle.is_empty() && !self.seen.insert(self.hasher.hash_one(handle)) {
                self.group.refuse(row, Home::Handle, NOT_ADJACENT);
            }
            if finished.is_some() || self.errors.len() > 0 {
                return finished.map(Ok);
            }
        }
    }
}

const NOT_ADJACENT: &str = "rows above, before those of other products, have this handle too; expected all rows of a product \
     to be adjacent";

impl<R: Read> Iterator for ProductRows<R> {
    type Item = Result<ImportedProduct, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(error) = self.errors.next() {
                return Some(Err(error.into()));
            }
            if self.done {
                return None;
            }
            if let Some(item) = self.next_product() {
                return Some(item);
            }
        }
    }
}

/// Ends the product being read, if there is one: a product to give out, or errors to give out before the next.
fn close(
    group: &mut Group,
    columns: &Columns,
    report: &mut Report,
    errors: &mut vec::IntoIter<RowError>,
) -> Option<ImportedProduct> {
    if !group.is_open() {
        return None;
    }
    match group.finish(columns) {
        Ok((product, stock)) => {
            report.products += 1;
            report.variants += product.variants.len() as u64;
            report.images += product.images.len() as u64;
            report.untracked_variants += stock.untracked;
            report.negative_quantities += stock.negative;
            report.continue_selling += stock.continue_selling;
            Some(product)
        }
        Err(refused) => {
            report.refused += 1;
            *errors = refused.into_iter();
            None
        }
    }
}

/// The handle, or nothing if it is part of what is wrong with the row.
fn handle_of<'r>(columns: &Columns, record: &'r Record) -> &'r [u8] {
    match record.defect() {
        Some(Defect::TooLong { column } | Defect::Unclosed { column })
            if columns.position(Home::Handle) == Some(column) =>
        {
            b""
        }
        _ => columns.get(record, Home::Handle),
    }
}

/// Spreadsheets leave rows of commas behind.
fn is_blank(record: &Record) -> bool {
    record.defect().is_none() && (0..record.len()).all(|column| record.get(column).is_empty())
}
