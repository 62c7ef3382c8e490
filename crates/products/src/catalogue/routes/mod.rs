//! The endpoints of products and variants, one file each.

pub mod v1;
pub mod v2;
