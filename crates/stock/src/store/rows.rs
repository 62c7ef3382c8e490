//! The SQL of stock that both databases speak, and what its rows mean.

use kernel::{Currency, Money, Timestamp, Uuid};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use storage::StoreError;
use storage::row::Columns;

use super::Sale;
use crate::model::{HeldLine, Inventory, Line, Movement, MovementKind, Reservation, State, Stock, Units};

/// Whether a seller is off sale. While none is, that is found out once for a whole statement.
#[macro_export]
macro_rules! is_off_sale {
    ($seller:literal) => {
        concat!(
            "(exists (select 1 from sellers_off_sale) and exists (select 1 from sellers_off_sale where seller_id = ",
            $seller,
            "))"
        )
    };
}

macro_rules! units {
    ($which:literal) => {
        concat!(
            "select id, on_hand, reserved, backordered, product_id, owner_id, stock_version, low_stock, untracked, \
             backorder, imported, imported_version from variants where ",
            $which
        )
    };
}
macro_rules! reservations {
    ($which:literal) => {
        concat!(
            "select id, account_id, owner_id, state, lines, ttl, expires_at, version, created_at, updated_at, beyond, counts_beyond, goods \
             from reservations where ",
            $which
        )
    };
}
macro_rules! sales {
    ($which:literal) => {
        concat!(
            "select variants.id, variants.owner_id, products.status, products.unlisted, ",
            $crate::is_off_sale!("variants.owner_id"),
            ", products.id, products.version, products.name, products.currency, variants.price",
            " from variants join products on products.id = variants.product_id where variants.id ",
            $which
        )
    };
}
macro_rules! insert_movement {
    ($values:literal) => {
        concat!(
            "insert into stock_movements (variant_id, version, kind, on_hand, reserved, on_hand_after, reserved_after, \
             reason, actor, reference, time, backordered) ",
            $values
        )
    };
}
macro_rules! insert_reservation {
    ($values:literal) => {
        concat!(
            "insert into reservations (id, account_id, owner_id, state, lines, ttl, expires_at, version, created_at, \
             updated_at, beyond, counts_beyond, goods) ",
            $values
        )
    };
}
/// Held ones whose time is over, the longest first; and those that are held for longer than any may be.
macro_rules! expired {
    ($now:expr) => {
        concat!(
            "select id from (select id from reservations where state = 'held' and expires_at <= ",
            $now,
            " order by expires_at, id limit $2) as over union all \
             select id from (select id from reservations where state = 'held' and expires_at > $3 \
             order by expires_at desc, id desc limit $2) as beyond"
        )
    };
}
pub(super) use {expired, insert_movement, insert_reservation, reservations, sales, units};

/// A variant and what else is known of its product.
macro_rules! details {
    ($which:literal) => {
        concat!(
            "select variants.id, products.details from variants join products on products.id = variants.product_id \
             where variants.id ",
            $which
        )
    };
}
pub(super) use details;

pub const PRODUCT_OF: &str = "select product_id from variants where id = $1";
/// What a product shows of its variants.
pub const SHOWN_VARIANTS: &str = "select variants from products where id = $1";
pub const SHOW_VARIANTS: &str = "update products set variants = $1, in_stock = $2 where id = $3";
pub const RESERVATION: &str = reservations!("id = $1");
pub const RESERVATIONS_OF: &str = reservations!("account_id = $1 and id < $2 order by id desc limit $3");
/// The version of a variant's product.
pub const VERSION: &str = "select id, version from products where id = (select product_id from variants where id = $1)";
/// Held ones of a seller's goods, as their index has them.
pub const HOLDS_OF: &str =
    reservations!("owner_id = $1 and state = 'held' and expires_at >= 0 and id < $2 order by id desc limit $3");
pub const SET_LOW_STOCK: &str = "update variants set low_stock = $1 where id = $2";
/// The newest movements of a variant before a version.
pub const HISTORY: &str = "select variant_id, version, kind, on_hand, reserved, on_hand_after, reserved_after, reason, \
    actor, reference, time, backordered from stock_movements where variant_id = $1 and version < $2 order by version desc limit $3";

/// Variants behind an id, with what their ledgers sum up to, if they are short.
pub const BALANCES: &str = "select v.id, v.on_hand, v.reserved, v.backordered, v.available, v.stock_version, \
    cast(coalesce(sum(m.on_hand), 0) as bigint), cast(coalesce(sum(m.reserved), 0) as bigint), \
    cast(coalesce(sum(m.backordered), 0) as bigint) \
    from (select id, on_hand, reserved, backordered, available, stock_version from variants where id > $1 \
      order by id limit $2) as v \
    left join stock_movements as m on m.variant_id = v.id and v.stock_version <= $3 \
    group by v.id, v.on_hand, v.reserved, v.backordered, v.available, v.stock_version order by v.id";
