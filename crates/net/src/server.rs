//! The listener: bounded connections, headers and times, and a shutdown that fails no request.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, Method, Request, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use futures_util::TryFutureExt;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioExecutor, TokioIo};
use platform::client::{ClientAddress, Https};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::Service as _;

use super::activity::{self, Activity, HEAD, PATIENCE, STALL, Watched};
use super::date;
use super::handshake::{self, Handshake};
use super::pinned::PinnedThreads;
use super::preface::Begun;
use super::stream::Stream;

/// Read buffer of a connection at most: request line and headers must fit. Few may need as much, see [`activity::HEADS`].
const BUFFER: usize = 1_280 * 1024;
/// What the system keeps of answers, a connection; it doubles that for its own needs.
const SEND_BUFFER: u32 = 128 * 1024;
/// Requests at a time on one connection of HTTP/2, and bytes of the headers of each: of another process, and of the public, whose bounds are
/// for connections.
const STREAMS: u32 = 256;
const STREAM_HEAD: u32 = 64 * 1024;
const PUBLIC_STREAMS: u32 = 16;
/// Header fields of a request from outside. Hyper reads a hundred, and a gateway that passes the request on adds some of its own.
const FIELDS: usize = 88;
/// How long an idle connection stays open after shutdown began, for the request that is on its way.
const LINGER: Duration = Duration::from_secs(1);
/// How long running requests may take after that.
const FINISH_TIME: Duration = Duration::from_secs(30);

/// What a listener takes on.
#[derive(Clone)]
pub struct Settings {
    /// Connections at a time; more wait to be accepted. One that was upgraded counts for as long as it is open.
    pub max_connections: usize,
    /// What is spoken on them.
    pub protocols: Protocols,
    /// How TLS is spoken; if none, it is not.
    pub tls: Option<Arc<Handshake>>,
    /// Where connections are served; if none, where the listener is.
    pub pinned: Option<Arc<PinnedThreads>>,
}

/// The versions of HTTP that a listener knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocols {
    /// HTTP/1.1 and 1.0; with TLS also HTTP/2.
    Http1,
    /// Those, and HTTP/2 without TLS where a connection begins with its preface.
    Http1AndH2c,
}

/// Binds with a backlog that bursts of connections need.
///
/// # Errors
/// When the address is taken or not ours.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // Of its connections: by itself the system would keep megabytes of what a client does not read.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(4_096)
}

