//! Units of variants, how they change, and what the ledger keeps of that.

use std::collections::BTreeMap;

use kernel::{Actor, Error, Timestamp, Uuid};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::broken::Broken;
use super::{Line, MAX_STOCK};

/// Units of one variant. Sales change them far more often than anyone edits the product, so they are kept and read apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stock {
    pub variant_id: Uuid,
    /// Units that exist: reserved and available ones.
    pub on_hand: i64,
    pub reserved: i64,
}

impl Stock {
    pub fn available(&self) -> i64 {
        self.on_hand - self.reserved
    }
}

/// A change of the units that exist of a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StockChange {
    /// To so many.
    Set(i64),
    /// By so many, more or fewer.
    Adjust(i64),
}

/// What a movement of units is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = StockMovementKind)]
pub enum MovementKind {
    /// What a variant came with, or had when its ledger began.
    Opening,
    /// Its seller counted, delivered, lost or imported.
    Adjustment,
    /// Units are kept for a buyer.
    Hold,
    /// A buyer gave them back.
    Release,
    /// A buyer's time was over.
    Expiry,
    /// A buyer took them.
    Sale,
    /// The variant was deleted.
    Removal,
}

impl MovementKind {
    const ALL: [Self; 7] =
        [Self::Opening, Self::Adjustment, Self::Hold, Self::Release, Self::Expiry, Self::Sale, Self::Removal];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Adjustment => "adjustment",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Expiry => "expiry",
            Self::Sale => "sale",
            Self::Removal => "removal",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Who changes a stock, why, and when.
#[derive(Debug, Clone)]
pub struct Cause {
    pub actor: Actor,
    /// What the seller says of it.
    pub reason: Option<String>,
    /// The reservation.
    pub reference: Option<Uuid>,
    pub time: Timestamp,
}

/// One change of a variant's stock, as its ledger keeps it for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    pub variant_id: Uuid,
    /// The variant's movements are numbered without gaps.
    pub version: i64,
    pub kind: MovementKind,
    /// Units that it adds to those on hand, and to those reserved.
    pub on_hand: i64,
    pub reserved: i64,
    pub after: Stock,
    pub reason: Option<String>,
    /// `account:<id>` or `system`.
    pub actor: String,
    pub reference: Option<Uuid>,
    pub time: Timestamp,
}

/// A variant's stock, with what its changes need to know of the variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Units {
    pub product_id: Uuid,
    pub owner_id: Uuid,
    pub stock: Stock,
    /// Counts its changes.
    pub version: i64,
    /// With at most so many available, the stock is low.
    pub low_stock: Option<i64>,
}

/// A variant's stock after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangedStock {
    pub units: Units,
    pub before: Stock,
    pub kind: MovementKind,
}

/// What a seller hears of when a stock crosses its threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crossing {
    Low,
    Recovered,
}

impl ChangedStock {
    pub fn stock(&self) -> Stock {
        self.units.stock
    }

    pub fn movement(&self, cause: &Cause) -> Movement {
        let (after, before) = (self.units.stock, self.before);
        Movement {
            variant_id: after.variant_id,
            version: self.units.version,
            kind: self.kind,
            on_hand: after.on_hand - before.on_hand,
            reserved: after.reserved - before.reserved,
            after,
            reason: cause.reason.clone(),
            actor: cause.actor.as_text(),
            reference: cause.reference,
            time: cause.time,
        }
    }

    pub fn crossing(&self) -> Option<Crossing> {
        let threshold = self.units.low_stock?;
        let is_low = |stock: Stock| stock.available() <= threshold;
        match (is_low(self.before), is_low(self.units.stock)) {
            (false, true) => Some(Crossing::Low),
            (true, false) => Some(Crossing::Recovered),
            _ => None,
        }
    }
}

/// Why units do not change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shortage {
    /// There are no such variants, or they are not for sale.
    Unknown(Vec<Uuid>),
    /// Too few units of these are available.
    Short(Vec<Uuid>),
    /// Less would be left than is reserved.
    BelowReserved,
    /// More than a stock can be.
    BeyondLimit,
}

/// The stock of some variants, which nobody else changes meanwhile.
#[derive(Debug)]
pub struct Shelf(BTreeMap<Uuid, Units>);

impl Shelf {
    pub fn new(units: impl IntoIterator<Item = Units>) -> Self {
        Self(units.into_iter().map(|units| (units.stock.variant_id, units)).collect())
    }

    /// Keeps the units of all lines for a buyer, or of none.
    ///
    /// # Errors
    /// `Unknown`, `Short`, and nothing has changed.
    pub fn hold(&mut self, lines: &[Line]) -> Result<Vec<ChangedStock>, Shortage> {
        let which = |is_so: &dyn Fn(&Line) -> bool| -> Vec<Uuid> {
            lines.iter().filter(|line| is_so(line)).map(|line| line.variant_id).collect()
        };
        let unknown = which(&|line| !self.0.contains_key(&line.variant_id));
        if !unknown.is_empty() {
            return Err(Shortage::Unknown(unknown));
        }
        let has =
            |line: &Line| self.0.get(&line.variant_id).is_some_and(|known| known.stock.available() >= line.quantity);
        let short = which(&|line| !has(line));
        if !short.is_empty() {
            return Err(Shortage::Short(short));
        }
        Ok(self.change_all(lines, MovementKind::Hold, |stock, quantity| stock.reserved += quantity))
    }

    /// Ends what was held: the units are available again, or with a sale, gone.
    pub fn end(&mut self, lines: &[Line], kind: MovementKind) -> Vec<ChangedStock> {
        self.change_all(lines, kind, |stock, quantity| {
            stock.reserved -= quantity;
            if kind == MovementKind::Sale {
                stock.on_hand -= quantity;
            }
        })
    }

    /// Changes what is on hand.
    ///
    /// # Errors
    /// `Unknown`, `BelowReserved`, `BeyondLimit`.
    pub fn adjust(&mut self, variant: Uuid, change: StockChange) -> Result<ChangedStock, Shortage> {
        let units = self.0.get_mut(&variant).ok_or_else(|| Shortage::Unknown(vec![variant]))?;
        let on_hand = match change {
            StockChange::Set(on_hand) => on_hand,
            StockChange::Adjust(delta) => units.stock.on_hand.saturating_add(delta),
        };
        if on_hand < units.stock.reserved {
            return Err(Shortage::BelowReserved);
        }
        if on_hand > MAX_STOCK {
            return Err(Shortage::BeyondLimit);
        }
        Ok(units.change(MovementKind::Adjustment, |stock| stock.on_hand = on_hand))
    }

    fn change_all(
        &mut self,
        lines: &[Line],
        kind: MovementKind,
        change: impl Fn(&mut Stock, i64),
    ) -> Vec<ChangedStock> {
        // What is held is of variants that exist: they are not deleted while units of them are reserved.
        let changed = lines.iter().filter_map(|line| {
            let units = self.0.get_mut(&line.variant_id)?;
            Some(units.change(kind, |stock| change(stock, line.quantity)))
        });
        changed.collect()
    }
}

impl Units {
    pub fn change(&mut self, kind: MovementKind, change: impl FnOnce(&mut Stock)) -> ChangedStock {
        let before = self.stock;
        change(&mut self.stock);
        self.version += 1;
        ChangedStock { units: *self, before, kind }
    }
}

/// Checks with how many available units a stock is to be low.
///
/// # Errors
/// `Invalid`.
pub fn check_threshold(threshold: i64) -> Result<(), Error> {
    let mut broken = Broken::default();
    broken.range("threshold", threshold, 0..=MAX_STOCK);
    broken.finish()
}
