//! Which instances are asked.

use super::*;

#[tokio::test]
async fn a_service_that_is_not_there_at_the_start_is_found_when_it_comes() {
    let socket = nobody();
    let upstream = Upstream::start(settings([address(socket)]));
    upstream.call(get("/")).await.unwrap_err();
    let _server = Server::listen(socket, Protocol::Http1).await;
    upstream.call(get("/")).await.unwrap();
    until("it is well", || reasons(&upstream) == ["healthy"]).await;
}

#[tokio::test]
async fn one_that_drains_gets_no_more_calls_and_ends_those_it_has() {
    let (drains, other) = (Server::start().await, Server::start().await);
    let upstream = Upstream::start_at(settings([drains.address(), other.address()]), QUICK);
    until("both are well", || reasons(&upstream) == ["healthy"; 2]).await;
    let mut running = Vec::new();
    while drains.asked() == 0 {
        running.push(upstream.call(get("/body")).await.unwrap());
    }
    drains.script.health.store(503, Ordering::Relaxed);
    until("it is found", || reasons(&upstream)[0] == "draining").await;
    let before = drains.asked();
    for _ in 0..50 {
        upstream.call(get("/")).await.unwrap();
    }
    assert_eq!(drains.asked(), before);
    drains.script.released.send_replace(true);
    other.script.released.send_replace(true);
    for answer in running {
        assert_eq!(text(answer).await, "start end");
    }
}

#[tokio::test]
async fn where_all_drain_one_is_asked_all_the_same() {
    let server = Server::start().await;
    server.script.health.store(503, Ordering::Relaxed);
    let upstream = Upstream::start_at(settings([server.address()]), QUICK);
    until("it is found", || reasons(&upstream) == ["draining"]).await;
    upstream.call(post("/")).await.unwrap();
}

#[tokio::test]
async fn one_look_that_fails_says_nothing_and_two_do() {
    let server = Server::start().await;
    let pace = Pace { every: 100 * MS, patience: 1_000 * MS };
    let upstream = Upstream::start_at(settings([server.address()]), pace);
    until("it is well", || reasons(&upstream) == ["healthy"]).await;
    let probes = || server.script.probes.load(Ordering::Relaxed);
    server.script.health.store(500, Ordering::Relaxed);
    let before = probes();
    until("it is looked at", || probes() > before).await;
    tokio::time::sleep(20 * MS).await;
    assert_eq!(reasons(&upstream), ["healthy"]);
    until("it is found", || reasons(&upstream) == ["does not answer as it should"]).await;
    assert!(probes() >= before + 2);
    upstream.call(get("/")).await.unwrap();
}

#[tokio::test]
async fn looks_that_fail_do_not_count_while_calls_are_answered() {
    let server = Server::start().await;
    let upstream = Upstream::start_at(settings([server.address()]), QUICK);
    until("it is well", || reasons(&upstream) == ["healthy"]).await;
    let instances = upstream.shared.instances.borrow().clone().unwrap();
    let (breaker, mut misses) = (Arc::clone(&upstream.shared.breaker), 0);
    server.hang(true);
    for _ in 0..4 {
        let looks = crate::upstream::health::look(&instances[0], QUICK);
        let (look, ()) = futures_util::future::join(looks, async {
            tokio::time::sleep(20 * MS).await;
            instances[0].answered(Instant::now());
        })
        .await;
        crate::upstream::health::judge(&instances[0], look, &mut misses, &breaker);
        assert_eq!(misses, 0);
    }
    let look = crate::upstream::health::look(&instances[0], QUICK).await;
    crate::upstream::health::judge(&instances[0], look, &mut misses, &breaker);
    assert_eq!(misses, 1);
}

#[tokio::test]
async fn a_broken_connection_ejects_and_the_next_look_returns() {
    let server = Server::start().await;
    let pace = Pace { every: 60_000 * MS, patience: 1_000 * MS };
    let upstream = Upstream::start_at(settings([server.address()]), pace);
    until("it is well", || reasons(&upstream) == ["healthy"]).await;
    upstream.call(post("/broken")).await.unwrap_err();
    assert_eq!(reasons(&upstream), ["refuses or breaks connections"]);
    until("somebody looks at once", || reasons(&upstream) == ["healthy"]).await;
    let instances = upstream.shared.instances.borrow().clone().unwrap();
    assert_eq!(instances[0].share(Instant::now()), 1.0, "it was hardly away");
}

#[tokio::test]
async fn calls_that_are_not_answered_in_time_eject_when_they_are_five_in_a_row() {
    let server = Server::start().await;
    let pace = Pace { every: 60_000 * MS, patience: 1_000 * MS };
    let upstream = Upstream::start_at(settings([server.address()]), pace);
    until("it is well", || reasons(&upstream) == ["healthy"]).await;
    server.hang(true);
    let time_out = async |count: usize, time: Duration| {
        let calls = (0..count).map(|_| upstream.call(call(Method::GET, "/", time)));
        assert!(join_all(calls).await.iter().all(Result::is_err));
    };
    time_out(10, 50 * MS).await;
    time_out(4, 260 * MS).await;
    assert_eq!(reasons(&upstream), ["healthy"], "callers in a hurry say nothing");
    time_out(1, 260 * MS).await;
    assert_eq!(reasons(&upstream), ["does not answer in time"]);
}

#[tokio::test]
async fn everybody_can_be_looked_at_at_once() {
    let (well, drains, nobody) = (Server::start().await, Server::start().await, nobody());
    drains.script.health.store(503, Ordering::Relaxed);
    let upstream = Upstream::start(settings([well.address(), drains.address(), address(nobody)]));
    let found = upstream.probe_now().await;
    let found: Vec<_> = found.iter().map(|one| (one.socket, one.healthy, &*one.reason)).collect();
    assert_eq!(
        found,
        [
            (well.socket, true, "healthy"),
            (drains.socket, false, "draining"),
            (nobody, false, "refuses or breaks connections")
        ]
    );
}
