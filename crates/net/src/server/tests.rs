use std::sync::atomic::AtomicUsize;

use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use framing::made_up::{self, Dice};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2 as client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::pinned;

/// Time passes at once where nobody has anything else to do.
fn paused<F: Future>(test: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(test)
}

/// Time passes as it does, and a test that hangs has failed.
fn listening<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), test).await.expect("it ends") })
}

struct Running {
    address: SocketAddr,
    served: Arc<AtomicUsize>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Running {
    fn new(protocols: Protocols, max_connections: usize) -> Self {
        Self::with(Settings { max_connections, protocols, tls: None, pinned: None })
    }

    fn with(settings: Settings) -> Self {
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let served = Arc::new(AtomicUsize::new(0));
        let (stop, stopping) = watch::channel(false);
        let serving = tokio::spawn(serve(listener, router(Arc::clone(&served)), settings, stopping));
        Self { address, served, stop, serving }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// All that comes back until the server closes.
    async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        let (mut read, mut write) = stream.split();
        let mut answer = Vec::new();
        // The server may close before it has read everything.
        let (_, read) = tokio::join!(write.write_all(bytes), read.read_to_end(&mut answer));
        read.expect("an orderly end");
        String::from_utf8(answer).unwrap()
    }

    /// How long the end took.
    async fn stop(self) -> Duration {
        let began = Instant::now();
        self.stop.send(true).unwrap();
        self.serving.await.unwrap();
        began.elapsed()
    }
}

/// `/slow` answers after a while, `/switch` goes on as an echo, `/thread` names its thread, all else tells how it was asked.
fn router(served: Arc<AtomicUsize>) -> Router {
    let count = move || served.fetch_add(1, Ordering::Relaxed);
    let slow = async || {
        tokio::time::sleep(Duration::from_secs(5)).await;
        "slow"
    };
    let root = async move |request: Request<Body>| {
        count();
        format!(
            "{:?} {}",
            request.version(),
            request.into_body().collect().await.map_or(0, |body| body.to_bytes().len())
        )
    };
    let switch = async |request: Request<Body>| {
        tokio::spawn(async move {
            let mut stream = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
            let mut buffer = [0; 1_000];
            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                stream.write_all(&buffer[..read]).await.unwrap();
            }
        });
        let headers = [(header::CONNECTION, "upgrade"), (header::UPGRADE, "echo")];
        (StatusCode::SWITCHING_PROTOCOLS, headers)
    };
    let thread = async || std::thread::current().name().unwrap_or_default().to_owned();
    Router::new().route("/slow", get(slow)).route("/switch", get(switch)).route("/thread", get(thread)).fallback(root)
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// The head of the next answer, and its body as long as that has a length.
async fn answer(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    while !answer.ends_with("\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap() as char);
    }
    let length = answer.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.unwrap();
    answer + &String::from_utf8(body).unwrap()
}

#[test]
fn what_is_not_framed_well_is_refused_and_nothing_behind_it_is_served() {
    listening(async {
        let server = Running::new(Protocols::Http1, 10);
        let chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        let behind = String::from_utf8_lossy(GET).repeat(3);
        for bad in [
            "GET / HTTP/1.1\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
            "\n",
        ] {
            // With and without the rest, for which a client may be waiting.
            for request in [format!("{bad}{behind}"), bad.to_owned(), format!("{bad}{}", "x".repeat(2_000_000))] {
                let answer = server.raw(request.as_bytes()).await;
                assert!(answer.starts_with("HTTP/1.1 400 "), "{bad:?}: {answer}");
                assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{bad:?}: {answer}");
            }
        }
        assert_eq!(server.served.load(Ordering::Relaxed), 0);
        // A body that goes wrong is its handler's to refuse; here it has seen none.
        for body in
            ["2\r\nhi\n0\r\n\r\n", "0\r\nA: b\nC: d\r\n\r\n", "2;a\rb\r\nhi\r\n0\r\n\r\n", "0\r\nHost: y\r\n\r\n"]
        {
            let answer = server.raw(format!("{chunked}{body}{behind}").as_bytes()).await;
            assert_eq!(answer.matches("HTTP/1.1 200").count(), 1, "{body:?}: {answer}");
            assert!(answer.ends_with("HTTP/1.1 0"), "{body:?}: {answer}");
        }
        let good = server.raw(format!("{behind}GET / HTTP/1.1\r\nHost : x\r\n\r\n").as_bytes()).await;
        assert_eq!((good.matches("HTTP/1.1 200").count(), good.matches("HTTP/1.1 400").count()), (3, 1), "{good}");
        drop(good);
        assert!(server.stop().await < LINGER, "no connection is left");
    });
}

#[test]
fn a_client_that_is_still_sending_gets_its_answer() {
    listening(async {
        let server = Running::new(Protocols::Http1, 10);
        for request in ["GET / HTTP/1.1\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n"] {
            let mut stream = server.connect().await;
            let flood = format!("{request}{}", "x".repeat(3_000_000));
            stream.write_all(flood.as_bytes()).await.expect("all of it is taken");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("an orderly end");
            assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
        }
        // But not for ever.
        let mut stream = server.connect().await;
        stream.write_all(b"\n").await.unwrap();
        while stream.write_all(&[b'x'; 100_000]).await.is_ok() {}
    });
}

/// What the scanner takes for a request is what the parser takes for one.
#[test]
fn valid_requests_are_served_however_they_are_cut() {
    listening(async {
        let server = Running::new(Protocols::Http1, 10);
        let mut dice = Dice(3);
        for _ in 0..200 {
            let made: Vec<_> = (0..1 + dice.below(5)).map(|_| made_up::request(&mut dice)).collect();
            let all: String = made.iter().map(|(request, _)| request.as_str()).collect();
            let stream = server.connect().await;
            stream.set_nodelay(true).unwrap();
            let (mut read, mut write) = stream.into_split();
            let writing = async {
                let mut rest = all.as_bytes();
                while !rest.is_empty() {
                    let (part, behind) = rest.split_at(1 + dice.below(rest.len().min(100)));
                    write.write_all(part).await.unwrap();
                    tokio::task::yield_now().await;
                    rest = behind;
                }
                write.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
            };
            let mut answers = String::new();
            let (_, read) = tokio::join!(writing, read.read_to_string(&mut answers));
            read.unwrap();
            let told = answers.split("HTTP/1.1 200 OK\r\n").skip(1);
            let lengths: Vec<_> = told.map(|answer| answer.rsplit(' ').next().unwrap().to_owned()).collect();
            let sent: Vec<_> = made.iter().map(|(_, length)| length.to_string()).chain(["0".to_owned()]).collect();
            assert_eq!(lengths, sent, "{all:?} was answered {answers:?}");
        }
    });
}

#[test]
fn a_connection_may_switch_to_another_protocol_and_keeps_its_place() {
    paused(async {
        let server = Running::new(Protocols::Http1, 1);
        let mut stream = server.connect().await;
        let request = b"GET /switch HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
        stream.write_all(request).await.unwrap();
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 101 "));
        tokio::time::sleep(PATIENCE * 3).await;
        let words = b"\n \0 no HTTP: \r\r";
        stream.write_all(words).await.unwrap();
        let mut echo = vec![0; words.len()];
        stream.read_exact(&mut echo).await.unwrap();
        assert_eq!(echo, words);
        let mut next = server.connect().await;
        next.write_all(GET).await.unwrap();
        let waiting = tokio::time::timeout(PATIENCE / 2, next.read_u8()).await;
        assert!(waiting.is_err(), "there is one place");
        drop(stream);
        assert!(answer(&mut next).await.starts_with("HTTP/1.1 200 "));
    });
}

#[test]
fn an_upgrade_that_is_not_taken_changes_nothing() {
    listening(async {
        let server = Running::new(Protocols::Http1, 10);
        let asked = "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
        let answers = server.raw(format!("{asked}{asked}GET / HTTP/1.1\nHost: x\r\n\r\n").as_bytes()).await;
        assert_eq!((answers.matches("1.1 200").count(), answers.matches("1.1 400").count()), (2, 1), "{answers}");
    });
}

/// A client of HTTP/2 and the task that moves its bytes.
async fn http2(server: &Running) -> (client::SendRequest<Empty<Bytes>>, JoinHandle<hyper::Result<()>>) {
    let stream = TokioIo::new(server.connect().await);
    let (sender, connection) = client::handshake(TokioExecutor::new(), stream).await.unwrap();
    (sender, tokio::spawn(connection))
}

fn get_of(path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("http://x{path}")).body(Empty::new()).unwrap()
}

