//! What stock and reservations are, and their rules. Pure: no clock, no I/O.

mod adjustment;
mod batch;
mod off_sale;
mod reservation;
mod stock;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use adjustment::Adjustment;
pub use batch::{MAX_ITEMS, Mode};
pub use off_sale::OffSale;
pub use reservation::{
    Basket, End, Goods, HeldLine, Line, MAX_LINES, MAX_TTL, Reservation, State, check_ttl, latest_end,
};
pub use stock::{
    Cause, ChangedStock, Crossing, ImportedStock, Movement, MovementKind, Shelf, Shortage, Stock, StockChange, Units,
    check_threshold,
};

/// The highest stock of a variant.
pub const MAX_STOCK: i64 = i32::MAX as i64;
/// Characters of why a stock is adjusted.
pub const MAX_REASON: usize = 200;

/// Whether a variant's units are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Inventory {
    /// No more is sold than there is.
    #[default]
    Tracked,
    /// It is always in stock, and what is sold of it moves no units.
    Untracked,
}

impl Inventory {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tracked => "tracked",
            Self::Untracked => "untracked",
        }
    }

    pub fn is_tracked(&self) -> bool {
        *self == Self::Tracked
    }
}
