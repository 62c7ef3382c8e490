//! How a file is imported, and what is told of it.

use kernel::Currency;
use stock::model::ImportedStock;

/// How a file is imported.
#[derive(Debug, Clone)]
pub struct Options {
    /// Of its prices; the file does not name one.
    pub currency: Currency,
    pub stock: ImportedStock,
    /// What a new variant has for which the file has no quantity; without it, its units are not counted.
    pub quantity: Option<i64>,
    /// Only tells what would happen.
    pub dry_run: bool,
}

impl Options {
    pub fn new(currency: Currency) -> Self {
        Self { currency, stock: ImportedStock::default(), quantity: None, dry_run: false }
    }
}

/// What became of an imported product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Created,
    Updated,
    /// The file says what it said last time; edits and sales since then stand.
    Unchanged,
}

/// What somebody who imports should know of a product that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub row: u64,
    pub handle: String,
    pub kind: NoteKind,
    pub detail: String,
}

/// Kinds of notes, in the order in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoteKind {
    /// A variant is no longer there.
    Lost,
    /// A stock did not take all that the file says.
    HeldBack,
    Negative,
    /// The prices of a product come into another currency.
    Currency,
    RepeatedSku,
    NoQuantity,
    Untracked,
    /// Variants that the file does not speak of.
    Kept,
}

impl NoteKind {
    /// What notes of the kind are about.
    pub fn title(self) -> &'static str {
        match self {
            Self::Lost => "variants that go",
            Self::HeldBack => "stocks that do not take all that the file says",
            Self::Negative => "quantities below zero",
            Self::Currency => "products that come into another currency",
            Self::RepeatedSku => "SKUs that others have too",
            Self::NoQuantity => "variants without a quantity",
            Self::Untracked => "variants whose units the shop did not count",
            Self::Kept => "products with variants that the file does not speak of",
        }
    }
}
