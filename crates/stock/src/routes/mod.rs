//! The endpoints of stock in API v2, one file each.

pub mod adjust_stock;
pub mod low_stock;
pub mod reservations;
pub mod stock_movements;

use kernel::Uuid;
use serde::Serialize;
use utoipa::ToSchema;

use crate::model::Stock;

/// Who sells something.
#[derive(Serialize, ToSchema)]
pub struct Seller<'a> {
    pub id: Uuid,
    /// The username. Null while it cannot be found out.
    pub name: Option<&'a str>,
}

/// Units of a variant.
#[derive(Serialize, ToSchema)]
#[schema(as = Stock)]
pub struct V2Stock {
    /// Units that exist: reserved and available ones.
    on_hand: i64,
    reserved: i64,
    available: i64,
    /// Units that buyers were promised beyond those on hand; counted apart from them.
    backordered: i64,
}

impl From<&Stock> for V2Stock {
    fn from(stock: &Stock) -> Self {
        V2Stock {
            on_hand: stock.on_hand,
            reserved: stock.reserved,
            available: stock.available(),
            backordered: stock.backordered,
        }
    }
}
