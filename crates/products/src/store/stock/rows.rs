//! The SQL of stock that both databases speak, and what its rows mean.

use kernel::{Timestamp, Uuid};
use platform::db::StoreError;
use platform::db::row::Columns;

use super::Sale;
use crate::model::{Movement, MovementKind, Reservation, State, Status, Stock, Units};
use crate::store::rows::{list, parse, stock};

macro_rules! units {
    ($which:literal) => {
        concat!(
            "select id, on_hand, reserved, product_id, owner_id, stock_version, low_stock from variants where ",
            $which
        )
    };
}
macro_rules! reservations {
    ($which:literal) => {
        concat!(
            "select id, account_id, owner_id, state, lines, ttl, expires_at, version, created_at, updated_at \
             from reservations where ",
            $which
        )
    };
}
macro_rules! sales {
    ($which:literal) => {
        concat!(
            "select variants.id, variants.owner_id, products.status from variants join products \
             on products.id = variants.product_id where variants.id ",
            $which
        )
    };
}
macro_rules! insert_movement {
    ($values:literal) => {
        concat!(
            "insert into stock_movements (variant_id, version, kind, on_hand, reserved, on_hand_after, reserved_after, \
             reason, actor, reference, time) ",
            $values
        )
    };
}
macro_rules! insert_reservation {
    ($values:literal) => {
        concat!(
            "insert into reservations (id, account_id, owner_id, state, lines, ttl, expires_at, version, created_at, \
             updated_at) ",
            $values
        )
    };
}
/// Held ones whose time is over, the longest first.
macro_rules! expired {
    ($now:literal) => {
        concat!(
            "select id from reservations where state = 'held' and expires_at <= ",
            $now,
            " order by expires_at, id limit $2"
        )
    };
}
pub(super) use {expired, insert_movement, insert_reservation, reservations, sales, units};

pub const RESERVATION: &str = reservations!("id = $1");
pub const RESERVATIONS_OF: &str = reservations!("account_id = $1 and id < $2 order by id desc limit $3");
pub const SET_LOW_STOCK: &str = "update variants set low_stock = $1 where id = $2";
/// The newest movements of a variant before a version.
pub const HISTORY: &str = "select variant_id, version, kind, on_hand, reserved, on_hand_after, reserved_after, reason, \
    actor, reference, time from stock_movements where variant_id = $1 and version < $2 order by version desc limit $3";

/// Variants behind an id, with what their ledgers sum up to, if they are short.
pub const BALANCES: &str = "select v.id, v.on_hand, v.reserved, v.available, v.stock_version, \
    cast(coalesce(sum(m.on_hand), 0) as bigint), cast(coalesce(sum(m.reserved), 0) as bigint) \
    from (select id, on_hand, reserved, available, stock_version from variants where id > $1 order by id limit $2) as v \
    left join stock_movements as m on m.variant_id = v.id and v.stock_version <= $3 \
    group by v.id, v.on_hand, v.reserved, v.available, v.stock_version order by v.id";
/// What a part of a ledger sums up to.
pub const SUM: &str = "select cast(coalesce(sum(on_hand), 0) as bigint), cast(coalesce(sum(reserved), 0) as bigint) \
    from stock_movements where variant_id = $1 and version > $2 and version <= $3";
/// Ledgers behind an id, one step of the key after the other, and whether their variants are there.
pub const LEDGERS: &str = "with recursive ids (id) as ( \
    select * from (select variant_id from stock_movements where variant_id > $1 order by variant_id limit 1) as first \
    union all select (select variant_id from stock_movements where variant_id > ids.id order by variant_id limit 1) \
      from ids where ids.id is not null) \
    select ids.id, exists (select 1 from variants where variants.id = ids.id) from ids where ids.id is not null limit $2";
pub const HELD: &str = reservations!("state = 'held' and (expires_at, id) > ($1, $2) order by expires_at, id limit $3");
/// Units that were promised and are not there, by an index that is empty.
pub const OVERSOLD: &str = "select cast(coalesce(sum(-available), 0) as bigint) from variants where available < 0";

/// A variant's stock, and what its ledger says that it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    pub stock: Stock,
    pub available: i64,
    pub version: i64,
    /// Nothing, if it is longer than what was asked for.
    pub ledger: Stock,
}

