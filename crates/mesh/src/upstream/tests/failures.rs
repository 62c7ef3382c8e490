//! What is tried again, and what is not.

use platform::Context;

use super::*;

fn count_refused(name: &str) -> f64 {
    series(&format!(r#"primetrade_retry_budget_exhausted_total{{dependency="{name}"}}"#)).unwrap()
}

#[tokio::test]
async fn a_call_that_was_never_sent_goes_elsewhere_whatever_its_method() {
    let server = Server::start().await;
    let upstream = Upstream::start(settings([address(nobody()), server.address()]));
    for _ in 0..50 {
        upstream.call(post("/")).await.unwrap();
    }
    assert_eq!(server.asked(), 50);
}

#[tokio::test]
async fn a_call_that_was_sent_is_made_again_only_if_that_does_no_harm() {
    let (one, other) = (Server::start().await, Server::start().await);
    let upstream = Upstream::start(settings([one.address(), other.address()]));
    let error = upstream.call(post("/broken")).await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable(why) if why == "products cannot be reached"), "{error}");
    assert_eq!(one.asked() + other.asked(), 1);
    upstream.call(get("/broken")).await.unwrap_err();
    assert_eq!(one.asked() + other.asked(), 1 + 3, "three attempts");
    assert!(one.asked() > 0 && other.asked() > 0);
}

#[tokio::test]
async fn what_is_tried_again_has_a_budget() {
    let server = Server::start().await;
    let upstream = Upstream::start(Settings { name: "budgeted", ..settings([server.address()]) });
    for _ in 0..200 {
        upstream.call(get("/")).await.unwrap();
    }
    let before = server.asked();
    let calls = (0..100).map(|_| upstream.call(get("/broken")));
    assert!(join_all(calls).await.iter().all(Result::is_err));
    let retries = server.asked() - before - 100;
    assert!((20..60).contains(&retries), "{retries}, of a budget of thirty and what time adds");
    assert!(count_refused("budgeted") >= 50.0);
}

#[tokio::test]
async fn killing_one_of_two_under_load_loses_only_what_it_was_doing() {
    kill_one_of_two(Protocol::Http1).await;
}

#[tokio::test]
async fn killing_one_of_two_under_load_loses_no_more_with_http_2() {
    kill_one_of_two(Protocol::H2c).await;
}

async fn kill_one_of_two(protocol: Protocol) {
    let any = "127.0.0.1:0".parse().unwrap();
    let (killed, stays) = (Server::listen(any, protocol).await, Server::listen(any, protocol).await);
    let upstream = Upstream::start(Settings { protocol, ..settings([killed.address(), stays.address()]) });
    let done = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..64)
        .map(|caller| tokio::spawn(lost_by_a_caller(caller, Arc::clone(&upstream), Arc::clone(&done))))
        .collect();
    until("a part is done", || done.load(Ordering::Relaxed) > 2_000).await;
    let instances = upstream.shared.instances.borrow().clone().unwrap();
    let doing = instances.iter().find(|instance| instance.socket == killed.socket).unwrap().load.in_flight();
    killed.kill().await;
    let mut lost = 0;
    for caller in callers {
        lost += caller.await.unwrap();
    }
    assert!(lost <= doing, "{lost} lost, {doing} under way");
    assert_eq!(upstream.state().iter().filter(|instance| instance.healthy).count(), 1);
}

/// Half of the callers make calls that may be made twice: none of those is lost.
async fn lost_by_a_caller(caller: usize, upstream: Arc<Upstream>, done: Arc<AtomicUsize>) -> usize {
    let mut lost = 0;
    for _ in 0..100 {
        let call = if caller.is_multiple_of(2) { get("/echo") } else { post("/echo") };
        let failed = match upstream.call(call).await {
            Ok(answer) => answer.into_body().collect().await.is_err(),
            Err(error) => {
                assert!(caller % 2 == 1, "{error}");
                true
            }
        };
        lost += usize::from(failed);
        done.fetch_add(1, Ordering::Relaxed);
    }
    lost
}

