//! The words that every part of PrimeTrade shares: ids, money, time, errors, events, callers.
//!
//! Nothing here does I/O or knows of HTTP, SQL or async; clocks and randomness come in as parameters.

pub mod broken;
pub mod caller;
pub mod error;
pub mod event;
pub mod hash;
pub mod id;
pub mod json;
pub mod money;
pub mod product;
pub mod tag;
pub mod text;
pub mod time;
pub mod version;

pub use broken::Broken;
pub use caller::{Caller, Principal, Role};
pub use error::{Error, Violation};
pub use event::{Actor, Event, PersonalData};
pub use hash::fnv1a;
pub use id::{IdGenerator, slot_of};
pub use money::{Currency, Money, parse_whole};
pub use tag::{tag, tag_of_text};
pub use time::{Clock, SystemClock, Timestamp};
pub use uuid::Uuid;
pub use version::Expected;
