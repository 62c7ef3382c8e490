//! Connections that became something else than HTTP: bytes pass both ways until both sides have ended, nobody has said anything for
//! too long, or the listener is told to stop. None of that is bounded elsewhere, for their requests are over.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Those to one service at a time: each takes a connection of ours, and one of the service's.
const PLACES: usize = 1_024;
/// How long neither side may say anything. Protocols that live long look after each other more often.
const IDLE: Duration = Duration::from_secs(120);
/// Bytes that one direction holds.
const BUFFER: usize = 8 * 1024;

/// The upgraded connections to one service.
pub struct Tunnels {
    places: Arc<Semaphore>,
    idle: Duration,
}

impl Tunnels {
    pub fn new() -> Self {
        Self::bounded(PLACES, IDLE)
    }

    pub(crate) fn bounded(places: usize, idle: Duration) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), idle }
    }

    /// A place for one more, if there is one.
    pub fn take(&self) -> Option<Tunnel> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Tunnel { idle: self.idle, _place: place })
    }
}

/// One upgraded connection, or the place for it.
pub struct Tunnel {
    idle: Duration,
    _place: OwnedSemaphorePermit,
}

impl Tunnel {
    /// Passes bytes until `stopped`, or an end of its own. Both connections are closed then.
    pub async fn join(self, client: OnUpgrade, server: OnUpgrade, stopped: impl Future<Output = ()>) {
        let life = Life { started: Instant::now(), last: AtomicU64::new(0) };
        let passed = async {
            // Each fails where a side has gone before it began.
            let (client, server) = tokio::try_join!(client, server).map_err(io::Error::other)?;
            let (mut from_client, mut to_client) = tokio::io::split(TokioIo::new(client));
            let (mut from_server, mut to_server) = tokio::io::split(TokioIo::new(server));
            tokio::try_join!(
                copy(&mut from_client, &mut to_server, &life),
                copy(&mut from_server, &mut to_client, &life)
            )
        };
        tokio::select! {
            // Either side may break off at will.
            _ = pin!(passed) => {}
            () = life.quiet(self.idle) => {}
            () = stopped => {}
        }
    }
}

/// When anything was said at last.
struct Life {
    started: Instant,
    /// Milliseconds from `started`.
    last: AtomicU64,
}

impl Life {
    fn touch(&self) {
        let millis = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(millis, Ordering::Relaxed);
    }

    /// Returns when nothing has been said for so long.
    async fn quiet(&self, idle: Duration) {
        loop {
            let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
            let left = idle.saturating_sub(self.started.elapsed().saturating_sub(last));
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }
}

/// Passes one direction on to its end, which is passed on too: the other may go on alone. What nobody takes is no sign of life.
async fn copy(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin), life: &Life) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(buffer.get(..read).unwrap_or_default()).await?;
        to.flush().await?;
        life.touch();
    }
}
