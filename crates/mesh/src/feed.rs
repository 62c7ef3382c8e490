//! The change feed between processes: one long-polled call.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Extension, Router};
use effects::log::{Changes, Follower, Source};
use platform::telemetry::Recurring;
use serde::Deserialize;
use storage::clock::StoreClock;
use tokio::time::Instant;

use crate::peer::path;
use crate::{Answer, OfService, Peer, Routine};

/// Where it is asked, behind `/internal/{service}/`.
const CHANGES: &str = "changes";
/// How long one question waits for a change, and for its answer. What is asked of a process that hangs is soon asked of another.
const WAIT: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_millis(450);
/// Between questions that are not answered.
const PAUSE: Duration = Duration::from_millis(50);

/// What is asked.
#[derive(Deserialize)]
struct Since {
    after: Option<i64>,
    wait_ms: Option<u64>,
}

/// Where other processes ask what changed in a service.
pub fn routes(service: &str, source: Arc<Source>) -> Router {
    let changes = async |State(source): State<Arc<Source>>, _: OfService, Query(since): Query<Since>| {
        let wait = Duration::from_millis(since.wait_ms.unwrap_or(0));
        let changes = source.changes(since.after, wait).await;
        (changes.is_ok().then_some(Extension(Routine)), Answer(changes))
    };
    Router::new().route(&path(service, CHANGES), get(changes)).with_state(source)
}

/// When changes are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Who asks whether something holds must not wait for the first answer.
    Always,
    /// While somebody asks.
    Wanted,
}

/// Follows the changes of a service until it is dropped; `clock` is read from what it says.
pub fn follow(peer: Peer, when: When, clock: Option<Arc<StoreClock>>) -> Arc<Follower> {
    let follower = Arc::<Follower>::default();
    let (weak, target) = (Arc::downgrade(&follower), path(peer.to, CHANGES));
    tokio::spawn(async move {
        let (mut position, failing) = (None, Recurring::new());
        while let Some(follower) = weak.upgrade() {
            if when == When::Wanted {
                follower.is_wanted().await;
            }
            let question = match position {
                Some(position) => format!("{target}?wait_ms={}&after={position}", WAIT.as_millis()),
                None => format!("{target}?wait_ms={}", WAIT.as_millis()),
            };
            let sent = Instant::now();
            match peer.get::<Changes>(&question, PATIENCE).await {
                Ok(changes) => {
                    position = Some(changes.position);
                    if let Some((clock, time)) = clock.as_ref().zip(changes.time) {
                        clock.read(sent.into_std(), time);
                    }
                    follower.hear(sent, &changes);
                    failing.recovered();
                }
                Err(error) => {
                    if let Some(failures) = failing.failed() {
                        tracing::warn!(event = "feed.lost", %error, failures, "changes are not heard of; nothing remembered counts");
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    });
    follower
}

#[cfg(test)]
mod tests;
