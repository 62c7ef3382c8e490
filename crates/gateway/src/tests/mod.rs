//! The real edge and the real way through it, in front of an upstream that keeps the bytes it got and answers with bytes of the
//! test's choice.

mod alike;
mod answers;
mod doors;
mod heads;
mod upgrades;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth::{Auth, AuthSettings};
use axum::Router;
use futures_util::future::BoxFuture;
use mesh::StatementKeys;
use mesh::upstream::{self, Balance, Protocol, Upstream};
use net::server::{self, Protocols};
use platform::Context;
use platform::tasks::WriteTasks;
use storage::{Database, DatabaseUrl, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::proxy::{self, Proxy, Sticky};
use crate::tunnel::Tunnels;
use crate::{Callers, EdgeSettings};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request as its upstream got it: bytes are characters of the same number.
#[derive(Debug, Clone)]
struct Seen {
    head: String,
    body: Vec<u8>,
}

impl Seen {
    /// The values of a header, in their order.
    fn values(&self, name: &str) -> Vec<&str> {
        values(&self.head, name)
    }

    fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }
}

fn values<'h>(head: &'h str, name: &str) -> Vec<&'h str> {
    let lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(": "));
    lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

/// Answers a request on its connection, and gives that back if it can go on.
type Answers = fn(Seen, TcpStream) -> BoxFuture<'static, Option<TcpStream>>;

/// Says the same, whatever it is asked.
macro_rules! says {
    ($($bytes:expr),+) => {
        |_, mut stream| Box::pin(async move {
            $(tokio::io::AsyncWriteExt::write_all(&mut stream, $bytes.as_ref()).await.unwrap();)+
            Some(stream)
        })
    };
}
use says;

const NOTHING: &str = "HTTP/1.1 204 No Content\r\n\r\n";

/// A gateway, and behind it an upstream that has every service.
struct Gateway {
    socket: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: watch::Sender<bool>,
    served: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

fn settings() -> EdgeSettings {
    EdgeSettings {
        body_limit: 1 << 20,
        request_timeout: Duration::from_secs(10),
        max_requests: 1_000,
        trusted_proxies: Vec::new(),
        cors_origins: Vec::new(),
    }
}

impl Gateway {
    async fn start(answers: Answers) -> Self {
        Self::with(answers, settings(), Tunnels::new()).await
    }

    async fn with(answers: Answers, edge: EdgeSettings, tunnels: Tunnels) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (seen, context) = (Arc::default(), context());
        let upstream = to(record(answers, Arc::clone(&seen)).await, Protocol::Http1);
        let statement_keys = statement_keys(folder.path());
        let callers = Callers::Here(auth(folder.path()).await);
        let passed = Proxy::new(upstream, statement_keys, callers.clone(), Sticky::Clients).with_tunnels(tunnels);
        let described = products::described;
        let passed = proxy::routes(&described(), &[], Arc::new(passed));
        let router = crate::router(passed, described, callers, context, &edge);
        let (socket, stop, served) = listen(router, Protocols::Http1);
        Self { socket, seen, stop, served, _folder: folder }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.socket).await.unwrap()
    }

    /// Sends bytes, and returns all that comes back until the connection ends.
    async fn ask(&self, request: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_ref()).await.unwrap();
        rest(&mut stream).await
    }

    /// The last request that was passed on.
    fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().cloned().expect("a request that was passed on")
    }

    fn passed_on(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

fn context() -> Context {
    Context::new(Arc::new(kernel::SystemClock))
}

fn statement_keys(folder: &Path) -> Arc<StatementKeys> {
    Arc::new(StatementKeys::open(&folder.join("internal.json"), context()).unwrap())
}

fn tasks() -> WriteTasks {
    WriteTasks::new(100, PATIENCE)
}

async fn database(folder: &Path, service: &'static str, migrations: &storage::migrate::Migrations) -> Database {
    let limits = Limits { pool_size: 2, shared_connections: 1, ..Limits::DEFAULT };
    let database = Database::open(&DatabaseUrl::Sqlite(folder.join("data")), service, limits).await.unwrap();
    database.migrate(migrations).await.unwrap();
    database
}

async fn auth(folder: &Path) -> Arc<Auth> {
    let day = Duration::from_secs(24 * 60 * 60);
    let settings = AuthSettings {
        v1_token_lifetime: day,
        access_token_lifetime: day,
        refresh_token_lifetime: day,
        key_file: Some(folder.join("keys.json")),
        hash_threads: 1,
        hash_queue: 10,
        throttle: false,
        letterhead: auth::Letterhead::default(),
        mails: false,
    };
    Auth::start(settings, database(folder, "auth", &auth::MIGRATIONS).await, context(), tasks()).unwrap()
}

fn to(socket: SocketAddr, protocol: Protocol) -> Arc<Upstream> {
    Upstream::start(upstream::Settings {
        name: "products",
        addresses: vec![socket.to_string().parse().unwrap()],
        protocol,
        balance: Balance::RoundRobin,
        max_in_flight: 100,
        statement_keys: None,
        tls: None,
    })
}

fn listen(router: Router, protocols: Protocols) -> (SocketAddr, watch::Sender<bool>, JoinHandle<()>) {
    let listener = server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let socket = listener.local_addr().unwrap();
    let (stop, stopping) = watch::channel(false);
    let settings = server::Settings { max_connections: 100, protocols, tls: None, pinned: None };
    (socket, stop, tokio::spawn(server::serve(listener, router, settings, stopping)))
}

/// All that comes until the end of a connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A connection that breaks has said what it had to say.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the connection ends");
    latin(&bytes)
}

/// The head of what comes, with its empty line.
async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(latin(&head))
}

fn latin(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// An upstream that is well, and keeps everything else that it is asked.
async fn record(answers: Answers, seen: Arc<Mutex<Vec<Seen>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let seen = Arc::clone(&seen);
            tokio::spawn(async move {
                while let Some(head) = head(&mut stream).await {
                    if head.starts_with("GET /internal/health ") {
                        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
                        continue;
                    }
                    let length = values(&head, "content-length").first().map_or(0, |length| length.parse().unwrap());
                    let mut body = vec![0; length];
                    stream.read_exact(&mut body).await.unwrap();
                    let request = Seen { head, body };
                    seen.lock().unwrap().push(request.clone());
                    let Some(next) = answers(request, stream).await else { return };
                    stream = next;
                }
            });
        }
    });
    socket
}
