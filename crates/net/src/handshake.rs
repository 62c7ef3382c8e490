//! The beginning of a connection where TLS is spoken.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use platform::telemetry::Recurring;
use tls::TlsServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use crate::stream::Stream;

/// How long a client may take for it.
pub const TIME: Duration = Duration::from_secs(5);
/// What TLS begins with: a record of the handshake.
const RECORD: u8 = 0x16;
/// For one who speaks HTTP without TLS.
const NOT_TLS: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 33\r\n\r\n\
    This port speaks TLS: use https.\n";
/// Bytes of its request that are taken, so that it gets to read that.
const REQUEST: usize = 64 * 1024;

/// How a listener speaks TLS.
pub struct Handshake {
    server: TlsServer,
    /// Whether who does without is served too, as long as a deployment changes over.
    plain: bool,
    refused: Recurring,
}

impl Handshake {
    pub fn new(server: TlsServer, plain: bool) -> Arc<Self> {
        Arc::new(Self { server, plain, refused: Recurring::new() })
    }

    /// A connection on which HTTP may begin, if its client says anything.
    ///
    /// # Errors
    /// When its client is refused, or breaks off in the middle: who speaks no TLS has been told so.
    pub async fn shake(&self, mut stream: TcpStream) -> io::Result<Option<Stream>> {
        let mut first = [0];
        match stream.peek(&mut first).await {
            // Somebody who looked whether anybody listens.
            Ok(0) | Err(_) => return Ok(None),
            _ if first == [RECORD] => {}
            _ if self.plain => return Ok(Some(Stream::Plain(stream))),
            _ => {
                stream.write_all(NOT_TLS).await?;
                stream.shutdown().await?;
                let _ = tokio::io::copy(&mut stream.take(REQUEST as u64), &mut tokio::io::sink()).await;
                return Err(io::Error::other("it does not speak TLS"));
            }
        }
        let stream = self.server.acceptor().accept(stream).await?;
        Ok(Some(Stream::Tls(Box::new(TlsStream::Server(stream)))))
    }

    /// Has the log say why a client was refused: one of many, for strangers may try for ever.
    pub fn refuse(&self, client: std::net::IpAddr, error: &io::Error) {
        let Some(failures) = self.refused.failed() else { return };
        let error = tls::words(error).unwrap_or_else(|| error.to_string());
        tracing::warn!(event = "tls.refused", client.address = %client, error, failures, "no TLS with a client");
    }
}
