//! One process of a service: whether it may be asked, what it has to do, and the connections to it.

use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{io, iter};

use axum::http::{Response, Uri};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use kernel::fnv1a;
use net::Stream;
use net::dialer::{self, Dialer};
use platform::telemetry::metrics::Server;
use tls::TlsClient;
use tokio::sync::Notify;
use tokio::time::Instant;
use tower::Service;

use super::attempt::{Failure, Template};
use super::body::Answered;
use super::budget::nanos;
use super::connections::Connections;
use super::load::Load;
use super::{Address, Protocol};
use crate::StatementKeys;

/// Shorter than the patience of our servers with a connection that waits, so that they do not close one just as it is used.
const IDLE: Duration = Duration::from_secs(20);
/// What a peer does not acknowledge for so long is lost: it is gone without a word.
const SILENCE: Duration = Duration::from_secs(5);
/// So many calls in a row without an answer eject.
const FAILURES: u32 = 5;
/// One that was away for so long may have been started anew, and is cold.
const AWAY: Duration = Duration::from_millis(500);
/// How long it takes one that came back to get its whole share.
const WARM_UP: Duration = Duration::from_secs(10);
/// Its share at first.
const COLD_SHARE: f64 = 0.1;

pub type HttpClient = Client<Secured, Full<Bytes>>;

/// What is known of an instance's health. The first two may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Health {
    /// Not looked at yet.
    Unknown,
    Healthy,
    /// It answers, and wants no more calls.
    Draining,
    /// Connections are refused or broken.
    Refused,
    /// It answers something else than it should.
    Failing,
    /// It does not answer.
    Hung,
    /// It answers that it does not believe us.
    Disbelieves,
    /// TLS does not trust it, or it does not trust us.
    Untrusted,
}

impl Health {
    const ALL: [Self; 8] = [
        Self::Unknown,
        Self::Healthy,
        Self::Draining,
        Self::Refused,
        Self::Failing,
        Self::Hung,
        Self::Disbelieves,
        Self::Untrusted,
    ];

    pub fn is_available(self) -> bool {
        matches!(self, Self::Unknown | Self::Healthy)
    }

    pub fn reason(self) -> &'static str {
        match self {
            Self::Unknown => "not looked at yet",
            Self::Healthy => "healthy",
            Self::Draining => "draining",
            Self::Refused => "refuses or breaks connections",
            Self::Failing => "does not answer as it should",
            Self::Hung => "does not answer in time",
            Self::Disbelieves => "does not believe this process: another internal.key_file, or a clock that is wrong",
            Self::Untrusted => "TLS with it fails",
        }
    }
}

/// An address of the settings, and what its instances share.
pub struct Target {
    pub service: &'static str,
    pub address: Address,
    pub series: Server,
    pub statement_keys: Option<Arc<StatementKeys>>,
    /// How TLS is spoken with its instances, if it is.
    pub tls: Option<Arc<TlsClient>>,
}

pub struct Instance {
    pub target: Arc<Target>,
    pub socket: SocketAddr,
    /// Where rendezvous hashing has it: the same in every process.
    pub place: u64,
    /// The way there.
    pub dialer: Arc<Dialer>,
    pub calls: Calls,
    /// Connections of their own, so that looking never waits for calls.
    pub probes: HttpClient,
    pub load: Load,
    /// Told when the instance is found hung, for calls that wait on it.
    pub hung: Notify,
    /// Told when a call made the instance suspect, so that somebody looks at once.
    pub suspected: Notify,
    started: Instant,
    health: AtomicU8,
    failures: AtomicU32,
    /// Nanoseconds from `started`.
    answered: AtomicU64,
    ejected: AtomicU64,
    /// When it came back cold; zero otherwise.
    returned: AtomicU64,
}

