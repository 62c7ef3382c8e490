//! From the rows of a file to its products.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::Read;

use kernel::Currency;

use super::dialect::{Columns, Field};
use super::group::{Group, Row};
use super::records::{Record, Records};
use super::unmapped::Unmapped;
use super::{FileError, ImportError, ImportedProduct, Report, dialects};

/// The products of a file, one at a time, in its order.
///
/// At any moment only one product and one row are in memory, both bounded, and eight bytes of each handle that was seen.
/// A product with errors gives these, as one item, and the products after it still come.
pub struct ProductRows<R> {
    records: Records<R>,
    columns: Columns,
    currency: Currency,
    group: Group,
    /// Hashes stand for handles: 64 bits make a false match unlikely (one in 10⁷ for a million products), and it would
    /// only refuse a product.
    seen: HashSet<u64>,
    hasher: BuildHasherDefault<DefaultHasher>,
    unmapped: Unmapped,
    report: Report,
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
            Some(header) => Columns::from_header(header, &dialects::ALL)?,
            None => return Err(FileError::Empty),
        };
        Ok(ProductRows {
            unmapped: Unmapped::new(&columns),
            records,
            columns,
            currency,
            group: Group::default(),
            seen: HashSet::new(),
            hasher: BuildHasherDefault::default(),
            report: Report::default(),
            done: false,
        })
    }

    /// Keeps the rows of each product as they stand in the file, for a report.
    #[must_use]
    pub fn keeping_source(mut self) -> Self {
        self.group.keeps_source = true;
        self
    }

    /// The columns of the file.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Rows read so far, without the header and blank ones.
    pub fn rows(&self) -> u64 {
        self.report.rows
    }

    /// What was read so far; complete once the iterator has ended.
    pub fn report(&self) -> Report {
        Report { unmapped: self.unmapped.report(&self.columns), ..self.report.clone() }
    }

    /// Reads rows until a product is complete; `None` at the end of the file.
    fn next_product(&mut self) -> Option<Result<ImportedProduct, ImportError>> {
        loop {
            let record = match self.records.next() {
                Ok(Some(record)) => record,
                Ok(None) => {
                    self.done = true;
                    return close(&mut self.group, &self.columns, &mut self.report);
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
            self.unmapped.count_row(&self.columns, record);
            let row = Row { columns: &self.columns, record, currency: self.currency };
            let place = self.columns.dialect.place(&self.columns, record);
            if self.group.has_key(place.key) {
                self.group.add(row, place, &mut self.unmapped);
                continue;
            }
            let finished = close(&mut self.group, &self.columns, &mut self.report);
            self.group.start(row, place, &mut self.unmapped);
            if !place.key.is_empty() && !self.seen.insert(self.hasher.hash_one(place.key)) {
                self.group.refuse(row, Field::Handle, NOT_ADJACENT);
            }
            if finished.is_some() {
                return finished;
            }
        }
    }
}

const NOT_ADJACENT: &str = "rows above, before those of other products, have this handle too; expected all rows of a product \
     to be adjacent";

impl<R: Read> Iterator for ProductRows<R> {
    type Item = Result<ImportedProduct, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done { None } else { self.next_product() }
    }
}

/// Ends the product being read, if there is one.
fn close(group: &mut Group, columns: &Columns, report: &mut Report) -> Option<Result<ImportedProduct, ImportError>> {
    if !group.is_open() {
        return None;
    }
    match group.finish(columns) {
        Ok(product) => {
            report.products += 1;
            report.variants += product.variants.len() as u64;
            report.images += product.images.value().map_or(0, Vec::len) as u64;
            Some(Ok(product))
        }
        Err(refused) => {
            report.refused += 1;
            Some(Err(ImportError::Product(refused)))
        }
    }
}

/// Spreadsheets leave rows of commas behind.
fn is_blank(record: &Record) -> bool {
    record.defect().is_none() && (0..record.len()).all(|column| record.get(column).is_empty())
}
