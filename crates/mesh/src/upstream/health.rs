//! Looks at an instance again and again, so that calls need not find out what is wrong with it.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, Request, StatusCode, Uri, header};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http_body_util::{BodyExt, Full, Limited};
use tokio::time::{Instant, MissedTickBehavior};

use super::attempt::{Failure, Why};
use super::breaker::Breaker;
use super::instance::{Health, Instance};
use crate::{STATEMENT, Speaker, StatementError};

const PATH: &str = "/internal/health";
/// Looks under way at a time: the next need not wait until one that hangs has failed.
const AT_ONCE: usize = 2;
/// Looks in a row that must fail.
const MISSES: u32 = 2;
/// Suspicions do not make anybody look more often than that.
const PAUSE: Duration = Duration::from_millis(25);
const BODY: usize = 64 * 1024;

/// How often an instance is looked at, and how long it may take to answer.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub every: Duration,
    pub patience: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { every: Duration::from_millis(250), patience: Duration::from_secs(1) }
    }
}

/// One look at an instance.
#[derive(Debug, Clone, Copy)]
pub struct Probe {
    began: Instant,
    pub found: Health,
}

pub async fn look(instance: &Instance, pace: Pace) -> Probe {
    let began = Instant::now();
    let mut request = Request::new(Full::<Bytes>::default());
    *request.uri_mut() = instance.target.uri(&Uri::from_static(PATH));
    request.headers_mut().insert(header::HOST, instance.target.address.host_header().clone());
    let statement_keys = instance.target.statement_keys.as_ref();
    if let Some(statement) = statement_keys
        .and_then(|statement_keys| statement_keys.sign(Speaker::Service("look".into()), &Method::GET, PATH, &[]))
    {
        request.headers_mut().insert(STATEMENT, statement);
    }
    let asked = async {
        let answer = match instance.probes.request(request).await {
            Ok(answer) => answer,
            Err(error) => return found(Failure::of(&error, &instance.dialer)),
        };
        let (status, doubt) = (answer.status(), StatementError::told(answer.headers()));
        // Taken whole, so that the connection can be used again.
        let _ = Limited::new(answer.into_body(), BODY).collect().await;
        match status {
            _ if doubt.is_some() => Health::Disbelieves,
            StatusCode::OK => Health::Healthy,
            StatusCode::SERVICE_UNAVAILABLE => Health::Draining,
            _ => Health::Failing,
        }
    };
    let found = tokio::time::timeout(pace.patience, asked).await.unwrap_or(Health::Hung);
    Probe { began, found }
}

fn found(failure: Failure) -> Health {
    match failure.why {
        Why::Refused => Health::Refused,
        Why::Disbelieved(_) => Health::Disbelieves,
        Why::Untrusted => Health::Untrusted,
        Why::Unreachable | Why::Abandoned | Why::Hung | Why::Deadline => Health::Hung,
        // Over HTTP/2, the second look waits for the connection that the first one tries to make.
        Why::Other if !failure.sent => Health::Hung,
        Why::Broken | Why::Other => Health::Failing,
    }
}

/// Looks for as long as it is polled.
pub async fn watch(instance: Arc<Instance>, breaker: Arc<Breaker>, pace: Pace) {
    let mut ticks = tokio::time::interval(pace.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looks = FuturesUnordered::new();
    let mut began = Instant::now();
    let mut misses = 0;
    loop {
        tokio::select! {
            look = looks.next(), if !looks.is_empty() => {
                let Some(look) = look else { continue };
                if judge(&instance, look, &mut misses, &breaker) {
                    // Those that began before know less.
                    looks.clear();
                }
                continue;
            }
            _ = ticks.tick() => instance.calls.sweep(),
            () = instance.suspected.notified() => tokio::time::sleep(PAUSE.saturating_sub(began.elapsed())).await,
        }
        if looks.len() < AT_ONCE {
            began = Instant::now();
            looks.push(look(&instance, pace));
        }
    }
}

/// Whether the instance answered.
pub(super) fn judge(instance: &Instance, look: Probe, misses: &mut u32, breaker: &Breaker) -> bool {
    match look.found {
        Health::Healthy => {
            *misses = 0;
            instance.dialer.trust();
            if instance.returns(Instant::now()) {
                breaker.hasten();
            }
            return true;
        }
        Health::Draining | Health::Disbelieves => {
            *misses = 0;
            instance.eject(look.found);
            return true;
        }
        // A busy machine makes looks late. What answers calls is well.
        _ if instance.answered_since(look.began) => *misses = 0,
        // That is not a matter of patience.
        Health::Refused | Health::Untrusted => instance.eject(look.found),
        found => {
            *misses += 1;
            if *misses >= MISSES {
                instance.eject(found);
            }
        }
    }
    false
}