impl Instance {
    pub fn new(target: &Arc<Target>, socket: SocketAddr, protocol: Protocol, max_in_flight: usize) -> Self {
        let now = Instant::now();
        let dialer = Arc::new(Dialer::new(target.tls.clone(), target.address.host()));
        Self {
            target: Arc::clone(target),
            socket,
            place: fnv1a(socket.to_string().bytes()),
            calls: Calls::new(&dialer, socket, protocol, max_in_flight.clamp(8, 512)),
            probes: client(&dialer, socket, protocol, 1),
            dialer,
            load: Load::start(now),
            hung: Notify::new(),
            suspected: Notify::new(),
            started: now,
            health: AtomicU8::new(Health::Unknown as u8),
            failures: AtomicU32::new(0),
            answered: AtomicU64::new(0),
            ejected: AtomicU64::new(0),
            returned: AtomicU64::new(0),
        }
    }

    pub fn health(&self) -> Health {
        Health::ALL[usize::from(self.health.load(Ordering::Relaxed))]
    }

    /// An answer's head arrived.
    pub fn answered(&self, now: Instant) {
        self.answered.store(self.at(now), Ordering::Relaxed);
        if self.failures.load(Ordering::Relaxed) > 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    pub fn answered_since(&self, then: Instant) -> bool {
        self.answered.load(Ordering::Relaxed) > self.at(then)
    }

    /// A call got no answer: too many in a row eject.
    pub fn failed(&self, health: Health) {
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES {
            self.eject(health);
        }
    }

    /// Asks it no more, until somebody looked and found it well.
    pub fn eject(&self, health: Health) {
        let before = self.becomes(health);
        if before == health {
            return;
        }
        if before.is_available() {
            self.ejected.store(self.at(Instant::now()), Ordering::Relaxed);
            self.suspected.notify_one();
        }
        tracing::warn!(
            event = "upstream.ejected",
            dependency = self.target.service,
            server.address = self.target.address.as_str(),
            network.peer.address = %self.socket,
            reason = health.reason(),
            "an instance is not asked any more"
        );
        if health == Health::Hung {
            self.hung.notify_waiters();
        }
    }

    /// Somebody looked, and it is well. Whether it was away.
    pub fn returns(&self, now: Instant) -> bool {
        if self.health() == Health::Healthy {
            return false;
        }
        self.failures.store(0, Ordering::Relaxed);
        let away = Duration::from_nanos(self.at(now).saturating_sub(self.ejected.load(Ordering::Relaxed)));
        if !self.health().is_available() && away >= AWAY {
            self.load.forget();
            self.is_new(now);
        }
        if self.becomes(Health::Healthy).is_available() {
            return false;
        }
        tracing::info!(
            event = "upstream.returned",
            dependency = self.target.service,
            server.address = self.target.address.as_str(),
            network.peer.address = %self.socket,
            reason = Health::Healthy.reason(),
            "an instance is asked again"
        );
        true
    }

    /// It joins others that are warm.
    pub fn is_new(&self, now: Instant) {
        self.returned.store(self.at(now).max(1), Ordering::Relaxed);
    }

    /// The part of an instance's share that it gets, from nothing to one.
    pub fn share(&self, now: Instant) -> f64 {
        let returned = self.returned.load(Ordering::Relaxed);
        if returned == 0 {
            return 1.0;
        }
        let share = self.at(now).saturating_sub(returned) as f64 / nanos(WARM_UP) as f64;
        if share >= 1.0 {
            self.returned.store(0, Ordering::Relaxed);
        }
        share.clamp(COLD_SHARE, 1.0)
    }

    fn becomes(&self, health: Health) -> Health {
        Health::ALL[usize::from(self.health.swap(health as u8, Ordering::Relaxed))]
    }

    fn at(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.started))
    }
}

/// How calls travel.
pub struct Calls {
    /// Over HTTP/1. What may become another protocol goes by hyper's own client, whose connections outlive the call.
    kept: Option<Arc<Connections>>,
    client: HttpClient,
    dialer: Arc<Dialer>,
}

