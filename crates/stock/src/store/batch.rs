//! What operations that were done have to write, all together.

use std::collections::BTreeMap;

use kernel::Uuid;

use super::{Applied, Op, StockWrite};
use crate::model::{ChangedStock, Movement, Reservation, Stock};

/// The change of one variant's row by all operations together.
pub struct Net {
    pub variant_id: Uuid,
    pub on_hand: i64,
    pub reserved: i64,
    pub backordered: i64,
    /// The version that it must have, and has then.
    pub expected: i64,
    pub version: i64,
}

/// What operations that were done have to write.
#[derive(Default)]
pub struct Batch {
    pub movements: Vec<Movement>,
    pub held: Vec<Reservation>,
    pub changed: BTreeMap<Uuid, Reservation>,
    nets: BTreeMap<Uuid, (ChangedStock, ChangedStock)>,
}

impl Batch {
    pub fn add(&mut self, write: &StockWrite, done: &Applied) {
        for (changed, cause) in done.causes(&write.cause) {
            self.movements.push(changed.movement(&cause));
            let net = self.nets.entry(changed.stock().variant_id).or_insert((*changed, *changed));
            net.1 = *changed;
        }
        match (&write.op, &done.reservation) {
            (Op::Hold(_), Some(reservation)) => self.held.push(reservation.clone()),
            (_, Some(reservation)) if !done.is_repeated => {
                drop(self.changed.insert(reservation.id, reservation.clone()))
            }
            _ => {}
        }
    }

    pub fn nets(&self) -> impl Iterator<Item = Net> {
        self.nets.values().map(|(first, last)| Net {
            variant_id: first.before.variant_id,
            on_hand: last.stock().on_hand - first.before.on_hand,
            reserved: last.stock().reserved - first.before.reserved,
            backordered: last.stock().backordered - first.before.backordered,
            expected: first.units.version - 1,
            version: last.units.version,
        })
    }

    /// Products of which variants came into stock or went out of it, with what these have now.
    pub fn shown(&self) -> BTreeMap<Uuid, Vec<Stock>> {
        let mut shown = BTreeMap::<_, Vec<_>>::new();
        for (first, last) in self.nets.values() {
            let is_tracked = last.units.inventory.is_tracked();
            if is_tracked && (first.before.available() > 0) != (last.stock().available() > 0) {
                shown.entry(last.units.product_id).or_default().push(last.stock());
            }
        }
        shown
    }
}
