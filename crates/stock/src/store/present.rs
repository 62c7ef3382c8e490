//! What operations do to stock and reservations as they are.

use std::collections::BTreeMap;

use kernel::{Expected, Uuid};

use super::{Applied, Op, StockRefusal, VariantAdjustment};
use crate::model::{ChangedStock, End, HeldLine, Mode, Reservation, Shelf};

/// Stock and reservations as they are when operations come, under their locks.
pub struct Present {
    pub shelf: Shelf,
    pub reservations: BTreeMap<Uuid, Reservation>,
    /// Of the products of which an operation expects one.
    pub versions: BTreeMap<Uuid, i64>,
}

impl Op {
    /// The reservation that must be known for it.
    pub fn reservation(&self) -> Option<Uuid> {
        match self {
            Op::End { id, .. } | Op::Extend { id, .. } | Op::Settle(id) => Some(*id),
            Op::Adjust { .. } | Op::Hold(_) => None,
        }
    }

    /// The variants whose units must be known for it.
    pub fn variants(&self, reservations: &BTreeMap<Uuid, Reservation>) -> Vec<Uuid> {
        let of = |reservation: &Reservation| reservation.lines.iter().map(|line| line.variant_id).collect();
        match self {
            Op::Adjust { adjustments, .. } => adjustments.iter().map(|one| one.variant).collect(),
            Op::Hold(reservation) => of(reservation),
            Op::End { id, .. } | Op::Settle(id) => reservations.get(id).map(of).unwrap_or_default(),
            Op::Extend { .. } => Vec::new(),
        }
    }

    /// How many rows of stock it is about, as far as it says.
    pub fn weight(&self) -> usize {
        match self {
            Op::Adjust { adjustments, .. } => adjustments.len(),
            Op::Hold(reservation) => reservation.lines.len(),
            Op::End { .. } | Op::Settle(_) | Op::Extend { .. } => 1,
        }
    }

    /// Variants whose products have to be at a version.
    pub fn versioned(&self) -> impl Iterator<Item = Uuid> {
        let adjustments = match self {
            Op::Adjust { adjustments, .. } => adjustments.as_slice(),
            _ => &[],
        };
        adjustments.iter().filter(|one| one.expected != Expected::Any).map(|one| one.variant)
    }
}

impl Present {
    /// Does it to what is present.
    ///
    /// # Errors
    /// Why it changed nothing.
    pub fn apply(&mut self, op: &Op) -> Result<Applied, StockRefusal> {
        match op {
            Op::Adjust { adjustments, mode } => self.adjust(adjustments, *mode),
            Op::Hold(reservation) => {
                let (lines, changed) = self.shelf.hold(&reservation.lines).map_err(StockRefusal::Shortage)?;
                let counts_beyond = lines.iter().any(|line| line.backordered > 0);
                Ok(Applied::new(Some(Reservation { lines, counts_beyond, ..reservation.clone() }), changed))
            }
            Op::End { id, end, now } => {
                let known = self.reservations.get_mut(id).ok_or(StockRefusal::Absent)?;
                // Once more is as good as once.
                if known.state == end.state() && *end != End::Expire {
                    return Ok(Applied { is_repeated: true, ..Applied::new(Some(known.clone()), Vec::new()) });
                }
                let may = match end {
                    End::Commit | End::Release => known.is_held(*now),
                    End::Expire => known.is_expired(*now),
                };
                if !may {
                    return Err(StockRefusal::Over(known.state));
                }
                *known = known.ended(*end, *now);
                let changed = self.shelf.end(&known.lines, end.movement());
                Ok(Applied::new(Some(known.clone()), changed))
            }
            Op::Settle(id) => {
                let known = self.reservations.get_mut(id).ok_or(StockRefusal::Absent)?;
                let Some(end) = known.state.end().filter(|_| known.counts_beyond) else {
                    return Err(StockRefusal::Over(known.state));
                };
                known.counts_beyond = false;
                let beyond: Vec<HeldLine> =
                    known.lines.iter().filter(|line| line.backordered > 0).map(|line| line.beyond()).collect();
                let changed = self.shelf.end(&beyond, end.movement());
                Ok(Applied::new(Some(known.clone()), changed))
            }
            Op::Extend { id, ttl, now } => {
                let known = self.reservations.get_mut(id).ok_or(StockRefusal::Absent)?;
                if !known.is_held(*now) {
                    return Err(StockRefusal::Over(known.state));
                }
                *known = known.extended(*ttl, *now).ok_or(StockRefusal::TooLong)?;
                Ok(Applied::new(Some(known.clone()), Vec::new()))
            }
        }
    }

    fn adjust(&mut self, adjustments: &[VariantAdjustment], mode: Mode) -> Result<Applied, StockRefusal> {
        let mut done = Applied::new(None, Vec::with_capacity(adjustments.len()));
        for (place, one) in adjustments.iter().enumerate() {
            match self.adjust_one(one) {
                Ok(changed) => {
                    done.changed.push(changed);
                    done.reasons.push(one.adjustment.reason.clone());
                }
                Err(refusal) => done.refused.push((place, refusal)),
            }
        }
        if mode == Mode::All && !done.refused.is_empty() {
            // The last change first: a variant may have several.
            done.changed.iter().rev().for_each(|changed| self.shelf.undo(changed));
            return Err(StockRefusal::Several(done.refused));
        }
        Ok(done)
    }

    fn adjust_one(&mut self, one: &VariantAdjustment) -> Result<ChangedStock, StockRefusal> {
        if let Some(version) = self.shelf.product_of(one.variant).and_then(|product| self.versions.get(&product)) {
            one.expected.check(*version).map_err(|_| StockRefusal::Stale)?;
        }
        self.shelf.adjust(one.variant, one.adjustment.change).map_err(StockRefusal::Shortage)
    }
}
