//! The change feed between processes: one long-polled call.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Extension, Router};
use effects::log::{Changes, Follower, Source, WAIT, When};
use platform::telemetry::Recurring;
use serde::Deserialize;
use storage::clock::StoreClock;
use tokio::time::Instant;

use crate::peer::path;
use crate::{Answer, OfService, Peer, Routine};

/// Where it is asked, behind `/internal/{service}/`.
const CHANGES: &str = "changes";
/// How long one question may take. What is asked of a process that hangs is soon asked of another.
const PATIENCE: Duration = Duration::from_millis(450);

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

/// Follows the changes of a service until it is dropped; `clock` is read from what it says.
pub fn follow(peer: Peer, when: When, clock: Option<Arc<StoreClock>>) -> Arc<Follower> {
    let (target, failing) = (path(peer.to, CHANGES), Arc::new(Recurring::new()));
    Follower::start(when, move |position| {
        let (peer, clock, failing) = (peer.clone(), clock.clone(), Arc::clone(&failing));
        let after = position.map(|position| format!("&after={position}")).unwrap_or_default();
        let question = format!("{target}?wait_ms={}{after}", WAIT.as_millis());
        async move {
            let sent = Instant::now();
            match peer.get::<Changes>(&question, PATIENCE).await {
                Ok(changes) => {
                    if let Some((clock, time)) = clock.as_ref().zip(changes.time) {
                        clock.read(sent.into_std(), time);
                    }
                    failing.recovered();
                    Some(changes)
                }
                Err(error) => {
                    if let Some(failures) = failing.failed() {
                        tracing::warn!(event = "feed.lost", %error, failures, "changes are not heard of; nothing remembered counts");
                    }
                    None
                }
            }
        }
    })
}

#[cfg(test)]
mod tests;
