//! Connections that become something else than HTTP.

use super::*;

/// Agrees to everything, and says every word backwards until it hears no more; then goodbye.
const BACKWARDS: Answers = |_, mut stream| {
    Box::pin(async move {
        let agreed = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: words\r\nSec-WebSocket-Accept: x\r\n\r\n";
        stream.write_all(agreed.as_bytes()).await.unwrap();
        let mut word = [0; 4];
        while stream.read_exact(&mut word).await.is_ok() {
            word.reverse();
            stream.write_all(&word).await.ok()?;
        }
        // The gateway may have gone.
        let _ = stream.write_all(b"goodbye").await;
        None
    })
};

const ASK: &str = "GET /api/v2/products HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: words\r\n\r\n";

async fn upgraded(gateway: &Gateway) -> TcpStream {
    let mut stream = gateway.connect().await;
    stream.write_all(ASK.as_bytes()).await.unwrap();
    let agreed = head(&mut stream).await.unwrap();
    assert!(agreed.starts_with("HTTP/1.1 101 "), "{agreed}");
    assert_eq!((values(&agreed, "upgrade"), values(&agreed, "sec-websocket-accept")), (vec!["words"], vec!["x"]));
    assert!(values(&agreed, "connection")[0].eq_ignore_ascii_case("upgrade"), "{agreed}");
    assert_eq!(word(&mut stream, b"word").await, *b"drow");
    stream
}

async fn word(stream: &mut TcpStream, word: &[u8; 4]) -> [u8; 4] {
    stream.write_all(word).await.unwrap();
    let mut back = [0; 4];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut back)).await.unwrap().unwrap();
    back
}

#[tokio::test]
async fn bytes_pass_both_ways_and_so_does_the_end_of_one() {
    let gateway = Gateway::start(BACKWARDS).await;
    let mut stream = upgraded(&gateway).await;
    let seen = gateway.last();
    assert_eq!((seen.values("upgrade"), seen.values("connection")), (vec!["words"], vec!["upgrade"]));
    assert_eq!(word(&mut stream, b"\r\n\r\n").await, *b"\n\r\n\r", "what is said is no HTTP");
    stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut stream).await, "goodbye", "the other half is open until it ends too");
}

#[tokio::test]
async fn an_upgrade_is_asked_for_as_the_standard_has_it() {
    let gateway = Gateway::start(says!(NOTHING)).await;
    let get = "GET /api/v2/products HTTP/1.1\r\nHost: x\r\n";
    for (asked, passed) in [
        ("Connection: keep-alive\r\nConnection: x, UPGRADE\r\nUpgrade: words/1\r\n", &["words/1"][..]),
        ("Connection: Upgrade\r\n", &[]),
        ("Upgrade: words\r\n", &[]),
        // Who speaks these to the service says things in the gateway's name.
        ("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", &[]),
        ("Connection: Upgrade\r\nUpgrade: words, H2C\r\n", &[]),
        ("Connection: Upgrade\r\nUpgrade: HTTP/2.0\r\n", &[]),
        ("Connection: Upgrade\r\nUpgrade: words\r\nUpgrade: h2c\r\n", &[]),
    ] {
        let mut stream = gateway.connect().await;
        stream.write_all(format!("{get}{asked}\r\n").as_bytes()).await.unwrap();
        // What is refused is a normal answer, behind which the connection goes on.
        for _ in 0..2 {
            let answer = head(&mut stream).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 204 "), "{asked}: {answer}");
            assert_eq!(values(&answer, "upgrade"), [""; 0], "{answer}");
            stream.write_all(format!("{get}\r\n").as_bytes()).await.unwrap();
        }
        let seen = gateway.seen.lock().unwrap().clone();
        let asked_first = &seen[seen.len() - 2];
        assert_eq!(asked_first.values("upgrade"), passed, "{asked}");
        assert_eq!(asked_first.values("http2-settings"), [""; 0]);
    }
}

#[tokio::test]
async fn a_refused_upgrade_is_a_normal_answer() {
    let gateway = Gateway::start(says!(
        "HTTP/1.1 426 Upgrade Required\r\nUpgrade: words/2\r\nConnection: upgrade\r\nContent-Length: 5\r\n\r\nother"
    ))
    .await;
    let answer = gateway.ask(ASK.replace("Connection: Upgrade", "Connection: Upgrade, close")).await;
    assert!(answer.starts_with("HTTP/1.1 426 ") && answer.ends_with("\r\n\r\nother"), "{answer}");
}

#[tokio::test]
async fn a_service_that_switches_unasked_is_not_followed() {
    let gateway = Gateway::start(BACKWARDS).await;
    let answer = gateway.ask("GET /api/v2/products HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let old = gateway.ask(ASK.replace("HTTP/1.1", "HTTP/1.0")).await;
    assert!(old.starts_with("HTTP/1.0 503 "), "HTTP/1.0 knows no upgrade: {old}");
}

#[tokio::test]
async fn one_that_says_nothing_ends() {
    let idle = Duration::from_millis(400);
    let gateway = Gateway::with(BACKWARDS, settings(), Tunnels::bounded(10, idle)).await;
    let mut stream = upgraded(&gateway).await;
    for _ in 0..4 {
        tokio::time::sleep(idle / 2).await;
        assert_eq!(word(&mut stream, b"word").await, *b"drow", "as long as anything is said it stays");
    }
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn there_are_no_more_than_there_may_be() {
    let gateway = Gateway::with(BACKWARDS, settings(), Tunnels::bounded(2, PATIENCE)).await;
    let (first, mut second) = (upgraded(&gateway).await, upgraded(&gateway).await);
    let refused = gateway.ask(ASK.replace("Connection: Upgrade", "Connection: Upgrade, close")).await;
    assert!(refused.starts_with("HTTP/1.1 503 ") && values(&refused, "retry-after").len() == 1, "{refused}");
    assert_eq!(gateway.passed_on(), 2);
    drop(first);
    let freed = async {
        loop {
            let mut stream = gateway.connect().await;
            stream.write_all(ASK.as_bytes()).await.unwrap();
            if head(&mut stream).await.unwrap().starts_with("HTTP/1.1 101 ") {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, freed).await.expect("its place is free again");
    assert_eq!(word(&mut second, b"word").await, *b"drow");
}

#[tokio::test]
async fn the_end_of_the_listener_is_theirs() {
    let gateway = Gateway::start(BACKWARDS).await;
    let mut stream = upgraded(&gateway).await;
    gateway.stop.send_replace(true);
    assert_eq!(rest(&mut stream).await, "");
    // Half a minute is what it would wait for them.
    tokio::time::timeout(Duration::from_secs(10), gateway.served).await.expect("nobody is waited for").unwrap();
}
