//! The columns of Shopify's product CSV.
//!
//! Shopify renamed them in 2024 and still reads the old names; both, and mixtures, are accepted here without regard to
//! case. Source: https://help.shopify.com/en/manual/products/import-export/using-csv

use super::FileError;
use super::records::{Defect, MAX_COLUMNS, Record};
use super::values::{Cell, excerpt};

/// What a column means to us. The order is that of [`HOMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    Handle,
    Title,
    Description,
    Vendor,
    Type,
    Category,
    Tags,
    Published,
    Status,
    OptionName1,
    OptionName2,
    OptionName3,
    OptionValue1,
    OptionValue2,
    OptionValue3,
    Sku,
    Barcode,
    Price,
    CompareAtPrice,
    Quantity,
    Tracker,
    Policy,
    ImageUrl,
    ImagePosition,
    ImageAlt,
}

/// Each home with its names, in small letters: today's, the old one, rarer ones.
const HOMES: [(Home, &[&str]); 25] = [
    (Home::Handle, &["url handle", "handle"]),
    (Home::Title, &["title"]),
    (Home::Description, &["description", "body (html)"]),
    (Home::Vendor, &["vendor"]),
    (Home::Type, &["type", "custom product type"]),
    (Home::Category, &["product category", "standardized product type"]),
    (Home::Tags, &["tags"]),
    (Home::Published, &["published on online store", "published"]),
    (Home::Status, &["status"]),
    (Home::OptionName1, &["option1 name"]),
    (Home::OptionName2, &["option2 name"]),
    (Home::OptionName3, &["option3 name"]),
    (Home::OptionValue1, &["option1 value"]),
    (Home::OptionValue2, &["option2 value"]),
    (Home::OptionValue3, &["option3 value"]),
    (Home::Sku, &["sku", "variant sku"]),
    (Home::Barcode, &["barcode", "variant barcode"]),
    (Home::Price, &["price", "variant price"]),
    (Home::CompareAtPrice, &["compare-at price", "variant compare at price", "compare at price"]),
    (Home::Quantity, &["inventory quantity", "variant inventory qty"]),
    (Home::Tracker, &["inventory tracker", "variant inventory tracker"]),
    (Home::Policy, &["continue selling when out of stock", "variant inventory policy"]),
    (Home::ImageUrl, &["product image url", "image src"]),
    (Home::ImagePosition, &["image position"]),
    (Home::ImageAlt, &["image alt text"]),
];

const REQUIRED: [(Home, &str); 3] = [
    (Home::Handle, "`URL handle` (or `Handle`)"),
    (Home::Title, "`Title`"),
    (Home::Price, "`Price` (or `Variant Price`)"),
];

/// The names and values of the options, in order.
pub const OPTIONS: [(Home, Home); 3] = [
    (Home::OptionName1, Home::OptionValue1),
    (Home::OptionName2, Home::OptionValue2),
    (Home::OptionName3, Home::OptionValue3),
];

/// Homes that belong to the product, and so to its first row.
pub const PRODUCT_HOMES: [Home; 10] = [
    Home::Description,
    Home::Vendor,
    Home::Type,
    Home::Category,
    Home::Tags,
    Home::Published,
    Home::Status,
    Home::OptionName1,
    Home::OptionName2,
    Home::OptionName3,
];

/// Homes that make a row a variant. Tracker and policy do not: exports fill them on rows that hold only an image.
pub const VARIANT_HOMES: [Home; 8] = [
    Home::OptionValue1,
    Home::OptionValue2,
    Home::OptionValue3,
    Home::Sku,
    Home::Barcode,
    Home::Price,
    Home::CompareAtPrice,
    Home::Quantity,
];

/// Where each home stands in this file, and the columns that have none.
#[derive(Debug)]
pub struct Columns {
    /// As written in the file.
    names: Vec<String>,
    at: [Option<usize>; HOMES.len()],
    unhoused: Vec<usize>,
}