/// Serves until `stop` turns true, then finishes what runs. Clients on HTTP/1 are told with their next answer that the
/// connection ends, those on HTTP/2 at once.
pub async fn serve(listener: TcpListener, router: Router, settings: Settings, mut stop: watch::Receiver<bool>) {
    let all = u32::try_from(settings.max_connections).unwrap_or(u32::MAX);
    let places = Arc::new(Semaphore::new(all as usize));
    let server = Arc::new(Server::new(router, &settings, stop.clone()));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            _ = stop.wait_for(|stopping| *stopping) => break,
        };
        match accepted {
            Ok((stream, address, place)) => server.take(stream, address, place),
            Err(error) => {
                // Out of file descriptors, usually: wait for some to close rather than spin.
                tracing::warn!(event = "http.accept.failed", error = %error, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    server.closing.store(true, Ordering::Relaxed);
    if let Err(error) = server.take_waiting(listener, &places) {
        tracing::warn!(event = "http.accept.failed", error = %error, "could not accept the last connections");
    }
    // Each connection gives its place back at its end.
    if tokio::time::timeout(LINGER + FINISH_TIME, places.acquire_many(all)).await.is_err() {
        tracing::warn!(event = "http.shutdown.cut", "some requests did not finish before shutdown");
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    // The semaphore is never closed.
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    Ok((stream, address, place))
}

/// What all connections of a listener share.
struct Server {
    router: Router,
    protocols: Protocols,
    tls: Option<Arc<Handshake>>,
    pinned: Option<Arc<PinnedThreads>>,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    heads: Arc<Semaphore>,
    /// Whether answers announce the end of their connection.
    closing: AtomicBool,
    stop: watch::Receiver<bool>,
}

impl Server {
    fn new(router: Router, settings: &Settings, stop: watch::Receiver<bool>) -> Self {
        let mut http1 = http1::Builder::new();
        // Hyper's own time limit for headers would set a timer for every request; [`Activity`] needs one for a connection.
        http1.max_buf_size(BUFFER);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        let Settings { protocols, tls, pinned, .. } = settings.clone();
        let (streams, head) = match protocols {
            Protocols::Http1 => (PUBLIC_STREAMS, HEAD as u32),
            Protocols::Http1AndH2c => (STREAMS, STREAM_HEAD),
        };
        http2.max_concurrent_streams(streams).max_header_list_size(head).keep_alive_interval(None);
        let heads = Arc::new(Semaphore::new(activity::HEADS));
        Self { router, protocols, tls, pinned, http1, http2, heads, closing: AtomicBool::new(false), stop }
    }

    /// Serves a connection on a task of its own.
    fn take(self: &Arc<Self>, stream: TcpStream, address: SocketAddr, place: OwnedSemaphorePermit) {
        // Without it answers are late, no more.
        let _ = stream.set_nodelay(true);
        let (server, address) = (Arc::clone(self), ClientAddress(address.ip()));
        let serve = move |stream| server.serve(stream, address, place);
        match &self.pinned {
            None => drop(tokio::spawn(serve(stream))),
            Some(pinned) => {
                if let Err(error) = pinned.serve(stream, serve) {
                    tracing::warn!(event = "http.accept.failed", error = %error, "could not hand a connection over");
                }
            }
        }
    }

    async fn serve(self: Arc<Self>, stream: TcpStream, address: ClientAddress, place: OwnedSemaphorePermit) {
        let stream = match self.tls.clone() {
            None => Stream::Plain(stream),
            Some(tls) => match self.shake(&tls, stream, address).await {
                Some(stream) => stream,
                None => return,
            },
        };
        if stream.is_http2() {
            return self.serve_http2(Begun::untouched(stream), address, place).await;
        }
        match self.protocols {
            Protocols::Http1 => self.serve_http1(Begun::untouched(stream), address, place).await,
            Protocols::Http1AndH2c => self.look_and_serve(stream, address, place).await,
        }
    }

    /// A connection that has come as far as HTTP.
    async fn shake(&self, tls: &Handshake, stream: TcpStream, client: ClientAddress) -> Option<Stream> {
        // In a box, which is gone when requests come.
        let shaken = tokio::select! {
            shaken = Box::pin(tls.shake(stream)) => shaken,
            () = tokio::time::sleep(handshake::TIME) => Err(io::ErrorKind::TimedOut.into()),
            () = self.lingered() => return None,
        };
        shaken.map_err(|error| tls.refuse(client.0, &error)).ok().flatten()
    }

    /// Takes what the kernel has accepted for us already, and closes the listener.
    fn take_waiting(self: &Arc<Self>, listener: TcpListener, places: &Arc<Semaphore>) -> io::Result<()> {
        let listener = listener.into_std()?;
        while let Ok(place) = Arc::clone(places).try_acquire_owned() {
            let (stream, address) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(true)?;
            self.take(TcpStream::from_std(stream)?, address, place);
        }
        Ok(())
    }

    async fn look_and_serve(self: Arc<Self>, stream: Stream, address: ClientAddress, place: OwnedSemaphorePermit) {
        let begun = tokio::select! {
            begun = Begun::look(stream) => begun,
            () = tokio::time::sleep(PATIENCE) => return,
            () = self.lingered() => return,
        };
        // Clients break connections at will; that is their affair.
        let Ok((stream, is_http2)) = begun else { return };
        if is_http2 {
            self.serve_http2(stream, address, place).await
        } else {
            self.serve_http1(stream, address, place).await
        }
    }

    async fn serve_http1(self: Arc<Self>, stream: Begun<Stream>, address: ClientAddress, place: OwnedSemaphorePermit) {
        // A gateway may be held up by its own clients.
        let stall = if self.protocols == Protocols::Http1 { STALL } else { PATIENCE };
        let activity = Arc::new(Activity::start(stall));
        let client = self.client(address, &stream);
        let stream = TokioIo::new(Watched::http1(stream, &activity, &self.heads, place));
        let service = self.service(client, &activity);
        let connection = pin!(self.http1.serve_connection(stream, service).with_upgrades());
        let over = async {
            tokio::select! {
                biased;
                () = activity.ended() => {}
                () = self.lingered() => {
                    // The rest of a request that has begun is not far.
                    if activity.is_in_head() {
                        tokio::time::sleep(LINGER).await;
                    }
                }
            }
        };
        drive(connection, http1::UpgradeableConnection::graceful_shutdown, over, &activity).await;
    }

    async fn serve_http2(self: Arc<Self>, stream: Begun<Stream>, address: ClientAddress, place: OwnedSemaphorePermit) {
        let activity = Arc::new(Activity::start(PATIENCE));
        let client = self.client(address, &stream);
        let stream = TokioIo::new(Watched::http2(stream, &activity, &self.heads, place));
        let service = self.service(client, &activity);
        let connection = pin!(self.http2.serve_connection(stream, service));
        let over = async {
            tokio::select! {
                biased;
                () = activity.ended() => {}
                () = self.stopped() => {}
            }
        };
        drive(connection, http2::Connection::graceful_shutdown, over, &activity).await;
    }

    /// Who is at the other end.
    fn client(&self, address: ClientAddress, stream: &Begun<Stream>) -> (ClientAddress, Option<Https>) {
        // What other processes come by says nothing of whom they speak for.
        let is_public = self.protocols == Protocols::Http1;
        (address, (is_public && stream.get_ref().is_tls()).then_some(Https))
    }

    /// Answers the requests of one connection.
    fn service(
        self: &Arc<Self>,
        (address, https): (ClientAddress, Option<Https>),
        activity: &Arc<Activity>,
    ) -> impl Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send + 'static> + use<> {
        let (server, activity) = (Arc::clone(self), Arc::clone(activity));
        service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(address);
            https.and_then(|https| request.extensions_mut().insert(https));
            if request.extensions().get::<OnUpgrade>().is_some() {
                request.extensions_mut().insert(Stopping(server.stop.clone()));
            }
            if server.is_too_large(&request) {
                request.extensions_mut().insert(HeadTooLarge);
            }
            let connect = request.method() == Method::CONNECT;
            let http1 = request.version() <= Version::HTTP_11;
            let (server, switching) = (Arc::clone(&server), Arc::clone(&activity));
            let answered = server.router.clone().call(request);
            activity.during(answered.map_ok(move |mut response| {
                date::put(response.headers_mut());
                if http1 {
                    server.part(&mut response, connect, &switching);
                } else if server.protocols == Protocols::Http1 {
                    return switching.watch(response);
                }
                response
            }))
        })
    }

    /// What comes from outside is bounded such that a gateway can say more in it, and have it taken by the service behind.
    fn is_too_large(&self, request: &Request<Incoming>) -> bool {
        let (fields, bytes) = match self.protocols {
            Protocols::Http1 => (FIELDS, HEAD),
            Protocols::Http1AndH2c => (usize::MAX, 2 * HEAD),
        };
        request.headers().len() > fields || head_beside_token(request) > bytes
    }

    /// What the answer means to its connection.
    fn part(&self, response: &mut Response, connect: bool, activity: &Activity) {
        let status = response.status();
        if status == StatusCode::SWITCHING_PROTOCOLS || (connect && status.is_success()) {
            activity.switch();
        } else if self.closing.load(Ordering::Relaxed) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }

    async fn stopped(&self) {
        // An error means that whoever could say so is gone.
        let _ = self.stop.clone().wait_for(|stopping| *stopping).await;
    }

    /// Returns when nobody has to be waited for any more who has not begun a request.
    async fn lingered(&self) {
        self.stopped().await;
        tokio::time::sleep(LINGER).await;
    }
}

