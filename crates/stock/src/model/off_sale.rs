//! Sellers of whom nothing is for sale.

use kernel::{Timestamp, Uuid};
use serde::{Deserialize, Serialize};

/// A seller of whom nothing is for sale, whatever the status of their products: whoever is deactivated or erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffSale {
    pub seller_id: Uuid,
    /// The request that wants it so. Only who knows it may end it.
    pub mark: Uuid,
    /// Whether the seller is gone for good: then not even what was held before is sold.
    pub erased: bool,
    pub since: Timestamp,
}
