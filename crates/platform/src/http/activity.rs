//! Whether anything happens on a connection. One that only waits for its client, between requests, in the middle of a request's
//! head or of an answer that nobody reads, is ended, so that idle and malicious clients do not keep their places.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Bytes of a request's head that every connection may send.
const HEAD: usize = 32 * 1024;
/// Connections that may send more at a time, so that a head with a token beyond all measure can be answered, and memory stays bounded.
pub const HEADS: usize = 64;

/// How long a connection may wait for its client.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Activity {
    started: Instant,
    /// Milliseconds from `started` to the last sign of life.
    last: AtomicU64,
    /// A request is being answered; that has time limits of its own.
    answering: AtomicBool,
    /// Requests whose heads arrived.
    requests: AtomicU64,
    /// Whether the last head may be larger than [`HEAD`].
    large: AtomicBool,
}

impl Activity {
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
            last: AtomicU64::new(0),
            answering: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            large: AtomicBool::new(false),
        }
    }

    /// Watches one request on its way to its answer. A connection has one request at a time.
    pub fn during<F: Future>(self: &Arc<Self>, answer: F) -> impl Future<Output = F::Output> + use<F> {
        let activity = Arc::clone(self);
        activity.requests.fetch_add(1, Ordering::Relaxed);
        activity.answering.store(true, Ordering::Relaxed);
        async move {
            let answered = answer.await;
            activity.touch();
            activity.answering.store(false, Ordering::Relaxed);
            answered
        }
    }

    /// Whether a head, so many bytes of it counted, is larger than most may be.
    pub fn is_too_large(&self, head: impl FnOnce() -> usize) -> bool {
        self.large.load(Ordering::Relaxed) && head() > HEAD
    }

    /// Returns when the connection has waited for too long.
    pub async fn ended(&self) {
        loop {
            let waited =
                self.started.elapsed().saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed)));
            let busy = self.answering.load(Ordering::Relaxed);
            if waited >= PATIENCE && !busy {
                return;
            }
            let left = if busy { PATIENCE } else { PATIENCE.saturating_sub(waited) };
            tokio::time::sleep(left).await;
        }
    }

    fn touch(&self) {
        let millis = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(millis, Ordering::Relaxed);
    }
}

/// A stream on which every byte that the client takes is a sign of life. What it sends is not: a request's head must arrive whole.
pub struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
    heads: Arc<Semaphore>,
    /// Bytes read behind so many requests, and the place that they need.
    head: usize,
    behind: u64,
    large: Option<OwnedSemaphorePermit>,
}

impl<S> Watched<S> {
    pub fn new(stream: S, activity: &Arc<Activity>, heads: &Arc<Semaphore>) -> Self {
        Self { stream, activity: Arc::clone(activity), heads: Arc::clone(heads), head: 0, behind: 0, large: None }
    }

    /// Counts what was read of a head.
    fn read(&mut self, bytes: usize) -> io::Result<()> {
        let requests = self.activity.requests.load(Ordering::Relaxed);
        if self.behind != requests {
            (self.behind, self.head, self.large) = (requests, 0, None);
            self.activity.large.store(false, Ordering::Relaxed);
        }
        // Else it is of a body, which has bounds of its own.
        if !self.activity.answering.load(Ordering::Relaxed) {
            self.head += bytes;
        }
        if self.head > HEAD && self.large.is_none() {
            let place = Arc::clone(&self.heads).try_acquire_owned();
            self.large = Some(place.map_err(|_| io::Error::other("too many large heads"))?);
            self.activity.large.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn taken(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.activity.touch();
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        match self.read(buffer.filled().len() - before) {
            Ok(()) => polled,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.taken(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.taken(written)
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn paused<F: Future>(test: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(test)
    }

    #[test]
    fn a_connection_that_waits_for_its_client_ends() {
        paused(async {
            let began = Instant::now();
            Activity::start().ended().await;
            assert_eq!(began.elapsed(), PATIENCE);
        });
    }

    #[test]
    fn few_connections_may_send_large_heads_and_all_of_them_many_small_ones() {
        paused(async {
            let heads = Arc::new(Semaphore::new(1));
            let connection = || {
                let activity = Arc::new(Activity::start());
                let (server, client) = tokio::io::duplex(4 * HEAD);
                (Watched::new(server, &activity, &heads), activity, client)
            };
            let (mut first, first_activity, mut first_client) = connection();
            let (mut second, _, mut second_client) = connection();
            let mut buffer = vec![0; HEAD];
            for _ in 0..10 {
                first_client.write_all(&buffer).await.unwrap();
                first.read_exact(&mut buffer).await.unwrap();
                first_activity.during(async {}).await;
            }
            assert_eq!(heads.available_permits(), 1);
            first_client.write_all(&vec![0; 2 * HEAD]).await.unwrap();
            first.read_exact(&mut vec![0; 2 * HEAD]).await.unwrap();
            second_client.write_all(&vec![0; 2 * HEAD]).await.unwrap();
            assert!(second.read_exact(&mut vec![0; 2 * HEAD]).await.is_err(), "there is one place");
            first_activity.during(async {}).await;
            first_client.write_all(b"x").await.unwrap();
            first.read_exact(&mut [0]).await.unwrap();
            assert_eq!(heads.available_permits(), 1, "given back with the next request");
        });
    }

    #[test]
    fn a_running_request_keeps_a_connection() {
        paused(async {
            let began = Instant::now();
            let activity = Arc::new(Activity::start());
            let slow = activity.during(tokio::time::sleep(PATIENCE * 3));
            tokio::select! {
                () = slow => {}
                () = activity.ended() => panic!("ended under a request"),
            }
            activity.ended().await;
            assert!(began.elapsed() >= PATIENCE * 4, "ended after {:?}", began.elapsed());
        });
    }

    #[test]
    fn a_client_that_reads_slowly_keeps_a_connection_and_one_that_stops_does_not() {
        paused(async {
            let activity = Arc::new(Activity::start());
            let (server, mut client) = tokio::io::duplex(1_000);
            let mut server = Watched::new(server, &activity, &Arc::new(Semaphore::new(1)));
            let answer = async { server.write_all(&[7; 10_000]).await };
            let reading = async {
                let mut part = [0; 500];
                for _ in 0..10 {
                    client.read_exact(&mut part).await.unwrap();
                    tokio::time::sleep(PATIENCE / 2).await;
                }
                Instant::now()
            };
            let waiting = async {
                activity.ended().await;
                Instant::now()
            };
            let (stopped, ended) = tokio::select! {
                both = futures_util::future::join(reading, waiting) => both,
                _ = answer => panic!("the client never takes all of it"),
            };
            let since = ended.duration_since(stopped);
            assert!((PATIENCE / 4..=PATIENCE).contains(&since), "{since:?}");
        });
    }
}