impl Columns {
    /// # Errors
    /// A required column is missing, or two columns mean the same.
    pub fn from_header(header: &Record) -> Result<Self, FileError> {
        match header.defect() {
            None => {}
            Some(Defect::TooManyColumns) => {
                let detail = format!("it has more than {MAX_COLUMNS} columns");
                return Err(FileError::Header(detail));
            }
            Some(Defect::TooLong { .. } | Defect::Unclosed { .. }) => {
                let detail = "it does not end, or a quotation mark in it is not closed".to_owned();
                return Err(FileError::Header(detail));
            }
        }
        if matches!(header.get(0), [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
            let detail = "the file is UTF-16; expected UTF-8, which spreadsheets call “CSV UTF-8”".to_owned();
            return Err(FileError::Header(detail));
        }
        let names: Vec<String> =
            (0..header.len()).map(|column| String::from_utf8_lossy(header.get(column)).trim().to_owned()).collect();
        let mut columns = Columns { names, at: [None; HOMES.len()], unhoused: Vec::new() };
        for column in 0..columns.names.len() {
            columns.place(column)?;
        }
        columns.check_required()?;
        Ok(columns)
    }

    fn place(&mut self, column: usize) -> Result<(), FileError> {
        let Some(home) = home_of(&self.names[column]) else {
            self.unhoused.push(column);
            return Ok(());
        };
        if let Some(other) = self.at[home as usize] {
            let (first, second) = (&self.names[other], &self.names[column]);
            return Err(FileError::Header(format!(
                "columns {} `{first}` and {} `{second}` mean the same; expected only one of them",
                other + 1,
                column + 1,
            )));
        }
        self.at[home as usize] = Some(column);
        Ok(())
    }

    fn check_required(&self) -> Result<(), FileError> {
        let missing: Vec<&str> =
            REQUIRED.iter().filter(|(home, _)| self.at[*home as usize].is_none()).map(|(_, name)| *name).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(FileError::Header(format!(
            "no column {}; expected Shopify's product columns, separated by commas: URL handle, Title, Price, and where \
             they apply Description, Vendor, Type, Tags, Status, SKU, Option1 name, Option1 value, Inventory quantity, \
             Product image URL and so on, or their older names (Handle, Variant Price …); found {}{}",
            missing.join(", no column "),
            self.found(),
            self.other_separator(),
        )))
    }

    /// Spreadsheets of many countries write CSV with semicolons.
    fn other_separator(&self) -> &'static str {
        match self.names.as_slice() {
            [only] if only.contains(';') => " (the columns seem to be separated by semicolons)",
            [only] if only.contains('\t') => " (the columns seem to be separated by tabs)",
            _ => "",
        }
    }

    /// The first names, shortened: the file may be anything.
    fn found(&self) -> String {
        const SHOWN: usize = 8;
        let mut shown: Vec<String> = self.names.iter().take(SHOWN).map(|name| excerpt(name)).collect();
        if self.names.len() > SHOWN {
            shown.push(format!("{} more", self.names.len() - SHOWN));
        }
        shown.join(", ")
    }

    /// Number of columns.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn has(&self, home: Home) -> bool {
        self.at[home as usize].is_some()
    }

    /// The index of a home's column.
    pub fn position(&self, home: Home) -> Option<usize> {
        self.at[home as usize]
    }

    /// The name of a column as the file has it; beyond the header, its number.
    pub fn name(&self, column: usize) -> String {
        match self.names.get(column) {
            Some(name) if !name.is_empty() => name.clone(),
            _ => format!("column {}", column + 1),
        }
    }

    /// The columns without a home.
    pub fn unhoused(&self) -> &[usize] {
        &self.unhoused
    }

    /// The bytes of a home in a row, empty where the file has no such column.
    pub fn get<'r>(&self, record: &'r Record, home: Home) -> &'r [u8] {
        self.at[home as usize].map_or(b"", |column| record.get(column))
    }

    pub fn cell<'r>(&'r self, record: &'r Record, home: Home) -> Cell<'r> {
        let name = self.at[home as usize].map_or("", |column| self.names[column].as_str());
        Cell { column: name, bytes: self.get(record, home) }
    }
}

fn home_of(name: &str) -> Option<Home> {
    HOMES.iter().find(|(_, names)| names.iter().any(|known| known.eq_ignore_ascii_case(name))).map(|(home, _)| *home)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_stand_at_their_own_index() {
        for (index, (home, names)) in HOMES.iter().enumerate() {
            assert_eq!(*home as usize, index);
            for name in *names {
                assert_eq!(home_of(&name.to_uppercase()), Some(*home), "{name}");
            }
        }
        assert_eq!(home_of(""), None);
        assert_eq!(home_of("Variant Image"), None);
    }
}
