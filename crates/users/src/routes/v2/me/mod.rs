//! One's own account, where the catalogue is concerned too.

pub mod erase;
pub mod export;
