//! Real servers on free ports, which can be stopped, started again, and told how to behave.

mod answers;
mod balancing;
mod failures;
mod health;

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU16};

use axum::body::HttpBody;
use axum::http::{Method, StatusCode, header};
use axum::response::IntoResponse;
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{JoinHandle, JoinSet};

use super::*;
use crate::StatementError;

const MS: Duration = Duration::from_millis(1);
/// For tests that wait until something is found hung.
const QUICK: Pace = Pace { every: Duration::from_millis(20), patience: Duration::from_millis(150) };

/// What a server was told, and what happened to it.
struct Script {
    health: AtomicU16,
    /// Nothing is answered while this is true.
    hung: watch::Sender<bool>,
    /// Every statement is answered that it is not believed.
    doubts: AtomicBool,
    /// Requests but for those for its health.
    asked: AtomicUsize,
    probes: AtomicUsize,
    /// `/body` ends when this is true.
    released: watch::Sender<bool>,
}

struct Server {
    socket: SocketAddr,
    script: Arc<Script>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        Self::listen("127.0.0.1:0".parse().unwrap(), Protocol::Http1).await
    }

    async fn listen(socket: SocketAddr, protocol: Protocol) -> Self {
        let listener = net::server::bind(socket).unwrap();
        let socket = listener.local_addr().unwrap();
        let script = Arc::new(Script {
            health: AtomicU16::new(200),
            hung: watch::Sender::new(false),
            doubts: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
            probes: AtomicUsize::new(0),
            released: watch::Sender::new(false),
        });
        let task = tokio::spawn(accept(listener, protocol, Arc::clone(&script)));
        Self { socket, script, task }
    }

    fn address(&self) -> Address {
        self.socket.to_string().parse().unwrap()
    }

    fn asked(&self) -> usize {
        self.script.asked.load(Ordering::Relaxed)
    }

    fn hang(&self, hung: bool) {
        self.script.hung.send_replace(hung);
    }

    /// As SIGKILL does it: connections break, new ones are refused.
    async fn kill(self) -> SocketAddr {
        self.task.abort();
        let _ = self.task.await;
        self.socket
    }
}

async fn accept(listener: TcpListener, protocol: Protocol, script: Arc<Script>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let script = Arc::clone(&script);
        connections.spawn(async move {
            let service = service_fn(move |request| serve(request, Arc::clone(&script)));
            let _ = match protocol {
                Protocol::Http1 => {
                    let http = hyper::server::conn::http1::Builder::new();
                    http.serve_connection(TokioIo::new(stream), service).with_upgrades().await
                }
                Protocol::H2c => {
                    let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    http.serve_connection(TokioIo::new(stream), service).await
                }
            };
        });
    }
}

/// What a request to a path gets. An error breaks the connection.
async fn serve(mut request: Request<Incoming>, script: Arc<Script>) -> Result<Response<Body>, std::io::Error> {
    let path = request.uri().path().to_owned();
    if path == "/internal/health" {
        script.probes.fetch_add(1, Ordering::Relaxed);
    } else {
        script.asked.fetch_add(1, Ordering::Relaxed);
    }
    let _ = script.hung.subscribe().wait_for(|hung| !*hung).await;
    if script.doubts.load(Ordering::Relaxed) {
        return Ok(StatementError::Key.into_response());
    }
    let mut answer = Response::new(Body::empty());
    match path.as_str() {
        "/internal/health" => {
            *answer.status_mut() = StatusCode::from_u16(script.health.load(Ordering::Relaxed)).unwrap();
            return Ok(answer);
        }
        "/missing" => *answer.status_mut() = StatusCode::NOT_FOUND,
        "/slow" => tokio::time::sleep(300 * MS).await,
        "/broken" => return Err(std::io::Error::other("broken")),
        "/body" => *answer.body_mut() = Body::new(released(&script)),
        "/upgrade" => {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut stream = TokioIo::new(upgrade.await.unwrap());
                let mut word = [0; 4];
                stream.read_exact(&mut word).await.unwrap();
                word.reverse();
                stream.write_all(&word).await.unwrap();
            });
            *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            answer.headers_mut().insert(header::CONNECTION, "upgrade".parse().unwrap());
            answer.headers_mut().insert(header::UPGRADE, "test".parse().unwrap());
        }
        "/echo" => {
            let said = format!("{} {} {:?}\n", request.method(), request.uri(), request.headers().get(header::HOST));
            let body = request.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes();
            *answer.body_mut() = Body::from([said.as_bytes(), &body].concat());
        }
        _ => {}
    }
    Ok(answer)
}

/// A body whose end waits.
fn released(script: &Script) -> impl HttpBody<Data = Bytes, Error = Infallible> + use<> {
    let mut released = script.released.subscribe();
    let end = async move {
        let _ = released.wait_for(|released| *released).await;
        Ok(Frame::data(Bytes::from_static(b"end")))
    };
    let start = async { Ok(Frame::data(Bytes::from_static(b"start "))) };
    StreamBody::new(stream::once(start).chain(stream::once(end)))
}

fn settings(addresses: impl IntoIterator<Item = Address>) -> Settings {
    Settings {
        name: "products",
        addresses: addresses.into_iter().collect(),
        protocol: Protocol::Http1,
        balance: Balance::LeastLoaded,
        max_in_flight: 1_000,
        statement_keys: None,
        tls: None,
    }
}

fn get(path: &str) -> Call {
    call(Method::GET, path, 5_000 * MS)
}

fn post(path: &str) -> Call {
    call(Method::POST, path, 5_000 * MS)
}

fn call(method: Method, path: &str, time: Duration) -> Call {
    let repeatable = method == Method::GET;
    let request = Request::builder().method(method).uri(path).body(Bytes::from_static(b"body")).unwrap();
    Call { request, deadline: Instant::now() + time, repeatable, affinity: None }
}

async fn text(answer: Response<Body>) -> String {
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// A port where nobody listens.
fn nobody() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// An address where connections are neither made nor refused, for as long as the rest is kept.
async fn silence() -> (SocketAddr, TcpListener, Vec<std::net::TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let connect = move || std::net::TcpStream::connect_timeout(&address, 100 * MS).ok();
    let queue = tokio::task::spawn_blocking(move || std::iter::from_fn(connect).collect()).await.unwrap();
    (address, listener, queue)
}

fn address(socket: SocketAddr) -> Address {
    socket.to_string().parse().unwrap()
}

/// Waits until something is so; a test fails if it never is.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < 10_000 * MS, "never: {what}");
        tokio::time::sleep(2 * MS).await;
    }
}

fn reasons(upstream: &Upstream) -> Vec<String> {
    upstream.state().into_iter().map(|instance| instance.reason.into_owned()).collect()
}

fn series(series: &str) -> Option<f64> {
    let text = metrics().text();
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    line.parse().ok()
}
