//! What a process may believe that hears of changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Extension, Router};
use effects::log::Changes;
use kernel::{Error, SystemClock};
use net::server;
use platform::Context;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{When, follow};
use crate::upstream::{Balance, Protocol, Settings, Upstream};
use crate::{Answer, Peer, StatementKeys};

/// Serves a feed as a process does.
async fn serve(feed: Router) -> (Peer, watch::Sender<bool>) {
    let folder = tempfile::tempdir().unwrap();
    let context = Context::new(Arc::new(SystemClock));
    let statement_keys = Arc::new(StatementKeys::open(&folder.path().join("keys.json"), context).unwrap());
    let listener = server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap().to_string().parse().unwrap();
    let (stop, stopping) = watch::channel(false);
    let feed = feed.route("/internal/health", get(async || "ok"));
    let settings =
        server::Settings { max_connections: 10, protocols: server::Protocols::Http1, tls: None, pinned: None };
    tokio::spawn(server::serve(listener, feed, settings, stopping));
    let upstream = Upstream::start(Settings {
        name: "feed-test",
        addresses: vec![address],
        protocol: Protocol::Http1,
        balance: Balance::RoundRobin,
        max_in_flight: 10,
        statement_keys: None,
        tls: None,
    });
    (Peer { to: "test", upstream, statement_keys, from: "test" }, stop)
}

/// What is told while the log is looked at now, and the position of its last change.
fn changes_up_to(position: i64) -> Changes {
    let subjects = if position > 1 { vec!["counters/1".to_owned()] } else { Vec::new() };
    Changes { position, looked_ms: 0, time: None, reset: position == 0, subjects }
}

#[tokio::test]
async fn what_is_remembered_counts_while_the_feed_is_heard() {
    let log = Arc::new(AtomicI64::new(1));
    let answer = async |State(log): State<Arc<AtomicI64>>| {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Answer(Ok(changes_up_to(log.load(Ordering::Relaxed))))
    };
    let feed = Router::new().route("/internal/test/changes", get(answer)).with_state(Arc::clone(&log));
    let (peer, stop) = serve(feed).await;
    let follower = follow(peer, When::Always, None);
    eventually("the feed is heard", || follower.is_fresh()).await;
    let (subjects, since): ([Box<str>; 1], _) = (["counters/1".into()], follower.tags().now());
    // Quiet is not silence.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert!(follower.is_fresh() && follower.tags().hold(&subjects, since));
    log.store(2, Ordering::Relaxed);
    eventually("the change is heard", || !follower.tags().hold(&subjects, since)).await;
    let _ = stop.send(true);
    eventually("silence is noticed", || !follower.is_fresh()).await;
}

/// An answer that says when the log was looked at counts from then, however late it comes.
#[tokio::test]
async fn what_was_looked_at_long_ago_counts_for_nothing() {
    let stale = Changes { position: 1, looked_ms: -5_000, time: None, reset: false, subjects: Vec::new() };
    let tell = async |Extension(changes): Extension<Changes>| Answer(Ok(changes));
    let (peer, _stop) = serve(Router::new().route("/internal/test/changes", get(tell)).layer(Extension(stale))).await;
    let follower = follow(peer, When::Always, None);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!follower.is_fresh());
}

/// Of another form than ours, though serde by itself would read it.
#[tokio::test]
async fn answers_and_refusals_of_others_are_objects() {
    let answers = Router::new()
        .route("/object", get(async || r#"{"position":1,"looked_ms":0,"reset":false,"subjects":["a"]}"#))
        .route("/list", get(async || r#"[1,0,false,["a"]]"#))
        .route("/refusal", get(async || (StatusCode::NOT_FOUND, r#"{"kind":"not-found"}"#)))
        .route("/listed-refusal", get(async || (StatusCode::CONFLICT, r#"["stale"]"#)))
        .route("/unknown-question", get(async || (StatusCode::NOT_FOUND, r#"["nothing here"]"#)));
    let (peer, _stop) = serve(answers).await;
    let ask = |target| peer.get::<Changes>(target, Duration::from_secs(5));
    assert_eq!(ask("/object").await.unwrap().subjects, ["a"]);
    assert!(matches!(ask("/list").await, Err(Error::Internal(_))));
    assert!(matches!(ask("/refusal").await, Err(Error::NotFound)));
    assert!(matches!(ask("/listed-refusal").await, Err(Error::Internal(_))));
    // That of a release without the endpoint.
    assert!(matches!(ask("/unknown-question").await, Err(Error::NotFound)));
}

async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
