//! Sellers: who they are, and what is done with all that one has.

pub mod archive;
pub mod get;
pub mod list_products;
#[cfg(test)]
mod suite;

use std::sync::Arc;

use auth::Accounts;

use crate::lists::Lists;

/// Who sells, and what they are called.
pub struct SellerNames {
    pub lists: Arc<Lists>,
    pub accounts: Arc<dyn Accounts>,
}