impl Calls {
    fn new(dialer: &Arc<Dialer>, socket: SocketAddr, protocol: Protocol, most: usize) -> Self {
        let connections = || Connections::new(socket, Arc::clone(dialer), IDLE, most);
        let kept = (protocol == Protocol::Http1).then(connections);
        Self { kept, client: client(dialer, socket, protocol, most), dialer: Arc::clone(dialer) }
    }

    /// Sends a request to its instance.
    ///
    /// # Errors
    /// What kept the answer away.
    pub async fn send(&self, target: &Target, template: &Template) -> Result<Response<Answered>, Failure> {
        match &self.kept {
            Some(kept) if !template.may_switch() => {
                let answer = kept
                    .request(|| template.request(target))
                    .await
                    .map_err(|broken| Failure::of_kept(broken, &self.dialer))?;
                Ok(answer.map(Answered::Kept))
            }
            _ => {
                let mut request = template.request(target);
                *request.uri_mut() = target.uri(request.uri());
                let answer = self.client.request(request).await.map_err(|error| Failure::of(&error, &self.dialer))?;
                Ok(answer.map(Answered::Other))
            }
        }
    }

    /// Ends connections that have waited for too long.
    pub fn sweep(&self) {
        self.kept.iter().for_each(|kept| kept.sweep());
    }
}

/// Bytes of one answer that may be under way over HTTP/2 before its reader takes some.
const STREAM_WINDOW: u32 = 64 * 1024;

fn client(dialer: &Arc<Dialer>, socket: SocketAddr, protocol: Protocol, idle: usize) -> HttpClient {
    let mut connector = HttpConnector::new_with_resolver(Fixed(socket));
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(dialer::CONNECT));
    #[cfg(target_os = "linux")]
    connector.set_tcp_user_timeout(Some(SILENCE));
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(idle)
        // Only of requests that hyper gave back unwritten, for their idle connection had just ended.
        .retry_canceled_requests(true)
        .set_host(false)
        .timer(TokioTimer::new())
        // One connection serves all: what few slow readers hold back must leave room for the others.
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(STREAM_WINDOW * 256)
        .http2_only(protocol == Protocol::H2c)
        .http2_keep_alive_interval(SILENCE)
        .http2_keep_alive_timeout(SILENCE)
        .http2_keep_alive_while_idle(true)
        .build(Secured { connector, dialer: Arc::clone(dialer) })
}

/// Connects, and speaks TLS if that is spoken with the target.
#[derive(Clone)]
pub struct Secured {
    connector: HttpConnector<Fixed>,
    dialer: Arc<Dialer>,
}

impl Service<Uri> for Secured {
    type Response = TokioIo<Stream>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = BoxFuture<'static, Result<TokioIo<Stream>, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.connector.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, dialer) = (self.connector.call(uri), Arc::clone(&self.dialer));
        Box::pin(async move {
            let stream = connecting.await?.into_inner();
            Ok(TokioIo::new(dialer.secure(stream).await?))
        })
    }
}

/// Resolves any name to one address: the URI says what is configured, the connection goes to the instance.
#[derive(Debug, Clone, Copy)]
pub struct Fixed(SocketAddr);

impl Service<Name> for Fixed {
    type Response = iter::Once<SocketAddr>;
    type Error = io::Error;
    type Future = Ready<io::Result<iter::Once<SocketAddr>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        ready(Ok(iter::once(self.0)))
    }
}

impl Target {
    /// The URI of a path and query at this address.
    pub fn uri(&self, path: &Uri) -> Uri {
        let mut parts = axum::http::uri::Parts::default();
        parts.scheme = Some(axum::http::uri::Scheme::HTTP);
        parts.authority = Some(self.address.authority().clone());
        parts.path_and_query =
            Some(path.path_and_query().cloned().unwrap_or_else(|| axum::http::uri::PathAndQuery::from_static("/")));
        // All three parts are there, which is the only rule.
        Uri::from_parts(parts).unwrap_or_default()
    }
}
