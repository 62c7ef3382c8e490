//! When what was last changed, as far as this process heard.

use std::collections::HashMap;
use std::sync::RwLock;

/// Subjects that are remembered; beyond, everything counts as changed.
const MAX: usize = 1 << 16;

/// A moment in the order of the changes that this process heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

/// Changes by subject. What was read at a [`Moment`] still holds if none of its subjects changed since.
#[derive(Default)]
pub struct Tags(RwLock<Changed>);

#[derive(Default)]
struct Changed {
    now: u64,
    /// What was read before this is forgotten.
    floor: u64,
    at: HashMap<Box<str>, u64>,
}

impl Tags {
    /// Take it before reading what is to be remembered: a change that comes while it is read then counts as later.
    pub fn now(&self) -> Moment {
        Moment(self.read().now)
    }

    pub fn changed(&self, subject: &str) {
        let mut changed = self.write();
        changed.now += 1;
        let now = changed.now;
        if let Some(at) = changed.at.get_mut(subject) {
            *at = now;
        } else if changed.at.len() < MAX {
            changed.at.insert(subject.into(), now);
        } else {
            changed.forget_all();
        }
    }

    pub fn all_changed(&self) {
        self.write().forget_all();
    }

    /// Whether nothing of this changed since.
    pub fn hold(&self, subjects: &[Box<str>], since: Moment) -> bool {
        let changed = self.read();
        let unchanged = |subject: &str| changed.at.get(subject).is_none_or(|at| *at <= since.0);
        since.0 >= changed.floor && subjects.iter().all(|subject| unchanged(subject))
    }

    // Each change leaves whole values under the lock: a poisoned one is usable.
    fn read(&self) -> std::sync::RwLockReadGuard<'_, Changed> {
        self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Changed> {
        self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Changed {
    fn forget_all(&mut self) {
        self.now += 1;
        self.floor = self.now;
        self.at.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_holds_until_one_of_its_subjects_changes() {
        let tags = Tags::default();
        let lamp: [Box<str>; 2] = ["products/1".into(), "accounts/1".into()];
        let other: [Box<str>; 1] = ["products/2".into()];
        let before = tags.now();
        assert!(tags.hold(&lamp, before));
        tags.changed("accounts/1");
        assert!(!tags.hold(&lamp, before) && tags.hold(&other, before));
        let after = tags.now();
        assert!(tags.hold(&lamp, after), "read again");
        tags.changed("products/1");
        assert!(!tags.hold(&lamp, after));
        let last = tags.now();
        tags.all_changed();
        assert!(!tags.hold(&other, last) && tags.hold(&other, tags.now()));
    }

    #[test]
    fn more_subjects_than_can_be_remembered_change_everything() {
        let tags = Tags::default();
        let quiet: [Box<str>; 1] = ["quiet".into()];
        let before = tags.now();
        for number in 0..MAX {
            tags.changed(&number.to_string());
        }
        assert!(tags.hold(&quiet, before));
        tags.changed("one more");
        assert!(!tags.hold(&quiet, before) && tags.hold(&quiet, tags.now()));
    }
}
