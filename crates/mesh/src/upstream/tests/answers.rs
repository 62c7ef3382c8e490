//! What calls get, and what is counted of them.

use super::*;

#[tokio::test]
async fn a_call_arrives_as_it_is_and_so_does_its_answer() {
    let server = Server::start().await;
    let upstream = Upstream::start(settings([server.address()]));
    let mut asked = post("/echo?a=b%20c");
    asked.request.headers_mut().insert(header::HOST, "public.example".parse().unwrap());
    asked.request.headers_mut().insert(header::CONTENT_LENGTH, "2".parse().unwrap());
    let answer = upstream.call(asked).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(text(answer).await, format!("POST /echo?a=b%20c Some(\"{}\")\nbody", server.socket));
    let missing = upstream.call(get("/missing")).await.unwrap();
    assert_eq!(missing.status(), StatusCode::NOT_FOUND, "any status is an answer");
    let of = |method: &str, status: &str| {
        let address = server.socket;
        series(&format!(
            r#"http_client_request_duration_seconds_count{{error_type="",http_request_method="{method}",http_response_status_code="{status}",server_address="{address}"}}"#
        ))
    };
    assert_eq!((of("POST", "200"), of("GET", "404"), of("GET", "200")), (Some(1.0), Some(1.0), None));
}

#[tokio::test]
async fn http_2_without_tls_is_spoken() {
    let server = Server::listen("127.0.0.1:0".parse().unwrap(), Protocol::H2c).await;
    let upstream = Upstream::start(Settings { protocol: Protocol::H2c, ..settings([server.address()]) });
    let answer = text(upstream.call(post("/echo")).await.unwrap()).await;
    assert_eq!(answer, format!("POST http://{}/echo None\nbody", server.socket));
    until("it is well", || reasons(&upstream) == ["healthy"]).await;
}

#[tokio::test]
async fn a_name_is_looked_up() {
    let server = Server::start().await;
    let name = format!("localhost:{}", server.socket.port());
    let upstream = Upstream::start(settings([name.parse().unwrap()]));
    for _ in 0..20 {
        let answer = text(upstream.call(post("/echo")).await.unwrap()).await;
        assert_eq!(answer, format!("POST /echo Some(\"{name}\")\nbody"));
    }
    assert!(upstream.state().iter().any(|instance| instance.socket == server.socket && instance.address == name));
}

#[tokio::test]
async fn a_name_that_nobody_has_is_unavailable_and_looked_up_again() {
    let upstream = Upstream::start(settings(["nobody.invalid:80".parse().unwrap()]));
    let error = upstream.call(get("/")).await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable(why) if why.starts_with("products ")), "{error}");
    assert_eq!(upstream.state(), []);
}

#[tokio::test]
async fn an_answer_that_switches_protocols_can_be_upgraded() {
    let server = Server::start().await;
    let upstream = Upstream::start(settings([server.address()]));
    let mut asked = get("/upgrade");
    asked.request.headers_mut().insert(header::CONNECTION, "upgrade".parse().unwrap());
    asked.request.headers_mut().insert(header::UPGRADE, "test".parse().unwrap());
    *asked.request.body_mut() = Bytes::new();
    let mut answer = upstream.call(asked).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    let mut stream = TokioIo::new(hyper::upgrade::on(&mut answer).await.unwrap());
    stream.write_all(b"word").await.unwrap();
    let mut word = [0; 4];
    stream.read_exact(&mut word).await.unwrap();
    assert_eq!(&word, b"drow");
}

#[tokio::test]
async fn a_call_ends_at_its_deadline() {
    let server = Server::start().await;
    server.hang(true);
    let upstream = Upstream::start(settings([server.address()]));
    let began = Instant::now();
    let error = upstream.call(call(Method::GET, "/", 200 * MS)).await.unwrap_err();
    let took = began.elapsed();
    assert!(matches!(&error, Error::Unavailable(why) if why == "products did not answer in time"), "{error}");
    assert!((200 * MS..300 * MS).contains(&took), "{took:?}");
    let before = server.asked();
    upstream.call(call(Method::GET, "/", Duration::ZERO)).await.unwrap_err();
    assert_eq!(server.asked(), before, "nobody waits for that any more");
}

#[tokio::test]
async fn a_call_is_in_flight_until_its_body_ended_and_no_more_are_made_than_may() {
    let server = Server::start().await;
    let upstream = Upstream::start(Settings { max_in_flight: 2, ..settings([server.address()]) });
    let (first, second) = (upstream.call(get("/body")).await.unwrap(), upstream.call(get("/body")).await.unwrap());
    let refused = upstream.call(get("/")).await.unwrap_err();
    assert!(matches!(refused, Error::Overloaded { what: "products", .. }), "{refused}");
    drop(first);
    let third = upstream.call(get("/")).await.unwrap();
    assert_eq!(third.status(), StatusCode::OK);
    drop(third);
    let fourth = upstream.call(get("/body")).await.unwrap();
    upstream.call(get("/")).await.unwrap_err();
    server.script.released.send_replace(true);
    let mut body = second.into_body();
    while body.frame().await.is_some() {}
    upstream.call(get("/")).await.unwrap();
    drop((body, fourth));
}

#[tokio::test]
async fn an_answer_without_a_body_is_in_flight_no_more_while_it_is_held() {
    let server = Server::start().await;
    let upstream = Upstream::start(Settings { max_in_flight: 1, ..settings([server.address()]) });
    let _held = upstream.call(get("/")).await.unwrap();
    let _held_too = upstream.call(get("/")).await.unwrap();
}

#[tokio::test]
async fn nobody_is_looked_at_any_more_once_it_is_dropped() {
    let server = Server::start().await;
    let upstream = Upstream::start_at(settings([server.address()]), QUICK);
    let probes = || server.script.probes.load(Ordering::Relaxed);
    until("it is looked at", || probes() > 1).await;
    drop(upstream);
    tokio::time::sleep(50 * MS).await;
    let before = probes();
    tokio::time::sleep(150 * MS).await;
    assert_eq!(probes(), before);
}
