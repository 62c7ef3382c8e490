//! Bodies on their way there and back.

use tokio::sync::Notify;

use super::*;

const GET: &str = "GET /api/v2/products HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

fn body_of(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

#[tokio::test]
async fn bodies_arrive_whole_however_they_are_sent() {
    let gateway = Gateway::start(says!(NOTHING)).await;
    let post = "POST /api/v2/products HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    gateway.ask(format!("{post}Content-Length: 5\r\n\r\nhello")).await;
    assert_eq!((gateway.last().body, gateway.last().values("content-length").join(" ")), (b"hello".into(), "5".into()));
    gateway.ask(format!("{post}Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nX: y\r\n\r\n")).await;
    let seen = gateway.last();
    assert_eq!((seen.body.as_slice(), seen.values("content-length")), (&b"hello"[..], vec!["5"]), "framed anew");
    assert_eq!((seen.values("transfer-encoding"), seen.values("x")), (vec![], vec![]));
    let large = "x".repeat(1 << 20);
    gateway.ask(format!("{post}Content-Length: {}\r\n\r\n{large}", large.len())).await;
    assert_eq!(gateway.last().body, large.as_bytes());
    gateway.ask(GET).await;
    assert_eq!(gateway.last().values("content-length"), [""; 0]);
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on_by_the_gateway() {
    let gateway = Gateway::start(says!(NOTHING)).await;
    let mut stream = gateway.connect().await;
    let post = "POST /api/v2/products HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n";
    stream.write_all(format!("{post}Content-Length: 5\r\n\r\n").as_bytes()).await.unwrap();
    assert_eq!(head(&mut stream).await.unwrap(), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(gateway.passed_on(), 0, "its body is still to come");
    stream.write_all(b"hello").await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 204 "));
    assert_eq!((gateway.last().body.as_slice(), gateway.last().values("expect")), (&b"hello"[..], vec![]));
}

#[tokio::test]
async fn an_answer_without_a_body_says_what_its_service_said_of_one() {
    let gateway = Gateway::start(|seen, mut stream| {
        Box::pin(async move {
            let answer = match seen.target().rsplit('?').next().unwrap() {
                "length" => "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n",
                "chunked" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                "304" => "HTTP/1.1 304 Not Modified\r\nETag: \"1-p\"\r\n\r\n",
                _ => "HTTP/1.1 204 No Content\r\n\r\n",
            };
            stream.write_all(answer.as_bytes()).await.unwrap();
            Some(stream)
        })
    })
    .await;
    for (request, status, length) in [
        ("HEAD /api/v2/products?length", 200, &["12"][..]),
        ("HEAD /api/v2/products?chunked", 200, &[]),
        ("GET /api/v2/products?304", 304, &[]),
        ("HEAD /api/v2/products?304", 304, &[]),
        ("GET /api/v2/products?204", 204, &[]),
    ] {
        let answer = gateway.ask(format!("{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        assert_eq!(values(&answer, "content-length"), length, "{request}: {answer}");
        assert_eq!((values(&answer, "transfer-encoding"), body_of(&answer)), (vec![], ""), "{request}: {answer}");
        assert_eq!(gateway.last().head.split(' ').next(), request.split(' ').next());
    }
}

#[tokio::test]
async fn an_answer_is_passed_on_while_it_is_made() {
    /// The rest of the answer waits until its beginning was read.
    static READ: Notify = Notify::const_new();
    let gateway = Gateway::start(|_, mut stream| {
        Box::pin(async move {
            let begin = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
            stream.write_all(begin.as_bytes()).await.unwrap();
            READ.notified().await;
            stream.write_all(b"4\r\nlast\r\n0\r\n\r\n").await.unwrap();
            Some(stream)
        })
    })
    .await;
    let mut stream = gateway.connect().await;
    stream.write_all(GET.as_bytes()).await.unwrap();
    head(&mut stream).await.unwrap();
    let mut first = [0; 10];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut first)).await.unwrap().unwrap();
    assert_eq!(&first, b"5\r\nfirst\r\n");
    READ.notify_one();
    assert_eq!(rest(&mut stream).await, "4\r\nlast\r\n0\r\n\r\n");
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_not_taken_in() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static TAKEN: AtomicUsize = AtomicUsize::new(0);
    const LARGE: usize = 256 << 20;
    let gateway = Gateway::start(|_, mut stream| {
        Box::pin(async move {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            let block = vec![b'x'; 64 << 10];
            for _ in 0..LARGE / block.len() {
                stream.write_all(&block).await.ok()?;
                TAKEN.fetch_add(block.len(), Ordering::Relaxed);
            }
            Some(stream)
        })
    })
    .await;
    let mut stream = gateway.connect().await;
    stream.write_all(GET.as_bytes()).await.unwrap();
    head(&mut stream).await.unwrap();
    let mut before = 0;
    // Until nothing more is taken.
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        match std::mem::replace(&mut before, TAKEN.load(Ordering::Relaxed)) {
            same if same == before => break,
            _ => {}
        }
    }
    // What two pairs of sockets hold.
    assert!(before < LARGE / 4, "{before} bytes");
    let mut read = 0;
    let mut buffer = vec![0; 1 << 20];
    while let Ok(more @ 1..) = stream.read(&mut buffer).await {
        read += more;
    }
    assert_eq!(read, LARGE);
}

#[tokio::test]
async fn an_answer_that_broke_off_does_not_look_whole() {
    let gateway = Gateway::start(|seen, mut stream| {
        Box::pin(async move {
            let answer = if seen.target().ends_with("?length") {
                "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"
            } else {
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
            };
            stream.write_all(answer.as_bytes()).await.unwrap();
            None
        })
    })
    .await;
    let length = gateway.ask(GET.replace("products ", "products?length ")).await;
    // If the end is known before the head was passed on, nothing is: the connection just ends.
    assert!(length.is_empty() || values(&length, "content-length") == ["10"], "{length}");
    assert!(length.is_empty() || body_of(&length).len() < 10, "{length}");
    let chunked = gateway.ask(GET).await;
    assert!(chunked.is_empty() || chunked.starts_with("HTTP/1.1 200 "), "{chunked}");
    assert!(!chunked.contains("0\r\n\r\n"), "{chunked}");
}

#[tokio::test]
async fn a_change_is_not_sent_twice_unless_its_key_is() {
    // Gone once it has read a request.
    let gateway = Gateway::start(|_, _| Box::pin(async { None })).await;
    let post = "POST /api/v2/products HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n";
    for (headers, least, most) in [
        ("Connection: close\r\n\r\n", 1, 1),
        ("Connection: close\r\nIdempotency-Key: a\r\n\r\n", 2, 3),
        ("Connection: close, Idempotency-Key\r\nIdempotency-Key: a\r\n\r\n", 1, 1),
    ] {
        let before = gateway.passed_on();
        let answer = gateway.ask(format!("{post}{headers}")).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        let sent = gateway.passed_on() - before;
        assert!((least..=most).contains(&sent), "{headers:?}: {sent}");
    }
}
