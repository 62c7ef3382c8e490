//! Changes of a stock by its seller.

use kernel::{Broken, Error};

use super::{MAX_REASON, MAX_STOCK, StockChange};

/// A change of a variant's stock, and what the seller says of it.
#[derive(Debug, Clone)]
pub struct Adjustment {
    pub change: StockChange,
    pub reason: String,
}

impl Adjustment {
    /// Either by so many units, or to so many.
    ///
    /// # Errors
    /// `Invalid` with every broken rule.
    pub fn check(delta: Option<i64>, on_hand: Option<i64>, reason: Option<String>) -> Result<Self, Error> {
        let mut broken = Broken::default();
        let reason = match reason {
            Some(reason) => {
                let reason = reason.trim().to_owned();
                broken.text("reason", &reason, 1..=MAX_REASON);
                reason
            }
            None => {
                broken.refuse("reason", "required", "say why, for the record: here, or once for all");
                String::new()
            }
        };
        let change = match (delta, on_hand) {
            (Some(0), None) => {
                broken.refuse("delta", "range", "must not be 0, which changes nothing");
                StockChange::Adjust(0)
            }
            (Some(delta), None) => {
                broken.range("delta", delta, -MAX_STOCK..=MAX_STOCK);
                StockChange::Adjust(delta)
            }
            (None, Some(on_hand)) => {
                broken.range("on_hand", on_hand, 0..=MAX_STOCK);
                StockChange::Set(on_hand)
            }
            (None, None) => {
                broken.refuse("delta", "required", "say delta or on_hand");
                StockChange::Adjust(0)
            }
            (Some(_), Some(_)) => {
                broken.refuse("on_hand", "exclusive", "say delta or on_hand, not both");
                StockChange::Adjust(0)
            }
        };
        broken.finish()?;
        Ok(Self { change, reason })
    }
}
