//! What operations on stock write, by column: one statement a table, however many they are.

use kernel::Uuid;
use storage::postgres::Statement;

use super::super::{Batch, rows};
use crate::model::{Movement, Reservation};
use crate::store::RESERVED_RULE;

const CHANGE: &str = "update variants set on_hand = variants.on_hand + net.on_hand, \
    reserved = variants.reserved + net.reserved, available = available + net.on_hand - net.reserved, \
    backordered = variants.backordered + net.backordered, stock_version = net.version, \
    imported_version = case when imported_version = net.expected then net.version else imported_version end \
    from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[]) \
      as net (id, on_hand, reserved, expected, version, backordered) \
    where variants.id = net.id and stock_version = net.expected and available + net.on_hand - net.reserved >= 0 \
      and variants.reserved + net.reserved >= 0 and variants.backordered + net.backordered >= 0";
const INSERT_MOVEMENTS: &str = rows::insert_movement!(
    "select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], \
     $8::text[], $9::text[], $10::uuid[], $11::bigint[], $12::bigint[])"
);
const INSERT_RESERVATIONS: &str = rows::insert_reservation!(
    "select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], \
     $8::bigint[], $9::bigint[], $10::bigint[], $11::text[], $12::boolean[], $13::text[])"
);
const UPDATE_RESERVATIONS: &str = "update reservations set state = given.state, ttl = given.ttl, \
    expires_at = given.expires_at, version = given.version, updated_at = given.updated_at, counts_beyond = given.counts_beyond \
    from unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::boolean[]) \
      as given (id, state, ttl, expires_at, version, updated_at, counts_beyond) where reservations.id = given.id";

/// Changes of variants by column.
#[derive(Default)]
pub struct Nets {
    ids: Vec<Uuid>,
    on_hand: Vec<i64>,
    reserved: Vec<i64>,
    expected: Vec<i64>,
    versions: Vec<i64>,
    backordered: Vec<i64>,
}

impl Nets {
    pub fn of(batch: &Batch) -> Self {
        let mut columns = Self::default();
        for net in batch.nets() {
            columns.ids.push(net.variant_id);
            columns.on_hand.push(net.on_hand);
            columns.reserved.push(net.reserved);
            columns.expected.push(net.expected);
            columns.versions.push(net.version);
            columns.backordered.push(net.backordered);
        }
        columns
    }

    pub fn statement(&self) -> Option<Statement<'_>> {
        let columns = || {
            vec![
                &self.ids as _,
                &self.on_hand as _,
                &self.reserved as _,
                &self.expected as _,
                &self.versions as _,
                &self.backordered as _,
            ]
        };
        (!self.ids.is_empty()).then(|| Statement::new(CHANGE, columns()).affecting(self.ids.len(), RESERVED_RULE))
    }
}

/// Movements by column.
#[derive(Default)]
pub struct Movements<'a> {
    variants: Vec<Uuid>,
    versions: Vec<i64>,
    kinds: Vec<&'static str>,
    on_hand: Vec<i64>,
    reserved: Vec<i64>,
    on_hand_after: Vec<i64>,
    reserved_after: Vec<i64>,
    reasons: Vec<Option<&'a str>>,
    actors: Vec<&'a str>,
    references: Vec<Option<Uuid>>,
    times: Vec<i64>,
    backordered: Vec<i64>,
}

impl<'a> Movements<'a> {
    pub fn of(movements: impl IntoIterator<Item = &'a Movement>) -> Self {
        let mut columns = Self::default();
        for m in movements {
            columns.variants.push(m.variant_id);
            columns.versions.push(m.version);
            columns.kinds.push(m.kind.as_str());
            columns.on_hand.push(m.on_hand);
            columns.reserved.push(m.reserved);
            columns.on_hand_after.push(m.after.on_hand);
            columns.reserved_after.push(m.after.reserved);
            columns.reasons.push(m.reason.as_deref());
            columns.actors.push(&m.actor);
            columns.references.push(m.reference);
            columns.times.push(m.time.0);
            columns.backordered.push(m.backordered);
        }
        columns
    }

    pub fn statement(&self) -> Option<Statement<'_>> {
        let columns = || {
            vec![
                &self.variants as _,
                &self.versions as _,
                &self.kinds as _,
                &self.on_hand as _,
                &self.reserved as _,
                &self.on_hand_after as _,
                &self.reserved_after as _,
                &self.reasons as _,
                &self.actors as _,
                &self.references as _,
                &self.times as _,
                &self.backordered as _,
            ]
        };
        (!self.variants.is_empty()).then(|| Statement::new(INSERT_MOVEMENTS, columns()))
    }
}

/// Reservations by column.
#[derive(Default)]
pub struct Reservations {
    ids: Vec<Uuid>,
    accounts: Vec<Uuid>,
    owners: Vec<Uuid>,
    states: Vec<&'static str>,
    lines: Vec<String>,
    ttls: Vec<i64>,
    expires_at: Vec<i64>,
    versions: Vec<i64>,
    created_at: Vec<i64>,
    updated_at: Vec<i64>,
    beyond: Vec<Option<String>>,
    counts_beyond: Vec<bool>,
    goods: Vec<Option<String>>,
}

impl Reservations {
    pub fn of<'a>(reservations: impl Iterator<Item = &'a Reservation>) -> Self {
        let mut columns = Self::default();
        for r in reservations {
            let lines = rows::StoredLines::of(r);
            columns.ids.push(r.id);
            columns.accounts.push(r.account_id);
            columns.owners.push(r.owner_id);
            columns.states.push(r.state.as_str());
            columns.lines.push(lines.reserved);
            columns.beyond.push(lines.beyond);
            columns.goods.push(lines.goods);
            columns.counts_beyond.push(r.counts_beyond);
            columns.ttls.push(r.ttl);
            columns.expires_at.push(r.expires_at.0);
            columns.versions.push(r.version);
            columns.created_at.push(r.created_at.0);
            columns.updated_at.push(r.updated_at.0);
        }
        columns
    }

    pub fn inserted(&self) -> Option<Statement<'_>> {
        let columns = || {
            vec![
                &self.ids as _,
                &self.accounts as _,
                &self.owners as _,
                &self.states as _,
                &self.lines as _,
                &self.ttls as _,
                &self.expires_at as _,
                &self.versions as _,
                &self.created_at as _,
                &self.updated_at as _,
                &self.beyond as _,
                &self.counts_beyond as _,
                &self.goods as _,
            ]
        };
        (!self.ids.is_empty()).then(|| Statement::new(INSERT_RESERVATIONS, columns()))
    }

    pub fn updated(&self) -> Option<Statement<'_>> {
        let columns = || {
            vec![
                &self.ids as _,
                &self.states as _,
                &self.ttls as _,
                &self.expires_at as _,
                &self.versions as _,
                &self.updated_at as _,
                &self.counts_beyond as _,
            ]
        };
        (!self.ids.is_empty()).then(|| Statement::new(UPDATE_RESERVATIONS, columns()))
    }
}
