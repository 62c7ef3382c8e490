//! What the old front end was shown of stock.
//!
//! Its form posts back every field. While it was open, units may have been sold: the stock that comes back then is no wish of the
//! seller, and to set it would bring sold units back. So what each session was shown last is remembered for a while, in this process
//! alone: where nothing is remembered, a stock that is sent is set, as the contract has it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use kernel::{Timestamp, Uuid};
use platform::Context;

/// How long a form may stay open.
const KEPT: Duration = Duration::from_secs(60 * 60);
/// Entries of a generation. As many as a table of 65,536 places holds: three megabytes.
const MAX: usize = 57_344;

/// The stock of products as each session of v1 saw it last.
pub struct ShownStock {
    context: Context,
    max: usize,
    generations: Mutex<Generations>,
}

/// What was shown lately, and before that. When the young one is full or old, it takes the place of the other: so an entry is
/// forgotten without being looked for.
struct Generations {
    young: Generation,
    old: Generation,
    /// When the young one began.
    since: Timestamp,
}

/// By session and product.
type Generation = HashMap<(Uuid, Uuid), Shown>;

#[derive(Clone, Copy)]
struct Shown {
    stock: i64,
    at: Timestamp,
}

impl ShownStock {
    pub fn new(context: Context) -> Self {
        Self::of_size(context, MAX)
    }

    fn of_size(context: Context, max: usize) -> Self {
        let generations = Generations { young: HashMap::new(), old: HashMap::new(), since: context.now() };
        Self { context, max, generations: Mutex::new(generations) }
    }

    /// Remembers the stock of products, which a session is about to be shown.
    pub fn remember(&self, session: Uuid, shown: impl IntoIterator<Item = (Uuid, i64)>) {
        let now = self.context.now();
        let mut generations = self.lock();
        for (product, stock) in shown {
            if generations.young.len() >= self.max || !is_kept(generations.since, now) {
                generations.age(now);
            }
            generations.young.insert((session, product), Shown { stock, at: now });
        }
    }

    /// The stock of a product that a session was shown last, if that is not too long ago.
    pub fn last(&self, session: Uuid, product: Uuid) -> Option<i64> {
        let now = self.context.now();
        let generations = self.lock();
        let key = (session, product);
        let shown = generations.young.get(&key).or_else(|| generations.old.get(&key))?;
        is_kept(shown.at, now).then_some(shown.stock)
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Generations {
    fn age(&mut self, now: Timestamp) {
        std::mem::swap(&mut self.young, &mut self.old);
        // Its table stays, for the next entries.
        self.young.clear();
        self.since = now;
    }
}

/// Either way: a clock that was put back makes nothing last.
fn is_kept(since: Timestamp, now: Timestamp) -> bool {
    u128::from(since.0.abs_diff(now.0)) < KEPT.as_micros()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use kernel::Clock;

    use super::*;

    const MINUTE: i64 = 60_000_000;

    #[derive(Default)]
    struct Minutes(AtomicI64);

    impl Clock for Minutes {
        fn now(&self) -> Timestamp {
            Timestamp(self.0.load(Ordering::Relaxed) * MINUTE)
        }
    }

    fn memory(max: usize) -> (ShownStock, Arc<Minutes>) {
        let clock = Arc::<Minutes>::default();
        (ShownStock::of_size(Context::new(clock.clone()), max), clock)
    }

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    fn size(memory: &ShownStock) -> usize {
        let generations = memory.lock();
        generations.young.len() + generations.old.len()
    }

    #[test]
    fn the_last_is_remembered_of_each_session_and_product() {
        let (memory, _) = memory(100);
        assert_eq!(memory.last(id(1), id(7)), None);
        memory.remember(id(1), [(id(7), 10), (id(8), 3)]);
        memory.remember(id(2), [(id(7), 6)]);
        assert_eq!(memory.last(id(1), id(7)), Some(10));
        assert_eq!(memory.last(id(1), id(8)), Some(3));
        assert_eq!(memory.last(id(2), id(7)), Some(6));
        assert_eq!(memory.last(id(2), id(8)), None);
        memory.remember(id(1), [(id(7), 0)]);
        assert_eq!(memory.last(id(1), id(7)), Some(0));
    }

    #[test]
    fn it_is_forgotten_after_an_hour_since_it_was_shown() {
        let (memory, clock) = memory(100);
        memory.remember(id(1), [(id(7), 10), (id(8), 10)]);
        clock.0.store(50, Ordering::Relaxed);
        memory.remember(id(1), [(id(8), 9)]);
        clock.0.store(59, Ordering::Relaxed);
        assert_eq!(memory.last(id(1), id(7)), Some(10));
        clock.0.store(60, Ordering::Relaxed);
        assert_eq!(memory.last(id(1), id(7)), None);
        // Also across the change of generations.
        memory.remember(id(1), [(id(9), 1)]);
        assert_eq!(memory.last(id(1), id(8)), Some(9));
        clock.0.store(110, Ordering::Relaxed);
        assert_eq!((memory.last(id(1), id(8)), memory.last(id(1), id(9))), (None, Some(1)));
        // What nobody asks for goes too.
        clock.0.store(120, Ordering::Relaxed);
        memory.remember(id(1), [(id(9), 1)]);
        assert_eq!(size(&memory), 2, "the last two of one product");
        clock.0.store(-120, Ordering::Relaxed);
        assert_eq!(memory.last(id(1), id(9)), None, "a clock that was put back");
    }

    #[test]
    fn it_is_bounded_and_keeps_the_latest() {
        let (memory, _) = memory(10);
        for n in 0..1_000 {
            memory.remember(id(1), [(id(n), n as i64)]);
            assert!(size(&memory) <= 20);
        }
        for n in 990..1_000 {
            assert_eq!(memory.last(id(1), id(n)), Some(n as i64));
        }
        assert_eq!(memory.last(id(1), id(979)), None);
        // What is shown again stays, and a long list is no way around the bound.
        memory.remember(id(1), (0..5_000).map(|n| (id(n % 50), 1)));
        assert!(size(&memory) <= 20);
    }

    #[test]
    fn a_newer_value_hides_the_older_one_of_the_generation_before() {
        let (memory, _) = memory(2);
        memory.remember(id(1), [(id(1), 10), (id(2), 20)]);
        memory.remember(id(1), [(id(1), 11)]);
        assert_eq!((memory.last(id(1), id(1)), memory.last(id(1), id(2))), (Some(11), Some(20)));
    }

    #[test]
    fn a_full_generation_makes_no_table_larger() {
        let (memory, _) = memory(MAX);
        memory.remember(id(1), (0..3 * MAX as u128).map(|n| (id(n), 1)));
        assert_eq!(size(&memory), 2 * MAX);
        assert_eq!(memory.lock().young.capacity(), MAX);
    }
}
