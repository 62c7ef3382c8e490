//! The listener: bounded connections, headers and times, and a shutdown that lets running requests finish.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::Service;

use super::ClientAddress;
use super::activity::{self, Activity, Watched};

/// Read buffer of a connection at most: request line and headers must fit. Few may need as much, see [`activity::HEADS`].
const BUFFER: usize = 1_280 * 1024;
/// How long running requests may take after shutdown began.
const FINISH_TIME: Duration = Duration::from_secs(30);

/// Binds with a backlog that bursts of connections need.
///
/// # Errors
/// When the address is taken or not ours.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(4_096)
}

/// Serves until `stop` turns true, then finishes what runs.
pub async fn serve(listener: TcpListener, router: Router, max_connections: usize, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(max_connections));
    let heads = Arc::new(Semaphore::new(activity::HEADS));
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    // Hyper's own time limit for headers would set a timer for every request; [`Activity`] needs one for a connection.
    http.max_buf_size(BUFFER);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            _ = stop.wait_for(|stopping| *stopping) => break,
        };
        let (stream, address, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, usually: wait for some to close rather than spin.
                tracing::warn!(event = "http.accept.failed", error = %error, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let activity = Arc::new(Activity::start());
        let (router, seen) = (router.clone(), Arc::clone(&activity));
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(address);
            if seen.is_too_large(|| head_beside_token(&request)) {
                request.extensions_mut().insert(HeadTooLarge);
            }
            let mut router = router.clone();
            seen.during(async move { router.call(request).await })
        });
        let connection =
            graceful.watch(http.serve_connection(TokioIo::new(Watched::new(stream, &activity, &heads)), service));
        tokio::spawn(async move {
            let _place = place;
            tokio::select! {
                biased;
                // Clients break connections at will; that is their affair.
                _ = connection => {}
                () = activity.ended() => {}
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(FINISH_TIME, graceful.shutdown()).await.is_err() {
        tracing::warn!(event = "http.shutdown.cut", "some requests did not finish before shutdown");
    }
}

/// Bytes of a head but for the token, whose size is for the check of tokens to judge.
fn head_beside_token(request: &Request<Incoming>) -> usize {
    let headers = request.headers().iter().filter(|(name, _)| *name != header::AUTHORIZATION);
    let headers: usize = headers.map(|(name, value)| name.as_str().len() + value.len()).sum();
    headers + request.uri().path().len() + request.uri().query().map_or(0, str::len)
}

/// Marks a request whose head is larger than most may be: it is for the edge to refuse, which counts and logs it.
#[derive(Clone, Copy)]
pub struct HeadTooLarge;

pub fn refuse_head() -> Response {
    (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, [(header::CONNECTION, "close")]).into_response()
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, ClientAddress, OwnedSemaphorePermit)> {
    // The semaphore is never closed.
    let place = Arc::clone(places).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, ClientAddress(address.ip()), place))
}