/// What a part of a ledger sums up to.
pub const SUM: &str = "select cast(coalesce(sum(on_hand), 0) as bigint), cast(coalesce(sum(reserved), 0) as bigint), \
    cast(coalesce(sum(backordered), 0) as bigint) from stock_movements where variant_id = $1 and version > $2 and version <= $3";
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
    let ledger = Stock {
        on_hand: number(6, "ledger")?,
        reserved: number(7, "ledger")?,
        backordered: number(8, "ledger")?,
        ..stock
    };
    Ok(Balance { stock, available: number(4, "available")?, version: number(5, "stock_version")?, ledger })
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
        product_id: row.uuid(4).map_err(wrong("product_id"))?,
        owner_id: row.uuid(5).map_err(wrong("owner_id"))?,
        stock,
        version: row.integer(6).map_err(wrong("stock_version"))?,
        low_stock: row.optional_integer(7).map_err(wrong("low_stock"))?,
        inventory: if row.boolean(8).map_err(wrong("untracked"))? { Inventory::Untracked } else { Inventory::Tracked },
        backorder: row.boolean(9).map_err(wrong("backorder"))?,
        imported: row.optional_integer(10).map_err(wrong("imported"))?,
        imported_version: row.optional_integer(11).map_err(wrong("imported_version"))?,
    })
}

/// What a reservation keeps of a variant beyond the units that are on hand. It stands apart from the reserved units, which a release
/// that knows only of those gives back by itself.
#[derive(Serialize, Deserialize)]
struct Beyond {
    variant_id: Uuid,
    #[serde(default)]
    backordered: i64,
    #[serde(default)]
    untracked: i64,
}

/// A reservation's lines as they are stored: reserved units, and what is beyond them, if anything; and what they are of.
pub struct StoredLines {
    pub reserved: String,
    pub beyond: Option<String>,
    pub goods: Option<String>,
}

impl StoredLines {
    pub fn of(reservation: &Reservation) -> Self {
        let lines = &reservation.lines;
        let reserved = lines.iter().filter(|line| line.reserved() > 0);
        let reserved = reserved.map(|line| Line { variant_id: line.variant_id, quantity: line.reserved() });
        let beyond = lines.iter().filter(|line| line.reserved() < line.quantity).map(|line| Beyond {
            variant_id: line.variant_id,
            backordered: line.backordered,
            untracked: line.untracked,
        });
        let beyond: Vec<Beyond> = beyond.collect();
        Self {
            reserved: list(&reserved.collect::<Vec<_>>()),
            beyond: (!beyond.is_empty()).then(|| list(&beyond)),
            goods: (!reservation.goods.is_empty()).then(|| list(&reservation.goods)),
        }
    }

    fn read(reserved: &str, beyond: Option<&str>) -> Result<Vec<HeldLine>, String> {
        let mut lines: Vec<HeldLine> = parse::<Vec<Line>>(reserved)?.into_iter().map(HeldLine::from).collect();
        let Some(beyond) = beyond else { return Ok(lines) };
        for Beyond { variant_id, backordered, untracked } in parse::<Vec<Beyond>>(beyond)? {
            let quantity = backordered + untracked;
            match lines.iter_mut().find(|line| line.variant_id == variant_id) {
                Some(line) => {
                    (line.quantity, line.backordered, line.untracked) =
                        (line.quantity + quantity, backordered, untracked)
                }
                None => lines.push(HeldLine { variant_id, quantity, backordered, untracked }),
            }
        }
        lines.sort_unstable_by_key(|line| line.variant_id);
        Ok(lines)
    }
}

pub fn reservation(row: &impl Columns) -> Result<Reservation, StoreError> {
    let id = row.uuid(0).map_err(|error| StoreError::corrupt("reservations", "id", "?", error))?;
    let wrong = |column| move |error: String| StoreError::corrupt("reservations", column, id, error);
    Ok(Reservation {
        id,
        account_id: row.uuid(1).map_err(wrong("account_id"))?,
        owner_id: row.uuid(2).map_err(wrong("owner_id"))?,
        state: row.text(3).and_then(|word| State::parse(&word).ok_or(word)).map_err(wrong("state"))?,
        lines: StoredLines::read(
            &row.text(4).map_err(wrong("lines"))?,
            row.optional_text(10).map_err(wrong("beyond"))?.as_deref(),
        )
        .map_err(wrong("lines"))?,
        ttl: row.integer(5).map_err(wrong("ttl"))?,
        expires_at: row.integer(6).map(Timestamp).map_err(wrong("expires_at"))?,
        counts_beyond: row.boolean(11).map_err(wrong("counts_beyond"))?,
        version: row.integer(7).map_err(wrong("version"))?,
        created_at: row.integer(8).map(Timestamp).map_err(wrong("created_at"))?,
        updated_at: row.integer(9).map(Timestamp).map_err(wrong("updated_at"))?,
        goods: match row.optional_text(12).map_err(wrong("goods"))? {
            Some(goods) => parse(&goods).map_err(wrong("goods"))?,
            None => Vec::new(),
        },
    })
}

