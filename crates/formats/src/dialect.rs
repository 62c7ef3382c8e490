//! What differs between the files of different shops: how a header is recognised, and what a row is about.

use super::FileError;
use super::records::{Defect, MAX_COLUMNS, Record};
use super::values::{Cell, Words, excerpt};

/// What a column means to us. The order is that of [`Columns::at`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
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
    Weight,
    VariantImage,
    ImageUrl,
    ImagePosition,
    ImageAlt,
    SeoTitle,
    SeoDescription,
}

const FIELDS: usize = Field::SeoDescription as usize + 1;

/// What a column is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    Field(Field),
    /// A named value of the product.
    Attribute(String),
    /// What an earlier import wrote into the file about its rows.
    OurOwn,
    /// Nothing here corresponds to it.
    Unmapped,
}

/// The names and values of the options, in order.
pub const OPTIONS: [(Field, Field); 3] = [
    (Field::OptionName1, Field::OptionValue1),
    (Field::OptionName2, Field::OptionValue2),
    (Field::OptionName3, Field::OptionValue3),
];

/// Fields of a variant.
const VARIANT_FIELDS: [Field; 12] = [
    Field::OptionValue1,
    Field::OptionValue2,
    Field::OptionValue3,
    Field::Sku,
    Field::Barcode,
    Field::Price,
    Field::CompareAtPrice,
    Field::Quantity,
    Field::Tracker,
    Field::Policy,
    Field::Weight,
    Field::VariantImage,
];

/// How a shop writes its products into a file.
pub trait Dialect: Send + Sync {
    /// Whether a header with these columns is of this shop.
    fn recognises(&self, names: &[String]) -> bool;

    /// What a column of this name holds.
    fn column(&self, name: &str) -> Column;

    /// Fields without which a file says nothing, with what to call them.
    fn required(&self) -> &'static [(Field, &'static str)];

    /// The words of its cells.
    fn words(&self) -> &'static Words;

    /// What a row is about.
    fn place<'r>(&self, columns: &Columns, record: &'r Record) -> Place<'r>;
}

/// What a row is about.
#[derive(Debug, Clone, Copy)]
pub struct Place<'r> {
    /// Rows of one product have one key; empty, it has none.
    pub key: &'r [u8],
    /// Whether it describes a variant, even if it is not the first row of its product.
    pub is_variant: bool,
}

/// Where each field stands in this file, and the columns that have none.
pub struct Columns {
    pub dialect: &'static dyn Dialect,
    /// As written in the file.
    names: Vec<String>,
    at: [Option<usize>; FIELDS],
    attributes: Vec<(usize, String)>,
    unmapped: Vec<usize>,
    has_variants: bool,
}

impl Columns {
    /// By the first of these dialects that recognises the header, or the first of all.
    ///
    /// # Errors
    /// A required column is missing, or two columns mean the same.
    pub fn from_header(header: &Record, dialects: &[&'static dyn Dialect]) -> Result<Self, FileError> {
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
        // A file that nobody recognises is told what the first one expects.
        let dialect = *dialects.iter().find(|dialect| dialect.recognises(&names)).unwrap_or(&dialects[0]);
        let mut columns = Columns {
            dialect,
            names,
            at: [None; FIELDS],
            attributes: Vec::new(),
            unmapped: Vec::new(),
            has_variants: false,
        };
        for column in 0..columns.names.len() {
            columns.add(column)?;
        }
        columns.check_required()?;
        columns.has_variants = VARIANT_FIELDS.iter().any(|field| columns.has(*field));
        Ok(columns)
    }

    fn add(&mut self, column: usize) -> Result<(), FileError> {
        let name = &self.names[column];
        let other = match self.dialect.column(name) {
            Column::Field(field) => self.at[field as usize].replace(column),
            Column::Attribute(name) => {
                let other = self.attributes.iter().find(|(_, known)| *known == name).map(|(column, _)| *column);
                self.attributes.push((column, name));
                other
            }
            Column::OurOwn => None,
            Column::Unmapped => {
                self.unmapped.push(column);
                None
            }
        };
        let Some(other) = other else { return Ok(()) };
        Err(FileError::Header(format!(
            "columns {} `{}` and {} `{name}` mean the same; expected only one of them",
            other + 1,
            self.names[other],
            column + 1,
        )))
    }

    fn check_required(&self) -> Result<(), FileError> {
        let required = self.dialect.required().iter();
        let missing: Vec<&str> = required.filter(|(field, _)| !self.has(*field)).map(|(_, name)| *name).collect();
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
    pub fn count(&self) -> usize {
        self.names.len()
    }

    pub fn names(&self) -> &[String] {
        &self.names
    }

    pub fn has(&self, field: Field) -> bool {
        self.at[field as usize].is_some()
    }

    /// Whether the file says anything of variants.
    pub fn has_variants(&self) -> bool {
        self.has_variants
    }

    /// Whether the file tells variants apart by their options.
    pub fn has_options(&self) -> bool {
        OPTIONS.iter().any(|(name, value)| self.has(*name) || self.has(*value))
    }

    /// The index of a field's column.
    pub fn position(&self, field: Field) -> Option<usize> {
        self.at[field as usize]
    }

    /// The name of a column as the file has it; beyond the header, its number.
    pub fn name(&self, column: usize) -> String {
        match self.names.get(column) {
            Some(name) if !name.is_empty() => name.clone(),
            _ => format!("column {}", column + 1),
        }
    }

    /// The name of a field's column, if the file has one.
    pub fn name_of(&self, field: Field) -> Option<String> {
        self.position(field).map(|column| self.name(column))
    }

    /// The names of the columns, by the numbers of their fields.
    pub fn names_of_fields(&self) -> [Option<String>; FIELDS] {
        self.at.map(|column| column.map(|column| self.name(column)))
    }

    /// Named values: their columns and names.
    pub fn attributes(&self) -> &[(usize, String)] {
        &self.attributes
    }

    /// The columns that correspond to nothing here.
    pub fn unmapped(&self) -> &[usize] {
        &self.unmapped
    }

    /// The bytes of a field in a row, empty where the file has no such column.
    pub fn get<'r>(&self, record: &'r Record, field: Field) -> &'r [u8] {
        self.at[field as usize].map_or(b"", |column| record.get(column))
    }

    pub fn cell<'r>(&'r self, record: &'r Record, field: Field) -> Cell<'r> {
        match self.at[field as usize] {
            Some(column) => self.cell_at(record, column),
            None => Cell { column: "", is_there: false, bytes: b"" },
        }
    }

    pub fn cell_at<'r>(&'r self, record: &'r Record, column: usize) -> Cell<'r> {
        Cell { column: &self.names[column], is_there: true, bytes: record.get(column) }
    }
}