#[tokio::test]
async fn a_call_that_gets_no_connection_goes_elsewhere_whatever_its_method() {
    let ((silent, ..), server) = (&silence().await, Server::start().await);
    let upstream =
        Upstream::start(Settings { balance: Balance::RoundRobin, ..settings([address(*silent), server.address()]) });
    let began = Instant::now();
    let calls = (0..10).map(|_| upstream.call(post("/")));
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    assert!((450 * MS..1_500 * MS).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert_eq!(reasons(&upstream)[0], "does not answer in time", "five calls in a row");
}

#[tokio::test]
async fn with_http_2_all_that_wait_for_one_connection_go_elsewhere_at_once() {
    let silent = &silence().await;
    let server = Server::listen("127.0.0.1:0".parse().unwrap(), Protocol::H2c).await;
    let both = settings([address(silent.0), server.address()]);
    let both = Settings { balance: Balance::RoundRobin, protocol: Protocol::H2c, ..both };
    let upstream = Upstream::start(both);
    let began = Instant::now();
    let calls = (0..20).map(|_| upstream.call(post("/")));
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    assert!(began.elapsed() < 1_500 * MS, "{:?}", began.elapsed());
    let reason = &*reasons(&upstream)[0];
    assert!(["not looked at yet", "does not answer in time"].contains(&reason), "{reason}");
}

#[tokio::test]
async fn a_call_that_may_be_made_twice_leaves_an_instance_that_hangs() {
    let (hung, other) = (Server::start().await, Server::start().await);
    let upstream = Upstream::start_at(
        Settings { balance: Balance::RoundRobin, ..settings([hung.address(), other.address()]) },
        QUICK,
    );
    hung.hang(true);
    let began = Instant::now();
    let (first, second) = futures_util::future::join(upstream.call(get("/")), upstream.call(get("/"))).await;
    assert!(first.is_ok() && second.is_ok());
    assert_eq!((hung.asked(), other.asked()), (1, 2));
    assert!(began.elapsed() < 2_000 * MS, "{:?}", began.elapsed());
    assert_eq!(reasons(&upstream)[0], "does not answer in time");
}

#[tokio::test]
async fn any_other_call_waits_for_it_until_its_deadline() {
    let (hung, other) = (Server::start().await, Server::start().await);
    let upstream = Upstream::start_at(
        Settings { balance: Balance::RoundRobin, ..settings([hung.address(), other.address()]) },
        QUICK,
    );
    hung.hang(true);
    let calls = (0..2).map(|_| upstream.call(call(Method::POST, "/", 700 * MS)));
    let ended = join_all(calls).await;
    assert_eq!(ended.iter().filter(|ended| ended.is_ok()).count(), 1);
    assert_eq!((hung.asked(), other.asked()), (1, 1));
    let error = ended.into_iter().find_map(Result::err).unwrap();
    assert!(matches!(&error, Error::Unavailable(why) if why == "products did not answer in time"), "{error}");
}

#[tokio::test]
async fn a_service_that_hangs_fails_its_callers_at_once() {
    let server = Server::start().await;
    let upstream = Upstream::start_at(settings([server.address()]), QUICK);
    server.hang(true);
    until("it is found", || reasons(&upstream) == ["does not answer in time"]).await;
    let began = Instant::now();
    let error = upstream.call(get("/")).await.unwrap_err();
    assert!(began.elapsed() < 50 * MS);
    assert!(matches!(&error, Error::Unavailable(why) if why == "products has no instance that answers"), "{error}");
    server.hang(false);
    until("it is well", || reasons(&upstream) == ["healthy"]).await;
    upstream.call(post("/")).await.unwrap();
}

#[tokio::test]
async fn a_service_that_fails_most_calls_is_left_alone_and_tried_when_it_comes_back() {
    let socket = nobody();
    let upstream = Upstream::start_at(Settings { name: "broken", ..settings([address(socket)]) }, QUICK);
    let gauge = || series(r#"primetrade_circuit_breaker_state{dependency="broken"}"#);
    assert_eq!(gauge(), Some(0.0));
    for _ in 0..20 {
        upstream.call(get("/")).await.unwrap_err();
    }
    assert_eq!(gauge(), Some(2.0));
    let error = upstream.call(get("/")).await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable(why) if why == "broken fails most calls"), "{error}");
    let _server = Server::listen(socket, Protocol::Http1).await;
    until("it is well", || reasons(&upstream) == ["healthy"]).await;
    for _ in 0..3 {
        upstream.call(get("/")).await.unwrap();
    }
    assert_eq!(gauge(), Some(0.0));
}

#[tokio::test]
async fn statuses_and_callers_that_leave_do_not_open_the_breaker() {
    let server = Server::start().await;
    let upstream = Upstream::start(Settings { name: "fine", ..settings([server.address()]) });
    for _ in 0..40 {
        upstream.call(get("/missing")).await.unwrap();
        let _ = tokio::time::timeout(MS, upstream.call(get("/slow"))).await;
    }
    assert_eq!(series(r#"primetrade_circuit_breaker_state{dependency="fine"}"#), Some(0.0));
    assert_eq!(reasons(&upstream).len(), 1);
    upstream.call(get("/")).await.unwrap();
}

/// It has done nothing, and will not believe the next one either.
#[tokio::test]
async fn an_instance_that_does_not_believe_us_is_left_out() {
    let (one, other) = (Server::start().await, Server::start().await);
    one.script.doubts.store(true, Ordering::Relaxed);
    let folder = tempfile::tempdir().unwrap();
    let context = Context::new(Arc::new(kernel::SystemClock));
    let statement_keys = Some(Arc::new(StatementKeys::open(&folder.path().join("keys.json"), context).unwrap()));
    let upstream = Upstream::start(Settings { statement_keys, ..settings([one.address(), other.address()]) });
    for _ in 0..50 {
        upstream.call(post("/")).await.unwrap();
    }
    assert_eq!(other.asked(), 50);
    assert!(one.asked() <= 1, "{} calls were in vain", one.asked());
    let told = upstream.state().into_iter().find(|state| state.socket == one.socket).unwrap();
    assert!(!told.healthy && told.reason.contains("internal.key_file"), "{told:?}");
    other.script.doubts.store(true, Ordering::Relaxed);
    let error = upstream.call(get("/")).await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable(why) if why.contains("internal.key_file")), "{error}");
    for server in [&one, &other] {
        server.script.doubts.store(false, Ordering::Relaxed);
    }
    until("they believe again", || upstream.state().iter().all(|state| state.healthy)).await;
    upstream.call(get("/")).await.unwrap();
}
