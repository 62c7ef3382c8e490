//! Whether anything happens on a connection. One that only waits for its client, between requests, in the middle of a request's
//! head or of an answer that nobody reads, is ended, so that idle and malicious clients do not keep their places.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::response::Response;
use framing::Framing;
use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

use super::turns::Turns;

/// Bytes of a request's head that every connection may send.
pub const HEAD: usize = 32 * 1024;
/// Connections that may send more at a time, so that a head with a token beyond all measure can be answered, and memory stays bounded.
pub const HEADS: usize = 64;

/// How long a connection may wait for its client.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How long a client may take nothing of an answer. A moment later its connection is closed.
pub const STALL: Duration = Duration::from_secs(8);
/// Bytes that one has to take in so long of an answer that waits for it.
const LEAST: u64 = 32 * 1024;
const LEAST_TIME: Duration = Duration::from_secs(30);

/// How long, and how much, a client may go on sending when its connection is over.
const MOMENT: Duration = Duration::from_secs(1);
const WASTE: usize = 4 * 1024 * 1024;

pub struct Activity {
    started: Instant,
    /// How long its client may take nothing of an answer.
    stall: Duration,
    /// Whether the system takes nothing more of an answer, because the client does not.
    blocked: AtomicBool,
    /// Bytes that the client has taken.
    taken: AtomicU64,
    /// Milliseconds from `started` to the last sign of life.
    last: AtomicU64,
    /// Requests that are being answered; that has time limits of its own.
    answering: AtomicU32,
    /// Requests whose heads arrived.
    requests: AtomicU64,
    /// Whether a part of a head has arrived.
    in_head: AtomicBool,
    /// Whether the connection now speaks something else than HTTP.
    switched: AtomicBool,
    /// What of its answers waits for the client, over HTTP/2 to the public.
    turns: Arc<Turns>,
}

impl Activity {
    pub fn start(stall: Duration) -> Self {
        Self {
            started: Instant::now(),
            stall,
            blocked: AtomicBool::new(false),
            taken: AtomicU64::new(0),
            last: AtomicU64::new(0),
            answering: AtomicU32::new(0),
            requests: AtomicU64::new(0),
            in_head: AtomicBool::new(false),
            switched: AtomicBool::new(false),
            turns: Arc::default(),
        }
    }

    /// Watches one request on its way to its answer, or to where its client no longer wants one.
    pub fn during<F: Future>(self: &Arc<Self>, answer: F) -> impl Future<Output = F::Output> + use<F> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.answering.fetch_add(1, Ordering::Relaxed);
        let answering = Answering(Arc::clone(self));
        // An async block would have room for the answer's future twice.
        answer.map(move |answered| {
            drop(answering);
            answered
        })
    }

    /// Returns when the connection has waited for too long: for its client to ask, to read, or to read faster.
    pub async fn ended(&self) {
        let (mut since, mut taken) = (Instant::now(), self.taken.load(Ordering::Relaxed));
        loop {
            let waited = self.waited();
            let blocked = self.blocked.load(Ordering::Relaxed);
            // Requests that wait behind an answer which nobody reads are no reason to stay.
            let may_wait = if blocked { self.stall } else { PATIENCE };
            if waited >= may_wait && (blocked || !self.is_answering()) || self.turns.are_overdue() {
                return;
            }
            let now_taken = self.taken.load(Ordering::Relaxed);
            if !blocked || now_taken - taken >= LEAST {
                (since, taken) = (Instant::now(), now_taken);
            } else if since.elapsed() >= LEAST_TIME {
                return;
            }
            // It may be blocked a moment from now.
            let left = may_wait.saturating_sub(waited);
            tokio::time::sleep(if left.is_zero() { self.stall } else { left.min(self.stall) }).await;
        }
    }

    /// Has this answer count as long as its client is to take it.
    pub fn watch(&self, answer: Response) -> Response {
        answer.map(|body| self.turns.watch(body))
    }

    fn waited(&self) -> Duration {
        self.started.elapsed().saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed)))
    }

    /// Whether a request's head has arrived in part.
    pub fn is_in_head(&self) -> bool {
        self.in_head.load(Ordering::Relaxed)
    }

    /// What arrives from now on is no HTTP.
    pub fn switch(&self) {
        self.switched.store(true, Ordering::Relaxed);
    }

    fn is_answering(&self) -> bool {
        self.answering.load(Ordering::Relaxed) > 0
    }

    fn touch(&self) {
        let millis = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(millis, Ordering::Relaxed);
    }
}

