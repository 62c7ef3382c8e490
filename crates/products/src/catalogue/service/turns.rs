//! Changes of one product, one after the other.
//!
//! A change reads the product, decides, and writes if the version is still the one that was read. Left to themselves, many at once
//! would mostly undo each other's work; so those of this process wait for their turn, in the order in which they came. Those of
//! other processes meet at the version, and try again after a short pause.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kernel::Uuid;
use platform::Context;
use tokio::sync::{Mutex, MutexGuard};

/// Products that share a stripe wait for each other too.
const STRIPES: usize = 256;
/// A change that meets those of other processes starts over this often before it gives up.
const TRIES: u32 = 16;
/// The second try comes after up to so many milliseconds; each further one may wait twice as long.
const FIRST_PAUSE: u64 = 4;
const LONGEST_PAUSE: u64 = 128;

#[derive(Clone)]
pub struct Turns {
    stripes: Arc<[Mutex<()>]>,
    context: Context,
}

/// Nobody else in this process changes the product until it is dropped, done or cut short.
pub struct Turn<'a> {
    tries: u32,
    context: &'a Context,
    _held: Vec<MutexGuard<'a, ()>>,
}

impl Turns {
    pub fn new(context: Context) -> Self {
        Self { stripes: (0..STRIPES).map(|_| Mutex::default()).collect(), context }
    }

    /// Waits for the product's turn. The deadline of the write bounds how long.
    pub async fn take(&self, product: Uuid) -> Turn<'_> {
        self.take_all(&[product]).await
    }

    /// As [`Turns::take`], of several products. Everyone takes the stripes in one order and holds nothing else meanwhile, so that no two
    /// can wait for each other.
    pub async fn take_all(&self, products: &[Uuid]) -> Turn<'_> {
        // An id ends with random bits.
        let stripes: BTreeSet<usize> = products.iter().map(|product| product.as_u128() as usize % STRIPES).collect();
        let mut held = Vec::with_capacity(stripes.len());
        for stripe in stripes {
            held.push(self.stripes[stripe].lock().await);
        }
        Turn { tries: 0, context: &self.context, _held: held }
    }
}

impl Turn<'_> {
    /// Whether to try, or to try again: after a pause, so that processes do not meet again and again in step.
    pub async fn goes_on(&mut self) -> bool {
        if self.tries > 0 && self.tries < TRIES {
            let longest = (FIRST_PAUSE << (self.tries - 1)).min(LONGEST_PAUSE);
            // Without randomness the longest pause is as good as any.
            let random = self.context.random().map_or(longest, u64::from_ne_bytes);
            tokio::time::sleep(Duration::from_millis(1 + random % longest)).await;
        }
        self.tries += 1;
        self.tries <= TRIES
    }
}
