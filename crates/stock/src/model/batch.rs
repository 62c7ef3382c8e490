//! Many changes at once.

use serde::Deserialize;
use utoipa::ToSchema;

/// Items of a batch at most.
pub const MAX_ITEMS: usize = 500;

/// What becomes of a batch when some of its items are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = BatchMode)]
pub enum Mode {
    /// Nothing is done.
    All,
    /// The others are done.
    Each,
}