struct Answering(Arc<Activity>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.touch();
        self.0.answering.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream on which every byte that the client takes is a sign of life. What it sends is not: a request's head must arrive whole,
/// and framed without doubt. It holds the connection's place for as long as anybody has the stream.
pub struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
    heads: Arc<Semaphore>,
    _place: OwnedSemaphorePermit,
    /// Bytes read behind so many requests, and the place that they need.
    head: usize,
    behind: u64,
    large: Option<OwnedSemaphorePermit>,
    /// None where the bytes are not HTTP/1.
    framing: Option<Framing>,
    /// What is still to be read instead of a request that was not framed well.
    poison: Option<&'static [u8]>,
    parting: Parting,
}

/// How far the end of a connection has come.
enum Parting {
    NotYet,
    /// Our side is closed.
    Closed,
    /// What the client still sends is thrown away for a moment, so that it gets to read our last answer: a socket that is closed
    /// over unread bytes takes back what was sent on it.
    Discarding(Pin<Box<Sleep>>, usize),
}

impl<S> Watched<S> {
    /// A stream of HTTP/1.
    pub fn http1(stream: S, activity: &Arc<Activity>, heads: &Arc<Semaphore>, place: OwnedSemaphorePermit) -> Self {
        Self { framing: Some(Framing::default()), ..Self::http2(stream, activity, heads, place) }
    }

    /// A stream of HTTP/2, which has frames and bounds of its own: there whatever comes is a sign of life.
    pub fn http2(stream: S, activity: &Arc<Activity>, heads: &Arc<Semaphore>, place: OwnedSemaphorePermit) -> Self {
        Self {
            stream,
            activity: Arc::clone(activity),
            heads: Arc::clone(heads),
            _place: place,
            head: 0,
            behind: 0,
            large: None,
            framing: None,
            poison: None,
            parting: Parting::NotYet,
        }
    }

    /// Looks at what was read, behind the first `before` bytes of the buffer.
    fn check(&mut self, buffer: &mut ReadBuf<'_>, before: usize) {
        if self.activity.switched.load(Ordering::Relaxed) {
            self.framing = None;
        }
        let Some(framing) = &mut self.framing else { return };
        let read = buffer.filled().get(before..).unwrap_or_default();
        if let Err(good) = framing.scan(read) {
            buffer.set_filled(before + good);
            self.poison = Some(framing::POISON);
            self.refuse(buffer);
        } else {
            self.activity.in_head.store(framing.is_in_head(), Ordering::Relaxed);
        }
    }

    /// Gives the parser to read what it refuses, and then nothing more.
    fn refuse(&mut self, buffer: &mut ReadBuf<'_>) {
        let Some(poison) = &mut self.poison else { return };
        let (now, later) = poison.split_at(poison.len().min(buffer.remaining()));
        buffer.put_slice(now);
        *poison = later;
    }

    /// Counts what was read of a head.
    fn read(&mut self, bytes: usize) -> io::Result<()> {
        if self.framing.is_none() {
            self.activity.touch();
            return Ok(());
        }
        let requests = self.activity.requests.load(Ordering::Relaxed);
        if self.behind != requests {
            (self.behind, self.head, self.large) = (requests, 0, None);
        }
        // Else it is of a body, which has bounds of its own.
        if !self.activity.is_answering() {
            self.head += bytes;
        }
        if self.head > HEAD && self.large.is_none() {
            let place = Arc::clone(&self.heads).try_acquire_owned();
            self.large = Some(place.map_err(|_| io::Error::other("too many large heads"))?);
        }
        Ok(())
    }

    fn taken(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes @ 1..)) = written {
            self.activity.taken.fetch_add(bytes as u64, Ordering::Relaxed);
            self.activity.touch();
        }
        self.activity.blocked.store(written.is_pending(), Ordering::Relaxed);
        written
    }
}

