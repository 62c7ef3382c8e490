//! What a marketplace lives by: what it sells exists, whoever races, hangs up, or dies.

mod baskets;
mod batches;
pub mod crowd;
mod histories;
mod linear;
mod races;