#[test]
fn a_listener_between_services_speaks_both_versions() {
    listening(async {
        let server = Running::new(Protocols::Http1AndH2c, 10);
        let (mut sender, _connection) = http2(&server).await;
        for _ in 0..3 {
            let answers = futures_util::future::join_all((0..50).map(|_| sender.send_request(get_of("/")))).await;
            for answer in answers {
                let body = answer.unwrap().into_body().collect().await.unwrap().to_bytes();
                assert_eq!(body, "HTTP/2.0 0");
            }
        }
        let plain = server.raw(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(plain.ends_with("HTTP/1.1 0"), "{plain}");
        let bad = server.raw(b"PRI / HTTP/1.1\nHost: x\r\n\r\n").await;
        assert!(bad.starts_with("HTTP/1.1 400 "), "{bad}");
    });
}

#[test]
fn the_public_listener_speaks_http1_only() {
    listening(async {
        let server = Running::new(Protocols::Http1, 10);
        let (mut sender, connection) = http2(&server).await;
        assert!(sender.send_request(get_of("/")).await.is_err());
        assert!(connection.await.unwrap().is_err());
        assert_eq!(server.served.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn streams_that_nobody_uses_end_and_running_ones_are_finished() {
    paused(async {
        let server = Running::new(Protocols::Http1AndH2c, 10);
        let (mut sender, connection) = http2(&server).await;
        sender.send_request(get_of("/")).await.unwrap().into_body().collect().await.unwrap();
        let began = Instant::now();
        connection.await.unwrap().unwrap();
        assert!((PATIENCE..=PATIENCE + 2 * LINGER).contains(&began.elapsed()), "{:?}", began.elapsed());
        let (mut sender, _connection) = http2(&server).await;
        let slow = tokio::spawn(sender.send_request(get_of("/slow")));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let took = server.stop().await;
        assert!((Duration::from_secs(3)..Duration::from_secs(5)).contains(&took), "{took:?}");
        assert_eq!(slow.await.unwrap().unwrap().into_body().collect().await.unwrap().to_bytes(), "slow");
    });
}

#[test]
fn a_request_that_is_on_its_way_at_the_end_is_answered() {
    listening(async {
        let server = Running::new(Protocols::Http1, 10);
        let (mut idle, mut late, mut part) = (server.connect().await, server.connect().await, server.connect().await);
        for stream in [&mut idle, &mut late, &mut part] {
            stream.write_all(GET).await.unwrap();
            let first = answer(stream).await;
            assert!(!first.contains("connection: close"), "{first}");
        }
        let mut fresh = server.connect().await;
        let address = server.address;
        let stopped = tokio::spawn(server.stop());
        tokio::time::sleep(LINGER / 2).await;
        assert!(TcpStream::connect(address).await.is_err(), "nobody listens");
        part.write_all(&GET[..5]).await.unwrap();
        for stream in [&mut late, &mut fresh] {
            stream.write_all(GET).await.unwrap();
            let last = answer(stream).await;
            assert!(last.starts_with("HTTP/1.1 200 ") && last.contains("connection: close"), "{last}");
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
        }
        assert_eq!(idle.read(&mut [0]).await.unwrap(), 0);
        part.write_all(&GET[5..]).await.unwrap();
        assert!(answer(&mut part).await.contains("connection: close"));
        let took = stopped.await.unwrap();
        assert!((LINGER..LINGER * 3).contains(&took), "{took:?}");
    });
}

#[test]
fn connections_that_the_kernel_has_accepted_are_served_at_the_end() {
    listening(async {
        let server = Running::new(Protocols::Http1, 10);
        // On one thread, so the server has not accepted any yet.
        let mut waiting: Vec<_> = (0..5).map(|_| std::net::TcpStream::connect(server.address).unwrap()).collect();
        for stream in &mut waiting {
            std::io::Write::write_all(stream, GET).unwrap();
        }
        let took = server.stop().await;
        assert!(took < LINGER, "{took:?}");
        for mut stream in waiting {
            let mut answer = String::new();
            std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("connection: close"), "{answer}");
        }
    });
}

#[test]
fn a_running_request_is_finished_and_its_connection_ends() {
    paused(async {
        let server = Running::new(Protocols::Http1, 10);
        let mut stream = server.connect().await;
        stream.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let took = server.stop().await;
        assert!((Duration::from_secs(3)..Duration::from_secs(5)).contains(&took), "{took:?}");
        let last = answer(&mut stream).await;
        assert!(last.ends_with("slow") && last.contains("connection: close"), "{last}");
    });
}

#[test]
fn connections_stay_on_pinned_threads_and_are_spread_over_them() {
    listening(async {
        let pinned = Some(PinnedThreads::start().unwrap());
        let running = Running::with(Settings { max_connections: 10, protocols: Protocols::Http1, tls: None, pinned });
        let mut threads = Vec::new();
        let mut open = Vec::new();
        for _ in 1..pinned::count() {
            let mut stream = running.connect().await;
            let mut ask = async || {
                stream.write_all(b"GET /thread HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
                answer(&mut stream).await.rsplit("\r\n").next().unwrap().to_owned()
            };
            let thread = ask().await;
            assert_eq!(ask().await, thread);
            threads.push(thread);
            open.push(stream);
        }
        threads.sort_unstable();
        assert_eq!(threads, (1..pinned::count()).map(|number| format!("pinned-{number}")).collect::<Vec<_>>());
        let mut slow = open.pop().unwrap();
        slow.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let (_, answer) = tokio::join!(running.stop(), answer(&mut slow));
        assert!(answer.contains("connection: close") && answer.ends_with("slow"), "{answer}");
    });
}
