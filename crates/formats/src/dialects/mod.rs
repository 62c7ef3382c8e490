//! The shops whose files are understood, one file each.

mod shopify;

use crate::dialect::Dialect;

/// All of them. A file that none recognises is told what the first expects.
pub const ALL: [&dyn Dialect; 1] = [&shopify::Shopify];
