//! The change feed: what a service changed, told to the other processes that remember something of it. Told is only *that* a
//! subject changed, so it may be told twice, and whoever hears it asks again for what it is now.
//!
//! A [`Source`] stands beside each database, a [`Follower`] in each process that remembers; between them is one long-polled call, or
//! none in one process.
//! What matters most is when a follower cannot know: then nothing that it remembers counts.

pub mod events;
mod follower;
pub mod reader;
pub mod sequencer;
mod source;
mod tags;
#[cfg(test)]
mod tests;

pub use follower::{Follower, WAIT, When};
pub use source::Source;
pub use tags::{Moment, Tags};

use kernel::Timestamp;
use serde::{Deserialize, Serialize};

/// An answer of the feed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Changes {
    /// Everything up to this position of the log was told.
    pub position: i64,
    /// Milliseconds from when the question arrived to when the log was looked at; negative if that was before.
    pub looked_ms: i64,
    /// The time by the database's clock, when this was said; none from an older release.
    #[serde(default)]
    pub time: Option<Timestamp>,
    /// What happened since cannot be told any more: everything may have changed.
    pub reset: bool,
    /// What the events since, and those that have no position yet, may have made stale: their subjects and tags.
    pub subjects: Vec<String>,
}
