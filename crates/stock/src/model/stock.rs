//! Units of variants, how they change, and what the ledger keeps of that.

use std::collections::BTreeMap;

use kernel::{Actor, Broken, Error, Timestamp, Uuid};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{HeldLine, Inventory, MAX_STOCK};

/// Units of one variant. Sales change them far more often than anyone edits the product, so they are kept and read apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stock {
    pub variant_id: Uuid,
    /// Units that exist: reserved and available ones.
    pub on_hand: i64,
    pub reserved: i64,
    /// Units that buyers were promised beyond those on hand; counted apart from them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub backordered: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(super) fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl Stock {
    /// Of which nothing is promised to anybody.
    pub fn new(variant_id: Uuid, on_hand: i64) -> Self {
        Self { variant_id, on_hand, reserved: 0, backordered: 0 }
    }

    /// Whether any buyer waits for units of it.
    pub fn is_promised(&self) -> bool {
        self.reserved > 0 || self.backordered > 0
    }

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
    /// Units that it adds to those on hand, to those reserved, and to those that are promised beyond them.
    pub on_hand: i64,
    pub reserved: i64,
    pub backordered: i64,
    /// On hand and reserved; of what is backordered a movement keeps only what it adds.
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
    pub inventory: Inventory,
    /// Whether more is sold than there is.
    pub backorder: bool,
    /// What the last file said of it.
    pub imported: Option<i64>,
    /// The version up to which that is known: releases that do not know it import too, and leave it behind.
    pub imported_version: Option<i64>,
}

/// What a file means for a stock that is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ImportedStock {
    /// It changes as the file changed since the last time.
    #[default]
    Changes,
    /// It stays.
    Keep,
    /// It becomes what the file says.
    Set,
}

impl ImportedStock {
    /// The units on hand that a file's quantity asks for. `last` is what the last file said, if there was one.
    pub fn wanted(self, present: Stock, last: Option<i64>, quantity: i64) -> i64 {
        match self {
            // The first file says what there is.
            Self::Changes => last.map_or(quantity, |last| present.on_hand + quantity - last),
            Self::Keep => present.on_hand,
            Self::Set => quantity,
        }
    }

    /// As many of the wanted units as there can be: those that are reserved stay.
    pub fn possible(present: Stock, wanted: i64) -> i64 {
        wanted.clamp(present.reserved, MAX_STOCK)
    }
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
    /// Whether it comes into stock, or goes out of it.
    pub fn is_shown(&self) -> bool {
        self.units.inventory.is_tracked() && (self.before.available() > 0) != (self.stock().available() > 0)
    }

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
            backordered: after.backordered - before.backordered,
            after: Stock { backordered: 0, ..after },
            reason: cause.reason.clone(),
            actor: cause.actor.as_text(),
            reference: cause.reference,
            time: cause.time,
        }
    }

    pub fn crossing(&self) -> Option<Crossing> {
        let threshold = self.units.low_stock.filter(|_| self.units.inventory.is_tracked())?;
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
    /// Too few units of these are available: so many.
    Short(Vec<(Uuid, i64)>),
    /// Less would be left than is reserved of what is there.
    BelowReserved(Stock),
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

    /// Keeps the units of all lines for a buyer, or of none. Returns the lines with how each is kept, and what changed: nothing of
    /// variants whose units are not counted.
    ///
    /// # Errors
    /// `Unknown`, `Short`, and nothing has changed.
    pub fn hold(&mut self, lines: &[HeldLine]) -> Result<(Vec<HeldLine>, Vec<ChangedStock>), Shortage> {
        let (mut kept, mut unknown, mut short) = (Vec::with_capacity(lines.len()), Vec::new(), Vec::new());
        for line in lines {
            match self.0.get(&line.variant_id).map(|units| units.keep(line.quantity)) {
                Some(Some(line)) => kept.push(line),
                Some(None) => short.push((line.variant_id, self.available(line.variant_id))),
                None => unknown.push(line.variant_id),
            }
        }
        if !unknown.is_empty() {
            return Err(Shortage::Unknown(unknown));
        }
        if !short.is_empty() {
            return Err(Shortage::Short(short));
        }
        let changed = self.change_all(&kept, MovementKind::Hold, |stock, line| {
            stock.reserved += line.reserved();
            stock.backordered += line.backordered;
        });
        Ok((kept, changed))
    }

    /// Ends what was held: the units are available again, or with a sale, gone.
    pub fn end(&mut self, lines: &[HeldLine], kind: MovementKind) -> Vec<ChangedStock> {
        self.change_all(lines, kind, |stock, line| {
            stock.reserved -= line.reserved();
            stock.backordered -= line.backordered;
            if kind == MovementKind::Sale {
                stock.on_hand -= line.reserved();
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
            return Err(Shortage::BelowReserved(units.stock));
        }
        if on_hand > MAX_STOCK {
            return Err(Shortage::BeyondLimit);
        }
        Ok(units.change(MovementKind::Adjustment, |stock| stock.on_hand = on_hand))
    }

    fn available(&self, variant: Uuid) -> i64 {
        self.0.get(&variant).map_or(0, |units| units.stock.available().max(0))
    }

    /// The product of a variant that is here.
    pub fn product_of(&self, variant: Uuid) -> Option<Uuid> {
        self.0.get(&variant).map(|units| units.product_id)
    }

    /// Puts the units back to what they were before their last change.
    pub fn undo(&mut self, changed: &ChangedStock) {
        let version = changed.units.version - 1;
        self.0.insert(changed.before.variant_id, Units { stock: changed.before, version, ..changed.units });
    }

    fn change_all(
        &mut self,
        lines: &[HeldLine],
        kind: MovementKind,
        change: impl Fn(&mut Stock, &HeldLine),
    ) -> Vec<ChangedStock> {
        // What is held is of variants that exist: they are not deleted while units of them are promised.
        let moving = lines.iter().filter(|line| line.untracked < line.quantity);
        let changed = moving.filter_map(|line| {
            let units = self.0.get_mut(&line.variant_id)?;
            Some(units.change(kind, |stock| change(stock, line)))
        });
        changed.collect()
    }
}

impl Units {
    /// How so many units are kept for a buyer: none counted, those that are there, or others beyond them; `None` if they are not.
    fn keep(&self, quantity: i64) -> Option<HeldLine> {
        let line = HeldLine { variant_id: self.stock.variant_id, quantity, backordered: 0, untracked: 0 };
        if !self.inventory.is_tracked() {
            return Some(HeldLine { untracked: quantity, ..line });
        }
        let missing = quantity - self.stock.available().clamp(0, quantity);
        let may = missing == 0 || self.backorder && self.stock.backordered + missing <= MAX_STOCK;
        may.then_some(HeldLine { backordered: missing, ..line })
    }

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
