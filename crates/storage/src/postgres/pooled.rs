//! A connection of the pool, counted as used for as long as it is.

use std::ops::{Deref, DerefMut};

use deadpool_postgres::Object;
use platform::telemetry::metrics::Used;

use crate::StoreError;

/// Given back when dropped.
pub struct Pooled {
    object: Object,
    _used: Used,
}

impl Pooled {
    pub(super) fn new(object: Object, used: Used) -> Self {
        Self { object, _used: used }
    }

    /// Ends its use with what came of it. One that owes an answer is closed, or others would wait for that.
    pub(super) fn give_back<T>(self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Unavailable(_)) = result {
            self.close();
        }
        result
    }

    /// Closes it instead: what it is in the middle of is not for others.
    pub(super) fn close(self) {
        drop(Object::take(self.object));
    }
}

impl Deref for Pooled {
    type Target = Object;

    fn deref(&self) -> &Object {
        &self.object
    }
}

impl DerefMut for Pooled {
    fn deref_mut(&mut self) -> &mut Object {
        &mut self.object
    }
}
