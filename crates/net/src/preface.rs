//! Which version of HTTP a client begins to speak, and a stream that still has the bytes by which that was told.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// What HTTP/2 begins with where nothing else announces it, RFC 9113, section 3.4.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream, the first bytes of which may have been looked at.
pub struct Begun<S> {
    stream: S,
    first: [u8; PREFACE.len()],
    /// Those of `first` that are still to be read.
    left: std::ops::Range<u8>,
}

impl<S> Begun<S> {
    /// Nobody has looked at it.
    pub fn untouched(stream: S) -> Self {
        Self { stream, first: [0; PREFACE.len()], left: 0..0 }
    }

    pub fn get_ref(&self) -> &S {
        &self.stream
    }
}

impl<S: AsyncRead + Unpin> Begun<S> {
    /// Reads on until it is clear whether this is HTTP/2. An end of the stream is for whoever serves it.
    ///
    /// # Errors
    /// When the stream breaks.
    pub async fn look(stream: S) -> io::Result<(Self, bool)> {
        let mut begun = Self::untouched(stream);
        let mut read = 0;
        loop {
            let free = begun.first.get_mut(read..).unwrap_or_default();
            let more = begun.stream.read(free).await?;
            read += more;
            // At most the length of the preface.
            begun.left.end = read as u8;
            let same = PREFACE.starts_with(begun.first.get(..read).unwrap_or_default());
            if more == 0 || !same || read == PREFACE.len() {
                return Ok((begun, same && read == PREFACE.len()));
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.left.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let left = usize::from(self.left.start)..usize::from(self.left.end);
        let fits = left.len().min(buffer.remaining());
        buffer.put_slice(self.first.get(left).and_then(|left| left.get(..fits)).unwrap_or_default());
        // At most the length of the preface.
        self.left.start += fits as u8;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Begun<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    /// Whether it is HTTP/2, and what is read afterwards, when these parts arrive one by one.
    async fn looked(parts: &[&[u8]]) -> (bool, Vec<u8>) {
        let (server, mut client) = tokio::io::duplex(1_000);
        let sending = async {
            for part in parts {
                client.write_all(part).await.unwrap();
                tokio::task::yield_now().await;
            }
            drop(client);
        };
        let looking = async {
            let (mut begun, is_http2) = Begun::look(server).await.unwrap();
            let mut all = Vec::new();
            begun.read_to_end(&mut all).await.unwrap();
            (is_http2, all)
        };
        tokio::join!(sending, looking).1
    }

    #[tokio::test]
    async fn the_preface_is_known_however_it_arrives_and_nothing_is_lost() {
        let whole = [&PREFACE[..], b"frames"].concat();
        let single: Vec<&[u8]> = whole.chunks(1).collect();
        for parts in [vec![&whole[..]], vec![&whole[..3], &whole[3..23], &whole[23..]], single] {
            assert_eq!(looked(&parts).await, (true, whole.clone()));
        }
        for other in ["", "P", "GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\n\r\n"]
        {
            assert_eq!(looked(&[other.as_bytes()]).await, (false, other.as_bytes().to_vec()), "{other:?}");
            let single: Vec<&[u8]> = other.as_bytes().chunks(1).collect();
            assert_eq!(looked(&single).await, (false, other.as_bytes().to_vec()), "{other:?}");
        }
    }
}
