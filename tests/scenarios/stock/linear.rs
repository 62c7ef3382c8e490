//! Whether what clients saw of one variant can have happened in some order, one after the other.
//!
//! A history is linearizable if each operation can be given a moment between its start and its end such that all of them, done
//! at these moments, answer what they answered (Herlihy and Wing, 1990). The search is that of Wing and Gong with the memory of
//! Lowe: a set of operations that were done and led nowhere is not tried again.

use std::collections::HashSet;
use std::time::Duration;

/// What a client asked, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// So many units were held.
    Held(i64),
    /// So many were asked for, and refused.
    Refused(i64),
    /// So many were given back.
    Released(i64),
    /// So many were available.
    Available(i64),
    /// So many were asked for, and nobody heard what came of it.
    Unknown(i64),
}

/// An operation: times count from the start of the history.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    pub began: Duration,
    /// One whose end nobody saw may happen at any time.
    pub ended: Option<Duration>,
    pub seen: Seen,
}

impl Seen {
    /// The units that are available after it; nothing if it cannot have happened with so many.
    fn apply(self, available: i64) -> Option<i64> {
        match self {
            Seen::Held(units) | Seen::Unknown(units) => (available >= units).then_some(available - units),
            Seen::Refused(units) => (available < units).then_some(available),
            Seen::Released(units) => Some(available + units),
            Seen::Available(units) => (available == units).then_some(available),
        }
    }
}

/// Finds an order, given what was available at first. The error tells how far it got.
pub fn check(units: i64, history: &[Operation]) -> Result<Vec<usize>, String> {
    let mut search =
        Search { history, done: vec![0; history.len().div_ceil(64)], order: Vec::new(), tried: HashSet::new() };
    let mut furthest = 0;
    if search.go_on(units, &mut furthest) {
        Ok(search.order)
    } else {
        Err(format!("no order explains more than {furthest} of {} operations", history.len()))
    }
}

struct Search<'a> {
    history: &'a [Operation],
    /// A bit for each operation that was done.
    done: Vec<u64>,
    order: Vec<usize>,
    /// Sets that led nowhere. What is available follows from them.
    tried: HashSet<Vec<u64>>,
}

impl Search<'_> {
    fn is_done(&self, number: usize) -> bool {
        self.done[number / 64] & (1 << (number % 64)) != 0
    }

    fn set(&mut self, number: usize) {
        self.done[number / 64] ^= 1 << (number % 64);
    }

    fn go_on(&mut self, available: i64, furthest: &mut usize) -> bool {
        *furthest = self.order.len().max(*furthest);
        let waiting = |search: &Self| -> Vec<usize> {
            (0..search.history.len()).filter(|number| !search.is_done(*number)).collect()
        };
        let left = waiting(self);
        // Who must come first: nobody may begin after the first of these has ended.
        let Some(first_end) = left.iter().filter_map(|number| self.history[*number].ended).min() else { return true };
        for number in left {
            let operation = &self.history[number];
            if operation.began > first_end {
                continue;
            }
            let Some(after) = operation.seen.apply(available) else { continue };
            self.set(number);
            if self.tried.insert(self.done.clone()) {
                self.order.push(number);
                if self.go_on(after, furthest) {
                    return true;
                }
                self.order.pop();
            }
            self.set(number);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(operations: &[(u64, u64, Seen)]) -> Vec<Operation> {
        let operation = |(began, ended, seen): &(u64, u64, Seen)| Operation {
            began: Duration::from_millis(*began),
            ended: (*ended > 0).then(|| Duration::from_millis(*ended)),
            seen: *seen,
        };
        operations.iter().map(operation).collect()
    }

    fn is_explained(units: i64, operations: &[(u64, u64, Seen)]) -> bool {
        check(units, &history(operations)).is_ok()
    }

    #[test]
    fn what_happened_at_the_same_time_may_have_happened_in_either_order() {
        use Seen::{Available, Held, Refused};
        assert!(is_explained(1, &[(0, 10, Refused(1)), (0, 10, Held(1))]));
        assert!(is_explained(1, &[(0, 10, Available(0)), (5, 10, Held(1))]));
        assert!(is_explained(1, &[(0, 10, Available(1)), (5, 10, Held(1)), (11, 12, Available(0))]));
    }

    #[test]
    fn what_cannot_have_happened_is_found() {
        use Seen::{Available, Held, Refused, Released};
        assert!(!is_explained(1, &[(0, 10, Held(1)), (0, 10, Held(1))]), "sold twice");
        assert!(!is_explained(1, &[(0, 4, Refused(1)), (5, 10, Held(1))]), "refused, and then there was one");
        assert!(!is_explained(1, &[(0, 4, Held(1)), (5, 10, Available(1))]), "an old state was shown");
        assert!(!is_explained(1, &[(0, 4, Held(1)), (6, 9, Held(1)), (8, 10, Released(1)), (5, 7, Available(1))]));
        assert!(is_explained(1, &[(0, 4, Held(1)), (6, 9, Held(1)), (5, 8, Released(1))]));
    }

    #[test]
    fn what_nobody_heard_of_may_have_happened_or_not() {
        use Seen::{Available, Held, Unknown};
        assert!(is_explained(1, &[(0, 0, Unknown(1)), (5, 10, Held(1))]));
        assert!(is_explained(1, &[(0, 0, Unknown(1)), (5, 10, Available(0))]));
        assert!(is_explained(1, &[(0, 0, Unknown(1)), (5, 10, Available(1)), (11, 12, Available(0))]), "much later");
        assert!(!is_explained(1, &[(6, 0, Unknown(1)), (0, 5, Available(0))]), "not before it was asked");
    }
}
