//! Changes of stock. What they need is read under its locks, the model decides, and what it decided is written with its movements.

mod batch;
pub mod off_sale;
pub mod postgres;
mod present;
pub mod rows;
pub mod sqlite;

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use effects::Effects;
use kernel::{Expected, Money, Timestamp, Uuid};
use storage::{Database, StoreError};

pub use self::batch::{Batch, Net};
pub use self::present::Present;
pub use self::rows::{Balance, HOLDS_OF, History, RESERVATIONS_OF, read_units};

use crate::model::{
    Adjustment, Cause, ChangedStock, End, Mode, Movement, OffSale, Reservation, Shortage, State, Stock, Units,
};

/// The rule that stock on hand covers what is reserved, named alike on both databases.
pub const RESERVED_RULE: &str = "variants.reserved";

/// One operation on stock.
#[derive(Debug, Clone)]
pub enum Op {
    /// All of them, or with `Mode::Each` those that can be done.
    Adjust {
        adjustments: Vec<VariantAdjustment>,
        mode: Mode,
    },
    Hold(Reservation),
    End {
        id: Uuid,
        end: End,
        now: Timestamp,
    },
    /// Takes back the backordered units of a reservation that a release ended which does not know them.
    Settle(Uuid),
    /// For so many seconds from now, or as many as were asked for before.
    Extend {
        id: Uuid,
        ttl: Option<i64>,
        now: Timestamp,
    },
}

/// What a seller wants of one stock.
#[derive(Debug, Clone)]
pub struct VariantAdjustment {
    pub variant: Uuid,
    pub adjustment: Adjustment,
    /// Of the variant's product.
    pub expected: Expected,
}

/// What an operation did.
#[derive(Debug, Clone)]
pub struct Applied {
    pub reservation: Option<Reservation>,
    pub changed: Vec<ChangedStock>,
    /// Why, for each of them; empty where there is only the one cause of the operation.
    reasons: Vec<String>,
    /// Adjustments that were not done, by their place.
    pub refused: Vec<(usize, StockRefusal)>,
    /// It had been done before, and nothing is written.
    pub is_repeated: bool,
}

impl Applied {
    fn new(reservation: Option<Reservation>, changed: Vec<ChangedStock>) -> Self {
        Self { reservation, changed, reasons: Vec::new(), refused: Vec::new(), is_repeated: false }
    }

    /// What changed, each with its cause.
    pub fn causes<'d>(&'d self, cause: &'d Cause) -> impl Iterator<Item = (&'d ChangedStock, Cow<'d, Cause>)> {
        let of = move |(place, changed): (usize, &'d ChangedStock)| match self.reasons.get(place) {
            Some(reason) => (changed, Cow::Owned(Cause { reason: Some(reason.clone()), ..cause.clone() })),
            None => (changed, Cow::Borrowed(cause)),
        };
        self.changed.iter().enumerate().map(of)
    }
}

/// Why it did nothing.
#[derive(Debug, Clone)]
pub enum StockRefusal {
    Shortage(Shortage),
    /// There is no such reservation.
    Absent,
    /// It is not held any more but in this state, or its time is over.
    Over(State),
    /// It would be kept longer than any is.
    TooLong,
    /// The product has another version than the one that was expected.
    Stale,
    /// Of adjustments that are done together or not at all, these cannot be; by their places.
    Several(Vec<(usize, StockRefusal)>),
}

type EffectsOfApplied = dyn Fn(&Applied) -> Result<Effects, StoreError> + Send + Sync;

/// An operation with what is written with it. Its effects may be asked for more than once, when it is tried again.
pub struct StockWrite {
    pub op: Op,
    pub cause: Cause,
    pub effects: Box<EffectsOfApplied>,
}

/// A variant and what decides whether it may be bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sale {
    pub variant_id: Uuid,
    pub owner_id: Uuid,
    pub product_id: Uuid,
    /// The product's.
    pub version: i64,
    /// Whether its status lets everyone buy it who has its address.
    pub is_public: bool,
    /// Whether its seller is off sale.
    pub is_off_sale: bool,
    /// The product's.
    pub name: String,
    pub price: Money,
}

impl Sale {
    pub fn is_for_sale(&self) -> bool {
        self.is_public && !self.is_off_sale
    }
}

/// Units of a variant that buyers were promised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Promised {
    /// Of those on hand.
    pub reserved: i64,
    /// Beyond them.
    pub backordered: i64,
}

