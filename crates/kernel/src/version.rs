//! The versions on which a change is based.

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// What a caller expects of the version of what they change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expected {
    /// Whatever it is, as long as it is there.
    Any,
    OneOf(Vec<i64>),
}

impl Expected {
    /// # Errors
    /// `Stale` when the present version is another one.
    pub fn check(&self, present: i64) -> Result<(), Error> {
        match self {
            Expected::Any => Ok(()),
            Expected::OneOf(versions) if versions.contains(&present) => Ok(()),
            Expected::OneOf(_) => Err(Error::Stale),
        }
    }
}
