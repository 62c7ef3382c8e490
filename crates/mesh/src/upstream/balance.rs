//! Which instance a call goes to.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use tokio::time::Instant;

use super::instance::{Health, Instance};
use super::load::is_less;
use super::{Affinity, Balance};

/// Instances that a call has been to: it makes three attempts at most.
#[derive(Default)]
pub struct Tried([Option<Arc<Instance>>; 2]);

impl Tried {
    pub fn add(&mut self, instance: &Arc<Instance>) {
        if let Some(free) = self.0.iter_mut().find(|place| place.is_none()) {
            *free = Some(Arc::clone(instance));
        }
    }

    fn has(&self, instance: &Arc<Instance>) -> bool {
        self.0.iter().flatten().any(|tried| Arc::ptr_eq(tried, instance))
    }
}

/// What the choice depends on, besides the instances.
pub struct Choice<'a> {
    pub balance: Balance,
    pub affinity: Option<Affinity>,
    /// A count of calls, for turns.
    pub turn: usize,
    pub tried: &'a Tried,
    pub now: Instant,
}

impl Choice<'_> {
    /// An instance that is known or thought to be well, and was not tried.
    pub fn among<'i>(&self, instances: &'i [Arc<Instance>]) -> Option<&'i Arc<Instance>> {
        match (self.affinity.and_then(|affinity| affinity.under(self.balance)), self.balance) {
            (Some(key), _) => self.open(instances).max_by_key(|instance| mix(key ^ instance.place)),
            (None, Balance::RoundRobin) => self.in_turn(instances),
            (None, Balance::LeastLoaded | Balance::Sticky) => self.less_loaded_of_two(instances),
        }
    }

    /// When none is well: one that answers, though it would rather not, or one whose refusal costs nothing and that may just have come
    /// back. Never one that would keep the call waiting.
    pub fn last_resort<'i>(&self, instances: &'i [Arc<Instance>]) -> Option<&'i Arc<Instance>> {
        let of = |health| {
            let mut found =
                instances.iter().filter(|instance| instance.health() == health && !self.tried.has(instance));
            let count = found.clone().count();
            found.nth(self.turn.checked_rem(count)?)
        };
        let [draining, failing, refused, disbelieves] =
            [Health::Draining, Health::Failing, Health::Refused, Health::Disbelieves];
        of(draining).or_else(|| of(failing)).or_else(|| of(refused)).or_else(|| of(disbelieves))
    }

    fn open<'i>(&self, instances: &'i [Arc<Instance>]) -> impl Iterator<Item = &'i Arc<Instance>> + Clone {
        instances.iter().filter(|instance| instance.health().is_available() && !self.tried.has(instance))
    }

    fn in_turn<'i>(&self, instances: &'i [Arc<Instance>]) -> Option<&'i Arc<Instance>> {
        let mut open = self.open(instances);
        let count = open.clone().count();
        let chosen = open.clone().nth(self.turn.checked_rem(count)?).or_else(|| open.next())?;
        // One that warms up leaves some of its turns to the next.
        if self.is_held_back(chosen) {
            return open.nth((self.turn + 1) % count).or(Some(chosen));
        }
        Some(chosen)
    }

    /// Two at random, in one pass: instances may change their state between two.
    fn less_loaded_of_two<'i>(&self, instances: &'i [Arc<Instance>]) -> Option<&'i Arc<Instance>> {
        let (mut chosen, mut spare) = ([None, None], None);
        let mut seen = 0;
        for instance in self.open(instances) {
            if self.is_held_back(instance) {
                spare = Some(instance);
                continue;
            }
            // The n-th takes the place of one of the two with the probability 2/n: so all are as likely.
            let place = if seen < 2 { seen } else { below(seen + 1) };
            if let Some(place) = chosen.get_mut(place) {
                *place = Some(instance);
            }
            seen += 1;
        }
        match chosen {
            [Some(one), Some(other)] => {
                // Of equal ones, the first of the list would be asked most.
                let (one, other) = if below(2) == 0 { (one, other) } else { (other, one) };
                Some(if is_less(&other.load, &one.load, self.now) { other } else { one })
            }
            [one, _] => one.or(spare),
        }
    }

    fn is_held_back(&self, instance: &Instance) -> bool {
        let share = instance.share(self.now);
        share < 1.0 && (below(1 << 20) as f64) >= share * f64::from(1 << 20)
    }
}

/// The finalizer of SplitMix64: each bit of the result depends on each of the key.
fn mix(key: u64) -> u64 {
    let key = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let key = (key ^ (key >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    key ^ (key >> 31)
}

/// A number below `bound`, random enough to spread calls.
fn below(bound: usize) -> usize {
    thread_local! {
        static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(0));
    }
    let next = STATE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(next);
    usize::try_from(mix(next) % bound.max(1) as u64).unwrap_or(0)
}
