//! All stock, held to its ledger and to the reservations. It may run beside servers: what is compared is of one moment, or never
//! changes.

use std::collections::{BTreeMap, HashSet};

use kernel::{Error, Timestamp, Uuid};

use super::StockService;
use crate::model::Stock;
use crate::store::{Balance, Promised};

/// Rows that are looked at in one read, which must be short.
const PAGE: i64 = 500;
/// Movements of a ledger that are summed up with those of others, and in one read of their own.
const SHORT: i64 = 1_000;
const PART: i64 = 100_000;
/// Looks at all held reservations for those of variants that change meanwhile.
const LOOKS: usize = 3;

/// What is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// A variant's row, by its ledger. What is available is not the rest of them, or less than nothing.
    Ledger { stock: Stock, available: i64, ledger: Stock },
    /// The units that are promised by a variant's row, by the lines of held reservations.
    Held { variant: Uuid, row: Promised, lines: Promised },
    /// A variant that is gone, whose ledger does not end with nothing.
    Gone { ledger: Stock },
}

impl StockService {
    /// Looks at everything, and tells what differs as soon as it is found, and after each page how many rows it had. Returns how many
    /// variants there were.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn verify_stock(
        &self,
        mut differs: impl FnMut(Difference),
        mut looked: impl FnMut(u64),
    ) -> Result<u64, Error> {
        let mut held = self.held_units(&mut looked).await?;
        let (mut after, mut variants, mut doubtful) = (Uuid::nil(), 0, Vec::new());
        loop {
            let balances = self.store.balances(after, PAGE, SHORT).await?;
            for mut balance in balances.iter().copied() {
                self.complete(&mut balance).await?;
                let Balance { stock, available, ledger, .. } = balance;
                if stock != ledger || available != stock.available() || available < 0 {
                    differs(Difference::Ledger { stock, available, ledger });
                }
                if held.remove(&stock.variant_id).unwrap_or_default() != promised(&stock) {
                    doubtful.push(stock.variant_id);
                }
            }
            variants += balances.len() as u64;
            looked(balances.len() as u64);
            let Some(last) = balances.last() else { break };
            after = last.stock.variant_id;
        }
        doubtful.extend(held.into_keys());
        self.look_again(doubtful, &mut differs, &mut looked).await?;
        self.verify_gone(differs, looked).await?;
        Ok(variants)
    }

    /// What held reservations keep of each variant. They are read by the time when they end: one that is extended meanwhile comes
    /// twice, and counts once; none is passed over, because that time never comes earlier.
    async fn held_units(&self, looked: &mut impl FnMut(u64)) -> Result<BTreeMap<Uuid, Promised>, Error> {
        let (mut after, mut units) = ((Timestamp(i64::MIN), Uuid::nil()), BTreeMap::new());
        let mut seen = HashSet::new();
        loop {
            let held = self.store.held(after, PAGE).await?;
            let new = held.iter().filter(|reservation| seen.insert(reservation.id));
            for line in new.flat_map(|reservation| &reservation.lines) {
                let units: &mut Promised = units.entry(line.variant_id).or_default();
                units.reserved += line.reserved();
                units.backordered += line.backordered;
            }
            looked(held.len() as u64);
            let Some(last) = held.last() else { return Ok(units) };
            after = (last.expires_at, last.id);
        }
    }

    /// What was read at different moments may well differ while a server runs. What is held of a variant changes only with its
    /// version: if that stayed the same while all reservations were read, they are what they were at one moment.
    async fn look_again(
        &self,
        mut doubtful: Vec<Uuid>,
        differs: &mut impl FnMut(Difference),
        looked: &mut impl FnMut(u64),
    ) -> Result<(), Error> {
        for _ in 0..LOOKS {
            if doubtful.is_empty() {
                return Ok(());
            }
            let before = self.versions(&doubtful).await?;
            let held = self.held_units(looked).await?;
            let after = self.versions(&doubtful).await?;
            let mut changed = Vec::new();
            for ((variant, before), after) in doubtful.into_iter().zip(before).zip(after) {
                let lines = held.get(&variant).copied().unwrap_or_default();
                match before {
                    _ if before != after => changed.push(variant),
                    (_, row) if row != lines => differs(Difference::Held { variant, row, lines }),
                    _ => {}
                }
            }
            doubtful = changed;
        }
        // They change all the time: the database has to do it in one breath.
        for variant in doubtful {
            let (row, lines) = self.store.promised(variant).await?;
            if row != lines {
                differs(Difference::Held { variant, row, lines });
            }
        }
        Ok(())
    }

    /// The version of each variant's stock, and what is promised then; of one that is gone, nothing.
    async fn versions(&self, variants: &[Uuid]) -> Result<Vec<(i64, Promised)>, Error> {
        let mut versions = Vec::with_capacity(variants.len());
        for variant in variants {
            let units = self.store.units(*variant).await?;
            versions.push(units.map_or((-1, Promised::default()), |units| (units.version, promised(&units.stock))));
        }
        Ok(versions)
    }

    /// Sums up a ledger that was too long to be read with others.
    async fn complete(&self, balance: &mut Balance) -> Result<(), Error> {
        if balance.version > SHORT {
            balance.ledger = self.sum(balance.stock.variant_id, balance.version).await?;
        }
        Ok(())
    }

    /// What a variant's movements up to a version sum up to, in parts that are read one after the other.
    async fn sum(&self, variant_id: Uuid, until: i64) -> Result<Stock, Error> {
        let mut sum = Stock::new(variant_id, 0);
        let mut after = -1;
        while after < until {
            let part = until.min(after + PART);
            let more = self.store.ledger_sum(variant_id, after, part).await?;
            sum.on_hand += more.on_hand;
            sum.reserved += more.reserved;
            sum.backordered += more.backordered;
            after = part;
        }
        Ok(sum)
    }

    /// Ledgers of variants that are gone.
    async fn verify_gone(&self, mut differs: impl FnMut(Difference), mut looked: impl FnMut(u64)) -> Result<(), Error> {
        let mut after = Uuid::nil();
        loop {
            let ledgers = self.store.ledgers(after, PAGE).await?;
            for (variant, _) in ledgers.iter().filter(|(_, is_there)| !is_there) {
                let newest = crate::store::History { variant: *variant, before: None, limit: 1 };
                let last = self.store.history(newest).await?.first().map_or(0, |movement| movement.version);
                let ledger = self.sum(*variant, last).await?;
                if ledger != Stock::new(*variant, 0) {
                    differs(Difference::Gone { ledger });
                }
            }
            looked(ledgers.len() as u64);
            let Some((last, _)) = ledgers.last() else { return Ok(()) };
            after = *last;
        }
    }
}

fn promised(stock: &Stock) -> Promised {
    Promised { reserved: stock.reserved, backordered: stock.backordered }
}