impl<S: AsyncRead + Unpin> Watched<S> {
    /// Throws away what still arrives, if anything may: until the client closes too, or has had its moment.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let owed = self.poison.is_some() || self.framing.as_ref().is_some_and(|framing| !framing.is_between());
        let mut waste = [0; 4_096];
        loop {
            let mut buffer = ReadBuf::new(&mut waste);
            let polled = Pin::new(&mut self.stream).poll_read(cx, &mut buffer);
            let read = buffer.filled().len();
            if matches!(polled, Poll::Ready(_) if read == 0) || (polled.is_pending() && !owed && !self.is_discarding())
            {
                return Poll::Ready(Ok(()));
            }
            if !self.is_discarding() {
                self.parting = Parting::Discarding(Box::pin(tokio::time::sleep(MOMENT)), WASTE);
            }
            let Parting::Discarding(moment, left) = &mut self.parting else { return Poll::Ready(Ok(())) };
            *left = left.saturating_sub(read);
            if *left == 0 || moment.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            if polled.is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn is_discarding(&self) -> bool {
        matches!(self.parting, Parting::Discarding(..))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.poison.is_some() {
            self.refuse(buffer);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.check(buffer, before);
        Poll::Ready(self.read(buffer.filled().len() - before))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
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
        if let Parting::NotYet = self.parting {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.parting = Parting::Closed;
        }
        // What is no HTTP/1 may be open in one direction only.
        if self.framing.is_none() || self.activity.switched.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        self.poll_discard(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn place() -> OwnedSemaphorePermit {
        Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap()
    }

    fn paused<F: Future>(test: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(test)
    }

    #[test]
    fn a_connection_that_waits_for_its_client_ends() {
        paused(async {
            let began = Instant::now();
            Activity::start(STALL).ended().await;
            assert_eq!(began.elapsed(), PATIENCE);
        });
    }

    #[test]
    fn few_connections_may_send_large_heads_and_all_of_them_many_small_ones() {
        paused(async {
            let heads = Arc::new(Semaphore::new(1));
            let connection = || {
                let activity = Arc::new(Activity::start(STALL));
                let (server, client) = tokio::io::duplex(4 * HEAD);
                (Watched::http1(server, &activity, &heads, place()), activity, client)
            };
            let (mut first, first_activity, mut first_client) = connection();
            let (mut second, _, mut second_client) = connection();
            let mut buffer = vec![b'x'; HEAD];
            for _ in 0..10 {
                first_client.write_all(&buffer).await.unwrap();
                first.read_exact(&mut buffer).await.unwrap();
                first_activity.during(async {}).await;
            }
            assert_eq!(heads.available_permits(), 1);
            first_client.write_all(&vec![b'x'; 2 * HEAD]).await.unwrap();
            first.read_exact(&mut vec![0; 2 * HEAD]).await.unwrap();
            second_client.write_all(&vec![b'x'; 2 * HEAD]).await.unwrap();
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
            let activity = Arc::new(Activity::start(STALL));
            let slow = activity.during(tokio::time::sleep(PATIENCE * 3));
            tokio::select! {
                () = slow => {}
                () = activity.ended() => panic!("ended under a request"),
            }
            activity.ended().await;
            assert!(began.elapsed() >= PATIENCE * 4, "ended after {:?}", began.elapsed());
        });
    }

    /// How long the connection lasts whose client takes so much at a time, with pauses, for a minute, and nothing more.
    fn lasts(part: usize, pause: Duration) -> Duration {
        paused(async {
            let (began, activity) = (Instant::now(), Arc::new(Activity::start(STALL)));
            let (server, mut client) = tokio::io::duplex(1_000);
            let mut server = Watched::http1(server, &activity, &Arc::new(Semaphore::new(1)), place());
            // A request that waits behind an answer keeps nothing.
            let behind = activity.during(std::future::pending::<()>());
            let answer = async { server.write_all(&vec![7; 100 * part * 60]).await };
            let reading = async {
                let mut part = vec![0; part];
                while began.elapsed() < Duration::from_secs(60) {
                    client.read_exact(&mut part).await.unwrap();
                    tokio::time::sleep(pause).await;
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = activity.ended() => began.elapsed(),
                () = reading => panic!("it is read for ever"),
                () = behind => panic!("it is never answered"),
                _ = answer => panic!("the client never takes all of it"),
            }
        })
    }

    #[test]
    fn a_client_that_reads_slowly_keeps_a_connection_and_one_that_stops_does_not() {
        let minute = Duration::from_secs(60);
        let slow = lasts(40_000, Duration::from_secs(5));
        assert!((minute..=minute + Duration::from_secs(15)).contains(&slow), "{slow:?}");
        let slower = lasts(1_000, Duration::from_secs(5));
        assert!((LEAST_TIME..=LEAST_TIME + 2 * STALL).contains(&slower), "{slower:?}");
        let stopped = lasts(1_000, minute * 60);
        assert!((STALL..Duration::from_secs(10)).contains(&stopped), "{stopped:?}");
    }
}
