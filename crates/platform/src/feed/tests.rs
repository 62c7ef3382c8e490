//! What is told of changes, on both databases; and what a process may believe that hears of them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Extension, Router};
use kernel::{Error, SystemClock};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Changes, Follower, Source};
use crate::Context;
use crate::db::tests::{both, create_counter, run, step};
use crate::db::{Database, sequencer};
use crate::internal::{Answer, Envoy, Peer};
use crate::upstream::{Balance, Protocol, Settings, Upstream};

const WAIT: Duration = Duration::from_millis(900);

async fn change(database: &Database, counter: i64) {
    let id = Context::new(Arc::new(SystemClock)).id().unwrap();
    step(database, id, counter, Duration::ZERO, false).await.unwrap();
}

/// Asks until something of this subject is told; returns where to go on.
async fn until_told(source: &Source, mut after: i64, subject: &str) -> i64 {
    let began = Instant::now();
    loop {
        let changes = source.changes(Some(after), WAIT).await.unwrap();
        assert!(!changes.reset, "{changes:?}");
        after = changes.position;
        if changes.subjects.iter().any(|told| told == subject) {
            return after;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{subject} was not told");
    }
}

#[test]
fn a_change_is_told_with_and_without_its_position() {
    run(async {
        let (_folder, databases) = both().await;
        for database in databases {
            create_counter(&database, 1).await;
            create_counter(&database, 2).await;
            change(&database, 1).await;
            let source = Source::start(database.clone());
            let start = source.changes(None, WAIT).await.unwrap();
            assert!(start.reset && start.looked_ms >= 0, "who begins knows nothing: {start:?}");
            change(&database, 2).await;
            // On PostgreSQL nobody has numbered it yet.
            let after = until_told(&source, start.position, "counters/2").await;
            if let Database::Postgres(postgres) = &database {
                assert_eq!(after, start.position);
                let numbering = tokio::spawn(sequencer::run(Arc::clone(postgres)));
                let mut position = after;
                while position < 2 {
                    position = source.changes(Some(position), WAIT).await.unwrap().position;
                }
                numbering.abort();
            }
            let quiet = source.changes(Some(2), Duration::from_millis(60)).await.unwrap();
            assert_eq!((quiet.position, quiet.reset, quiet.subjects.len()), (2, false, 0));
            let late = source.changes(Some(1), WAIT).await.unwrap();
            assert!(late.reset || late.subjects == ["counters/2"], "{late:?}");
            let ahead = source.changes(Some(9), WAIT).await.unwrap();
            assert!(ahead.reset, "the log was put back: {ahead:?}");
        }
    });
}

/// Serves a feed as a process does.
async fn serve(feed: Router, envoy: &Arc<Envoy>) -> (Peer, watch::Sender<bool>) {
    let listener = crate::http::server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap().to_string().parse().unwrap();
    let (stop, stopping) = watch::channel(false);
    let feed = feed.route("/internal/health", get(async || "ok"));
    let settings = crate::http::server::Settings {
        max_connections: 10,
        protocols: crate::http::server::Protocols::Http1,
        lanes: None,
    };
    tokio::spawn(crate::http::server::serve(listener, feed, settings, stopping));
    let upstream = Upstream::start(Settings {
        name: "feed-test",
        addresses: vec![address],
        protocol: Protocol::Http1,
        balance: Balance::RoundRobin,
        max_in_flight: 10,
        envoy: None,
    });
    (Peer { upstream, envoy: Arc::clone(envoy), from: "test" }, stop)
}

#[derive(Deserialize)]
struct Asked {
    after: Option<i64>,
    wait_ms: u64,
}

#[test]
fn what_is_remembered_counts_while_the_feed_is_heard() {
    run(async {
        let (folder, [database, _]) = both().await;
        create_counter(&database, 1).await;
        let context = Context::new(Arc::new(SystemClock));
        let envoy = Arc::new(Envoy::open(&folder.path().join("keys.json"), context).unwrap());
        let tell = async |State(source): State<Arc<Source>>, Query(asked): Query<Asked>| {
            Answer(source.changes(asked.after, Duration::from_millis(asked.wait_ms)).await)
        };
        let feed = Router::new().route("/changes", get(tell)).with_state(Source::start(database.clone()));
        let (peer, stop) = serve(feed, &envoy).await;
        let follower = Follower::start(peer, "/changes", None);
        eventually("the feed is heard", || follower.is_fresh()).await;
        let (subjects, since): ([Box<str>; 1], _) = (["counters/1".into()], follower.tags().now());
        // Quiet is not silence.
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        assert!(follower.is_fresh() && follower.tags().hold(&subjects, since));
        change(&database, 1).await;
        eventually("the change is heard", || !follower.tags().hold(&subjects, since)).await;
        let _ = stop.send(true);
        eventually("silence is noticed", || !follower.is_fresh()).await;
    });
}

/// An answer that says when the log was looked at counts from then, however late it comes.
#[test]
fn what_was_looked_at_long_ago_counts_for_nothing() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let context = Context::new(Arc::new(SystemClock));
        let envoy = Arc::new(Envoy::open(&folder.path().join("keys.json"), context).unwrap());
        let stale = Changes { position: 1, looked_ms: -5_000, time: None, reset: false, subjects: Vec::new() };
        let tell = async |Extension(changes): Extension<Changes>| Answer(Ok(changes));
        let (peer, _stop) = serve(Router::new().route("/changes", get(tell)).layer(Extension(stale)), &envoy).await;
        let follower = Follower::start(peer, "/changes", None);
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(!follower.is_fresh());
    });
}

/// Of another form than ours, though serde by itself would read it.
#[test]
fn answers_and_refusals_of_others_are_objects() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let context = Context::new(Arc::new(SystemClock));
        let envoy = Arc::new(Envoy::open(&folder.path().join("keys.json"), context).unwrap());
        let answers = Router::new()
            .route("/object", get(async || r#"{"position":1,"looked_ms":0,"reset":false,"subjects":["a"]}"#))
            .route("/list", get(async || r#"[1,0,false,["a"]]"#))
            .route("/refusal", get(async || (StatusCode::NOT_FOUND, r#"{"kind":"not-found"}"#)))
            .route("/listed-refusal", get(async || (StatusCode::CONFLICT, r#"["stale"]"#)))
            .route("/unknown-question", get(async || (StatusCode::NOT_FOUND, r#"["nothing here"]"#)));
        let (peer, _stop) = serve(answers, &envoy).await;
        let ask = |target| peer.get::<Changes>(target, Duration::from_secs(5));
        assert_eq!(ask("/object").await.unwrap().subjects, ["a"]);
        assert!(matches!(ask("/list").await, Err(Error::Internal(_))));
        assert!(matches!(ask("/refusal").await, Err(Error::NotFound)));
        assert!(matches!(ask("/listed-refusal").await, Err(Error::Internal(_))));
        // That of a release without the endpoint.
        assert!(matches!(ask("/unknown-question").await, Err(Error::NotFound)));
    });
}

async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
