//! What use cases take as parameters instead of globals: time, ids, randomness.

use std::cell::RefCell;
use std::sync::Arc;

use kernel::{Clock, Error, IdGenerator, Timestamp, Uuid, slot_of};

/// Clock and id source of one process. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    clock: Arc<dyn Clock>,
    ids: Arc<IdGenerator>,
}

impl Context {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, ids: Arc::default() }
    }

    /// As this one, but with the time of that clock.
    #[must_use]
    pub fn with_clock(&self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ids: Arc::clone(&self.ids) }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// An id in the shard slot of `owner`.
    ///
    /// # Errors
    /// `Internal` when the operating system gives no randomness.
    pub fn id_for(&self, owner: Uuid) -> Result<Uuid, Error> {
        self.id_in(slot_of(owner))
    }

    /// An id in a random slot, for what belongs to no seller.
    ///
    /// # Errors
    /// As [`Context::id_for`].
    pub fn id(&self) -> Result<Uuid, Error> {
        let slot = (random_u64()? & 0xfff) as u16;
        self.id_in(slot)
    }

    fn id_in(&self, slot: u16) -> Result<Uuid, Error> {
        Ok(self.ids.mint(self.now(), slot, random_u64()?))
    }

    /// Random bytes for salts and secrets.
    ///
    /// # Errors
    /// As [`Context::id_for`].
    pub fn random<const N: usize>(&self) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        fill(&mut bytes)?;
        Ok(bytes)
    }
}

/// Random bits for ids, which are no secrets. A system call for each would cost as much as all the rest of an id.
pub fn random_u64() -> Result<u64, Error> {
    thread_local! {
        static DRAWN: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    }
    DRAWN.with_borrow_mut(|drawn| {
        if let Some(random) = drawn.pop() {
            return Ok(random);
        }
        let mut bytes = [[0; 8]; 256];
        fill(bytes.as_flattened_mut())?;
        drawn.extend(bytes.map(u64::from_ne_bytes));
        Ok(drawn.pop().unwrap_or_default())
    })
}

fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(bytes).map_err(|error| Error::Internal(format!("no randomness: {error}")))
}
