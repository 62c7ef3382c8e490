//! The way to a host: by TLS, if that is spoken, or without.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use platform::telemetry::Recurring;
use tls::TlsClient;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsStream;

use crate::stream::Stream;

/// How long a connection may take, and then TLS on it, on which the other side has to calculate.
pub const CONNECT: Duration = Duration::from_millis(500);
const HANDSHAKE: Duration = Duration::from_secs(2);

/// Makes connections to a host.
pub struct Dialer {
    tls: Option<Arc<TlsClient>>,
    /// As it was configured: a name, or an address without brackets.
    host: String,
    failing: Recurring,
    /// What TLS last had against the host.
    objection: Mutex<Option<String>>,
}

impl Dialer {
    /// `tls`: how it is spoken, if it is.
    pub fn new(tls: Option<Arc<TlsClient>>, host: &str) -> Self {
        Self { tls, host: host.to_owned(), failing: Recurring::new(), objection: Mutex::default() }
    }

    /// Connects to one of the host's sockets.
    ///
    /// # Errors
    /// When it cannot be reached, not in time, or is not to be trusted.
    pub async fn dial(&self, socket: SocketAddr) -> io::Result<Stream> {
        let stream = in_time(CONNECT, TcpStream::connect(socket)).await?;
        stream.set_nodelay(true)?;
        self.secure(stream).await
    }

    /// Speaks TLS on a connection to the host, if that is spoken.
    ///
    /// # Errors
    /// As [`Dialer::dial`].
    pub async fn secure(&self, stream: TcpStream) -> io::Result<Stream> {
        let Some(tls) = &self.tls else { return Ok(Stream::Plain(stream)) };
        let name = tls::server_name(&self.host)?;
        match in_time(HANDSHAKE, tls.connector().connect(name, stream)).await {
            // Whether it takes our own certificate, its first answer says.
            Ok(stream) => Ok(Stream::Tls(Box::new(TlsStream::Client(stream)))),
            Err(error) => {
                self.object(&error);
                Err(error)
            }
        }
    }

    /// Notes what TLS has against the host, if that is why a connection failed; the log says it once.
    pub fn object(&self, error: &io::Error) {
        let words = match tls::words(error) {
            Some(words) => words,
            None if error.kind() == io::ErrorKind::PermissionDenied => "it does not let us in".into(),
            None => return,
        };
        if let Some(failures) = self.failing.failed() {
            let address = self.host.as_str();
            tracing::warn!(
                event = "tls.failed",
                server.address = address,
                error = words,
                failures,
                "no TLS with a host"
            );
        }
        *lock(&self.objection) = Some(words);
    }

    pub fn speaks_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Nothing is wrong any more.
    pub fn trust(&self) {
        if self.failing.recovered() {
            *lock(&self.objection) = None;
        }
    }

    /// What TLS has against the host.
    pub fn objection(&self) -> Option<String> {
        lock(&self.objection).clone()
    }
}

async fn in_time<T>(time: Duration, connecting: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(time, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Whole values are put in under this lock: a poisoned one is usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
