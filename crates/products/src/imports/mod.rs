//! Import of product files into the catalogue: what a file describes ([`formats`]) is merged with what is there, and written.

mod digest;
mod exchange;
#[cfg(test)]
mod history;
mod merge;
mod notes;
pub mod run;
mod skus;
mod upsert;

pub use notes::{Note, NoteKind, Options, Outcome};
pub use upsert::Upserted;