/// Whole operations, one transaction each.
#[async_trait]
pub trait Store: Send + Sync {
    /// The product that a variant belongs to.
    async fn product_of(&self, variant: Uuid) -> Result<Option<Uuid>, StoreError>;

    /// Does an operation on stock, with its movements and what products show of it; or tells why it changes nothing.
    async fn write(&self, write: StockWrite) -> Result<Result<Applied, StockRefusal>, StoreError>;

    async fn reservation(&self, id: Uuid) -> Result<Option<Reservation>, StoreError>;

    /// Reservations of an account that are older than `before`, newest first, at most `limit`.
    async fn reservations_of(&self, account: Uuid, before: Uuid, limit: i64) -> Result<Vec<Reservation>, StoreError>;

    /// As [`Store::reservations_of`], those that keep units of a seller's.
    async fn holds_of(&self, seller: Uuid, before: Uuid, limit: i64) -> Result<Vec<Reservation>, StoreError>;

    /// What decides whether these variants may be bought; nothing of those that are not there.
    async fn sales(&self, variants: &[Uuid]) -> Result<Vec<Sale>, StoreError>;

    /// Held reservations whose time is over, at most `limit`, the longest first.
    async fn expired(&self, now: Timestamp, limit: i64) -> Result<Vec<Uuid>, StoreError>;

    /// Reservations that a release ended which does not know backordered units, at most `limit`.
    async fn unsettled(&self, limit: i64) -> Result<Vec<Uuid>, StoreError>;

    /// A page of a variant's movements, whether it is still there or not.
    async fn history(&self, page: History) -> Result<Vec<Movement>, StoreError>;

    async fn units(&self, variant: Uuid) -> Result<Option<Units>, StoreError>;

    /// Says with how many available units a stock is low, or that it never is; tells whether there is such a variant.
    async fn set_low_stock(&self, variant: Uuid, threshold: Option<i64>, effects: Effects) -> Result<bool, StoreError>;

    /// Variants behind an id, at most `limit`, with what their ledgers sum up to at the same moment, if these are no longer than
    /// `longest`.
    async fn balances(&self, after: Uuid, limit: i64, longest: i64) -> Result<Vec<Balance>, StoreError>;

    /// What the movements of a variant behind one version, up to another, add to its units. They never change.
    async fn ledger_sum(&self, variant: Uuid, after: i64, until: i64) -> Result<Stock, StoreError>;

    /// Variants behind an id that have a ledger, at most `limit`, and whether they are there.
    async fn ledgers(&self, after: Uuid, limit: i64) -> Result<Vec<(Uuid, bool)>, StoreError>;

    /// Held reservations behind the place of another, by the time when they end, at most `limit`.
    async fn held(&self, after: (Timestamp, Uuid), limit: i64) -> Result<Vec<Reservation>, StoreError>;

    /// Units of a variant that are promised by its row, and by the lines of held reservations, at one moment.
    async fn promised(&self, variant: Uuid) -> Result<(Promised, Promised), StoreError>;

    /// Units that were promised and are not there.
    async fn oversold(&self) -> Result<i64, StoreError>;

    /// Takes all of a seller off sale. An entry that is there already goes on under this mark, and stays one of an erased seller.
    async fn take_off_sale(&self, entry: OffSale) -> Result<(), StoreError>;

    /// Ends the entry of a seller, if it has this mark.
    async fn put_on_sale(&self, seller: Uuid, mark: Uuid) -> Result<(), StoreError>;

    async fn off_sale(&self, seller: Uuid) -> Result<Option<OffSale>, StoreError>;

    /// Entries of sellers behind an id that were made since then, at most `limit`.
    async fn off_sale_since(&self, since: Timestamp, after: Uuid, limit: i64) -> Result<Vec<OffSale>, StoreError>;

    /// Those of these variants whose sellers let buyers know how many there are.
    async fn showing_available(&self, variants: &[Uuid]) -> Result<Vec<Uuid>, StoreError>;

    /// Has counts pass over the entry of an erased account, made until then, if it has no products.
    async fn settle_off_sale(&self, seller: Uuid, until: Timestamp) -> Result<(), StoreError>;
}

/// The store for the database that was chosen.
pub fn open(database: &Database) -> Arc<dyn Store> {
    match database {
        Database::Sqlite(db) => Arc::new(sqlite::SqliteStore(Arc::clone(db))),
        Database::Postgres(db) => Arc::new(postgres::PostgresStore::new(Arc::clone(db))),
    }
}