pub fn balance(row: &impl Columns) -> Result<Balance, StoreError> {
    let stock = stock(row)?;
    let wrong = |column| move |error: String| StoreError::corrupt("variants", column, stock.variant_id, error);
    let number = |column, name| row.integer(column).map_err(wrong(name));
    let ledger = Stock { on_hand: number(5, "ledger")?, reserved: number(6, "ledger")?, ..stock };
    Ok(Balance { stock, available: number(3, "available")?, version: number(4, "stock_version")?, ledger })
}

/// A page of a variant's movements, newest first: those before a version, or all.
#[derive(Debug, Clone, Copy)]
pub struct History {
    pub variant: Uuid,
    pub before: Option<i64>,
    pub limit: i64,
}

pub fn read_units(row: &impl Columns) -> Result<Units, StoreError> {
    let stock = stock(row)?;
    let wrong = |column| move |error: String| StoreError::corrupt("variants", column, stock.variant_id, error);
    Ok(Units {
        product_id: row.uuid(3).map_err(wrong("product_id"))?,
        owner_id: row.uuid(4).map_err(wrong("owner_id"))?,
        stock,
        version: row.integer(5).map_err(wrong("stock_version"))?,
        low_stock: row.optional_integer(6).map_err(wrong("low_stock"))?,
    })
}

pub fn reservation(row: &impl Columns) -> Result<Reservation, StoreError> {
    let id = row.uuid(0).map_err(|error| StoreError::corrupt("reservations", "id", "?", error))?;
    let wrong = |column| move |error: String| StoreError::corrupt("reservations", column, id, error);
    Ok(Reservation {
        id,
        account_id: row.uuid(1).map_err(wrong("account_id"))?,
        owner_id: row.uuid(2).map_err(wrong("owner_id"))?,
        state: row.text(3).and_then(|word| State::parse(&word).ok_or(word)).map_err(wrong("state"))?,
        lines: row.text(4).and_then(|text| parse(&text)).map_err(wrong("lines"))?,
        ttl: row.integer(5).map_err(wrong("ttl"))?,
        expires_at: row.integer(6).map(Timestamp).map_err(wrong("expires_at"))?,
        version: row.integer(7).map_err(wrong("version"))?,
        created_at: row.integer(8).map(Timestamp).map_err(wrong("created_at"))?,
        updated_at: row.integer(9).map(Timestamp).map_err(wrong("updated_at"))?,
    })
}

/// A row of [`LEDGERS`].
pub fn ledger_of(row: &impl Columns) -> Result<(Uuid, bool), StoreError> {
    let id = row.uuid(0).map_err(|error| StoreError::corrupt("stock_movements", "variant_id", "?", error))?;
    Ok((id, row.boolean(1).map_err(|error| StoreError::corrupt("stock_movements", "variant_id", id, error))?))
}

pub fn lines(reservation: &Reservation) -> String {
    list(&reservation.lines)
}

pub fn sale(row: &impl Columns) -> Result<Sale, StoreError> {
    let variant_id = row.uuid(0).map_err(|error| StoreError::corrupt("variants", "id", "?", error))?;
    let wrong = |column| move |error: String| StoreError::corrupt("variants", column, variant_id, error);
    Ok(Sale {
        variant_id,
        owner_id: row.uuid(1).map_err(wrong("owner_id"))?,
        status: row.text(2).and_then(|word| Status::parse(&word).ok_or(word)).map_err(wrong("status"))?,
    })
}

pub fn movement(row: &impl Columns) -> Result<Movement, StoreError> {
    let variant_id = row.uuid(0).map_err(|error| StoreError::corrupt("stock_movements", "variant_id", "?", error))?;
    let wrong = |column| move |error: String| StoreError::corrupt("stock_movements", column, variant_id, error);
    let number = |column, name| row.integer(column).map_err(wrong(name));
    Ok(Movement {
        variant_id,
        version: number(1, "version")?,
        kind: row.text(2).and_then(|word| MovementKind::parse(&word).ok_or(word)).map_err(wrong("kind"))?,
        on_hand: number(3, "on_hand")?,
        reserved: number(4, "reserved")?,
        after: Stock { variant_id, on_hand: number(5, "on_hand_after")?, reserved: number(6, "reserved_after")? },
        reason: row.optional_text(7).map_err(wrong("reason"))?,
        actor: row.text(8).map_err(wrong("actor"))?,
        reference: row.optional_uuid(9).map_err(wrong("reference"))?,
        time: row.integer(10).map(Timestamp).map_err(wrong("time"))?,
    })
}