/// Runs a connection until it is `over`, then asks it to `leave` after what it does.
async fn drive<C: Future>(
    mut connection: Pin<&mut C>,
    leave: impl FnOnce(Pin<&mut C>),
    over: impl Future<Output = ()>,
    activity: &Activity,
) {
    tokio::select! {
        biased;
        // Clients break connections at will; that is their affair.
        _ = connection.as_mut() => return,
        () = over => {}
    }
    leave(connection.as_mut());
    let parting = async {
        tokio::time::sleep(LINGER).await;
        activity.ended().await;
    };
    tokio::select! {
        biased;
        _ = connection => {}
        () = parting => {}
    }
}

/// Bytes of a head but for the token, whose size is for the check of tokens to judge.
fn head_beside_token(request: &Request<Incoming>) -> usize {
    let headers = request.headers().iter().filter(|(name, _)| *name != header::AUTHORIZATION);
    let headers: usize = headers.map(|(name, value)| name.as_str().len() + value.len()).sum();
    headers + request.uri().path().len() + request.uri().query().map_or(0, str::len)
}

/// Goes with a request that asks for another protocol: tells those who speak it when the listener stops, which waits for them.
#[derive(Clone)]
pub struct Stopping(watch::Receiver<bool>);

impl Stopping {
    /// Returns when the listener stops.
    pub async fn wait(&mut self) {
        // An error means that whoever could say so is gone.
        let _ = self.0.wait_for(|stopping| *stopping).await;
    }
}

/// Marks a request whose head is larger than most may be: it is for the edge to refuse, which counts and logs it.
#[derive(Clone, Copy)]
pub struct HeadTooLarge;

pub fn refuse_head() -> Response {
    (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, [(header::CONNECTION, "close")]).into_response()
}

/// For a body that ended early or is not framed well: nobody knows what its sender meant by it.
pub fn refuse_body() -> Response {
    (StatusCode::BAD_REQUEST, [(header::CONNECTION, "close")]).into_response()
}

#[cfg(test)]
mod tests;
