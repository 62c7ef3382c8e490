//! Ids that lead to their shard by themselves: UUIDv8 (RFC 9562 §5.8) in our own layout.
//!
//! | bits | content |
//! |---|---|
//! | 48 | milliseconds since the Unix epoch |
//! | 4 | version, 8 |
//! | 12 | slot 0..4095 of the owning seller |
//! | 2 | variant, 10 |
//! | 22 | counter, so that ids of one millisecond and slot ascend |
//! | 40 | random |

use std::sync::Mutex;

use uuid::Uuid;

use crate::hash::fnv1a;
use crate::time::Timestamp;

const COUNTER_BITS: u32 = 22;
const RANDOM_BITS: u32 = 40;

/// The shard slot, 0..4095, of everything that `owner` owns: FNV-1a over the sixteen bytes of the id, folded to 12 bits.
/// Stored ids depend on it, so it never changes.
pub fn slot_of(owner: Uuid) -> u16 {
    let hash = fnv1a(*owner.as_bytes());
    let folded = hash ^ (hash >> 12) ^ (hash >> 24) ^ (hash >> 36) ^ (hash >> 48);
    (folded & 0xfff) as u16
}

/// The slot that a minted id carries; `None` for ids that were imported and need the directory.
pub fn slot_in(id: Uuid) -> Option<u16> {
    (id.get_version_num() == 8).then(|| ((id.as_u128() >> 64) & 0xfff) as u16)
}

/// Mints ids that ascend within this process for any one slot, also when the clock steps back.
#[derive(Debug, Default)]
pub struct IdGenerator {
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    millis: u64,
    counter: u32,
}

impl IdGenerator {
    /// An id of the given slot. `random` supplies the 40 random bits (more are ignored).
    pub fn mint(&self, now: Timestamp, slot: u16, random: u64) -> Uuid {
        let (millis, counter) = self.next(u64::try_from(now.as_millis()).unwrap_or(0));
        let high = (millis << 16) | 0x8000 | u64::from(slot & 0xfff);
        let low = (0b10 << 62) | (u64::from(counter) << RANDOM_BITS) | (random & ((1 << RANDOM_BITS) - 1));
        Uuid::from_u64_pair(high, low)
    }

    fn next(&self, now: u64) -> (u64, u32) {
        let now = now & ((1 << 48) - 1);
        // A poisoned lock only means that another thread panicked between two plain stores: the value is still usable.
        let mut last = self.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if now > last.millis {
            *last = Last { millis: now, counter: 0 };
        } else if last.counter + 1 < 1 << COUNTER_BITS {
            last.counter += 1;
        } else {
            *last = Last { millis: last.millis + 1, counter: 0 };
        }
        (last.millis, last.counter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_carry_time_slot_and_version_and_ascend() {
        let ids = IdGenerator::default();
        let now = Timestamp(1_763_860_266_898_000);
        let minted: Vec<Uuid> = (0..10_000).map(|n| ids.mint(now, 77, u64::MAX - n)).collect();
        assert!(minted.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(minted[0].get_version_num(), 8);
        assert_eq!(minted[0].get_variant(), uuid::Variant::RFC4122);
        assert_eq!(slot_in(minted[9]), Some(77));
        assert_eq!(minted[0].as_u128() >> 80, 1_763_860_266_898);
    }

    #[test]
    fn a_clock_that_steps_back_does_not_repeat_or_reorder() {
        let ids = IdGenerator::default();
        let first = ids.mint(Timestamp(2_000_000_000), 1, 0);
        let second = ids.mint(Timestamp(1_000_000_000), 1, 0);
        assert!(second > first);
    }

    #[test]
    fn slots_are_stable_and_spread() {
        assert_eq!(slot_of(Uuid::nil()), slot_of(Uuid::nil()));
        let slots: std::collections::HashSet<u16> =
            (0..4096_u128).map(|n| slot_of(Uuid::from_u128(n * 0x9E37_79B9_7F4A_7C15))).collect();
        assert!(slots.len() > 2_000, "only {} slots of 4096 owners", slots.len());
        assert_eq!(slot_in(Uuid::nil()), None);
    }
}