/// A row of [`LEDGERS`].
pub fn ledger_of(row: &impl Columns) -> Result<(Uuid, bool), StoreError> {
    let id = row.uuid(0).map_err(|error| StoreError::corrupt("stock_movements", "variant_id", "?", error))?;
    Ok((id, row.boolean(1).map_err(|error| StoreError::corrupt("stock_movements", "variant_id", id, error))?))
}

pub fn sale(row: &impl Columns) -> Result<Sale, StoreError> {
    let variant_id = row.uuid(0).map_err(|error| StoreError::corrupt("variants", "id", "?", error))?;
    let wrong = |column| move |error: String| StoreError::corrupt("variants", column, variant_id, error);
    Ok(Sale {
        variant_id,
        owner_id: row.uuid(1).map_err(wrong("owner_id"))?,
        is_public: is_public(row, 2, 3).map_err(wrong("status"))?,
        is_off_sale: row.boolean(4).map_err(wrong("owner_id"))?,
        product_id: row.uuid(5).map_err(wrong("product_id"))?,
        version: row.integer(6).map_err(wrong("product_id"))?,
        name: row.text(7).map_err(wrong("product_id"))?,
        price: Money {
            currency: row.text(8).and_then(|code| Currency::parse(&code).ok_or(code)).map_err(wrong("product_id"))?,
            amount: row.integer(9).map_err(wrong("price"))?,
        },
    })
}

/// Whether everyone who has the address of a product may see it, by its status and whether it is unlisted.
fn is_public(row: &impl Columns, status: usize, unlisted: usize) -> Result<bool, String> {
    match &*row.text(status)? {
        "active" | "unlisted" => Ok(true),
        "draft" => row.boolean(unlisted),
        "archived" => Ok(false),
        unknown => Err(unknown.to_owned()),
    }
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
        backordered: number(11, "backordered")?,
        after: Stock {
            on_hand: number(5, "on_hand_after")?,
            reserved: number(6, "reserved_after")?,
            ..Stock::new(variant_id, 0)
        },
        reason: row.optional_text(7).map_err(wrong("reason"))?,
        actor: row.text(8).map_err(wrong("actor"))?,
        reference: row.optional_uuid(9).map_err(wrong("reference"))?,
        time: row.integer(10).map(Timestamp).map_err(wrong("time"))?,
    })
}

/// The first four columns of rows of units.
pub fn stock(row: &impl Columns) -> Result<Stock, StoreError> {
    let variant_id = row.uuid(0).map_err(|error| StoreError::corrupt("variants", "id", "?", error))?;
    let wrong = |column| move |error: String| StoreError::corrupt("variants", column, variant_id, error);
    Ok(Stock {
        variant_id,
        on_hand: row.integer(1).map_err(wrong("on_hand"))?,
        reserved: row.integer(2).map_err(wrong("reserved"))?,
        backordered: row.integer(3).map_err(wrong("backordered"))?,
    })
}

/// What a product shows of its variants, after some of them, whose units are counted, came into stock or went out of it: the new text,
/// and whether any is in stock. What else is shown of a variant is left as it is.
pub fn show(shown: &str, product: Uuid, stock: &[Stock]) -> Result<(String, bool), StoreError> {
    let corrupt = |error| StoreError::corrupt("products", "variants", product, error);
    let mut variants: Vec<Map<String, Value>> = parse(shown).map_err(corrupt)?;
    let mut any_in_stock = false;
    for variant in &mut variants {
        let id = variant.get("id").and_then(Value::as_str).and_then(|id| id.parse::<Uuid>().ok());
        let id = id.ok_or_else(|| corrupt("a variant has no id".into()))?;
        if let Some(stock) = stock.iter().find(|stock| stock.variant_id == id) {
            variant.insert("in_stock".into(), Value::Bool(stock.available() > 0));
        }
        any_in_stock |= variant.get("in_stock") == Some(&Value::Bool(true));
    }
    Ok((list(&variants), any_in_stock))
}

pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// The JSON form of a list column.
pub fn list<T: serde::Serialize>(items: &[T]) -> String {
    // Lists of strings and images always serialize.
    serde_json::to_string(items).unwrap_or_else(|_| "[]".to_owned())
}

/// A row of `details`: the variant, if its seller lets buyers know how many there are.
pub fn showing_available(row: &impl Columns) -> Result<Option<Uuid>, StoreError> {
    /// What of it matters here.
    #[derive(Default, Deserialize)]
    struct Details {
        #[serde(default)]
        product: ProductDetails,
    }
    #[derive(Default, Deserialize)]
    struct ProductDetails {
        #[serde(default)]
        show_available: bool,
    }
    let variant = row.uuid(0).map_err(|error| StoreError::corrupt("variants", "id", "?", error))?;
    let details = row.optional_text(1).and_then(|text| text.map_or(Ok(Details::default()), |text| parse(&text)));
    let details = details.map_err(|error| StoreError::corrupt("products", "details", variant, error))?;
    Ok(details.product.show_available.then_some(variant))
}
