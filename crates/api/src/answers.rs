//! Large answers: how many are made at a time, and how many bytes of them wait to be read. A client that asks for much and does not
//! read it costs what is bounded here, and no small answer of anybody else; each network leaves as much room to others as it takes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::thread::available_parallelism;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::task::AtomicWaker;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use kernel::Error;
use platform::client::network;
use platform::telemetry::metrics::metrics;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Answers of at most so many bytes are bounded by the number of connections.
const SMALL: usize = 16 * KIB;
/// Bytes of the largest list.
const LARGEST: usize = 2 * MIB;
/// Bytes of large answers that wait to be read, in all.
const UNREAD: usize = 12 * MIB;
/// Bytes of a stream that wait to be read, and what one counts for: its source has as much under way.
const WINDOW: usize = 128 * KIB;
const STREAM: usize = MIB;
/// How long a list waits for others to be made, and how many do: each has its request in memory.
const PATIENCE: Duration = Duration::from_secs(1);
const QUEUE: usize = 256;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// What a process has of large answers.
pub struct Answers {
    /// KiB of lists that may be made at a time: as many of the largest as there are processors.
    making: Arc<Semaphore>,
    queue: Semaphore,
    unread: Arc<Ledger>,
    /// Bytes of a list: the largest of late. What the next one takes is not known before it is made.
    expected: AtomicUsize,
}

/// Leave to make a list.
pub struct Admitted {
    _place: OwnedSemaphorePermit,
}

impl Default for Answers {
    fn default() -> Self {
        let lists = available_parallelism().map_or(1, usize::from);
        Self {
            making: Arc::new(Semaphore::new(lists * LARGEST / KIB)),
            queue: Semaphore::new(QUEUE),
            unread: Arc::default(),
            expected: AtomicUsize::new(SMALL),
        }
    }
}

impl Answers {
    /// Waits for leave to make a list for a client there.
    ///
    /// # Errors
    /// `Overloaded` when too many wait or take too long, or too much waits to be read.
    pub async fn admit(&self, client: Option<IpAddr>) -> Result<Admitted, Error> {
        let _turn = self.queue.try_acquire().map_err(|_| overloaded())?;
        let expected = self.expected.load(Ordering::Relaxed);
        let place = tokio::time::timeout(PATIENCE, Arc::clone(&self.making).acquire_many_owned(kib(expected))).await;
        let Ok(Ok(place)) = place else { return Err(overloaded()) };
        // Better not made than made in vain.
        if self.unread.lock().has_room(client.map(network), expected) {
            Ok(Admitted { _place: place })
        } else {
            Err(overloaded())
        }
    }

    /// Notes what a list took.
    pub fn made(&self, _: Admitted, response: &Response) {
        // What is made while it is read tells nothing of the others.
        let Some(bytes) = response.body().size_hint().exact() else { return };
        let bytes = usize::try_from(bytes).unwrap_or(LARGEST);
        let before = self.expected.load(Ordering::Relaxed);
        // Of several at once, any may be the last to say so.
        self.expected.store(bytes.clamp(SMALL, LARGEST).max(before - before / 16), Ordering::Relaxed);
    }

    /// Counts the answer to a client there as unread until its last byte was handed to the system, or nobody wants it any more. Small
    /// ones are not counted.
    ///
    /// # Errors
    /// `Overloaded` when too much waits to be read.
    pub fn keep(&self, client: Option<IpAddr>, response: Response) -> Result<Response, Error> {
        let size = response.body().size_hint();
        if size.upper().is_some_and(|bytes| bytes <= SMALL as u64) {
            return Ok(response);
        }
        let most = |size| usize::try_from(size).map_or(STREAM, |size| size.min(STREAM));
        let (parts, mut body) = response.into_parts();
        let whole = match size.exact() {
            Some(size) => body.frame().now_or_never().flatten().map(|first| (first, size)),
            None => None,
        };
        let body = match whole {
            Some((Ok(first), size)) => match first.into_data() {
                Ok(bytes) if bytes.len() as u64 == size => Body::from(self.counted(client, bytes)?),
                first => Body::new(Windowed::new(first.ok(), body, self.count(client, most(size))?)),
            },
            Some((Err(error), _)) => Body::from_stream(futures_util::stream::iter([Err::<Bytes, _>(error)])),
            None => {
                let most = size.exact().map_or(STREAM, most);
                Body::new(Windowed::new(None, body, self.count(client, most)?))
            }
        };
        Ok(Response::from_parts(parts, body))
    }

    fn counted(&self, client: Option<IpAddr>, bytes: Bytes) -> Result<Bytes, Error> {
        let unread = self.count(client, bytes.len())?;
        Ok(Bytes::from_owner(Counted { bytes, _unread: unread }))
    }

    fn count(&self, client: Option<IpAddr>, bytes: usize) -> Result<Unread, Error> {
        let (network, mut unread) = (client.map(network), self.unread.lock());
        if !unread.has_room(network, bytes) {
            return Err(overloaded());
        }
        unread.all += bytes;
        if let Some(network) = network {
            *unread.of_networks.entry(network).or_default() += bytes;
        }
        drop(unread);
        metrics().http.unread.add(bytes as i64);
        Ok(Unread { network, bytes, ledger: Arc::clone(&self.unread) })
    }
}

/// Bytes that wait to be read.
#[derive(Default)]
struct Ledger(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    all: usize,
    /// Of networks that have any.
    of_networks: HashMap<IpAddr, usize>,
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Sums, each changed at once: a poisoned lock guards nothing half-made.
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Waiting {
    fn has_room(&self, network: Option<IpAddr>, bytes: usize) -> bool {
        let Some(network) = network else { return self.all + bytes <= UNREAD };
        let of_network = self.of_networks.get(&network).copied().unwrap_or(0);
        // Half of what others leave, so that some is left whoever comes.
        2 * (of_network + bytes) <= UNREAD.saturating_sub(self.all - of_network)
    }
}

fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(KIB)).unwrap_or(u32::MAX)
}

fn overloaded() -> Error {
    Error::Overloaded { what: "answers", retry_after: Duration::from_secs(1) }
}

/// A part of the bytes that may wait to be read.
struct Unread {
    network: Option<IpAddr>,
    bytes: usize,
    ledger: Arc<Ledger>,
}

impl Drop for Unread {
    fn drop(&mut self) {
        let mut unread = self.ledger.lock();
        unread.all -= self.bytes;
        if let Some(Entry::Occupied(mut of_network)) = self.network.map(|network| unread.of_networks.entry(network)) {
            *of_network.get_mut() -= self.bytes;
            if *of_network.get() == 0 {
                of_network.remove();
            }
        }
        drop(unread);
        metrics().http.unread.sub(self.bytes as i64);
    }
}

/// The bytes of an answer, which hyper drops when they are written.
struct Counted<U> {
    bytes: Bytes,
    _unread: U,
}

impl<U> AsRef<[u8]> for Counted<U> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A stream of which no more is taken than its client reads.
struct Windowed {
    /// What was taken already.
    first: Option<Bytes>,
    rest: Body,
    window: Arc<Window>,
}

struct Window {
    waiting: AtomicUsize,
    free: AtomicWaker,
    _unread: Unread,
}

/// A frame that waits to be written.
struct InWindow(Arc<Window>, usize);

impl Drop for InWindow {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(self.1, Ordering::AcqRel);
        self.0.free.wake();
    }
}

impl Windowed {
    fn new(first: Option<Bytes>, rest: Body, unread: Unread) -> Self {
        let window = Window { waiting: AtomicUsize::new(0), free: AtomicWaker::new(), _unread: unread };
        Self { first, rest, window: Arc::new(window) }
    }

    fn in_window(&self, bytes: Bytes) -> Bytes {
        self.window.waiting.fetch_add(bytes.len(), Ordering::AcqRel);
        let unread = InWindow(Arc::clone(&self.window), bytes.len());
        Bytes::from_owner(Counted { bytes, _unread: unread })
    }
}

impl HttpBody for Windowed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.window.free.register(cx.waker());
        if self.window.waiting.load(Ordering::Acquire) >= WINDOW {
            return Poll::Pending;
        }
        let frame = match self.first.take() {
            Some(first) => Some(Ok(Frame::data(first))),
            None => ready!(Pin::new(&mut self.rest).poll_frame(cx)),
        };
        let frame = frame.map(|frame| frame.map(|frame| frame.map_data(|bytes| self.in_window(bytes))));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.size_hint();
        let first = self.first.as_ref().map_or(0, |first| first.len() as u64);
        match rest.exact() {
            Some(exact) => SizeHint::with_exact(first + exact),
            None => rest,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    const CLIENT: Option<IpAddr> = None;

    fn run<F: Future>(test: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(test)
    }

    fn answer(bytes: usize) -> Response {
        vec![b'x'; bytes].into_response()
    }

    #[test]
    fn what_is_read_makes_room_for_others() {
        run(async {
            let answers = Answers::default();
            let mut unread: Vec<Response> = (0..6).map(|_| answers.keep(CLIENT, answer(2 * MIB)).unwrap()).collect();
            assert!(answers.keep(CLIENT, answer(2 * MIB)).is_err());
            answers.keep(CLIENT, answer(SMALL)).unwrap();
            // As hyper does: the frame is taken, written in parts, and dropped.
            let mut frame = unread.pop().unwrap().into_body().frame().await.unwrap().unwrap().into_data().unwrap();
            let rest = frame.split_off(MIB);
            drop(frame);
            assert!(answers.keep(CLIENT, answer(2 * MIB)).is_err(), "half of it still waits");
            drop(rest);
            answers.keep(CLIENT, answer(2 * MIB)).unwrap();
        });
    }

    #[test]
    fn a_network_leaves_room_for_others() {
        run(async {
            let answers = Answers::default();
            let keep = |client: &str, bytes| answers.keep(Some(client.parse().unwrap()), answer(bytes));
            let mut theirs: Vec<Response> = (0..3).map(|n| keep(&format!("2001:db8::{n}"), 2 * MIB).unwrap()).collect();
            assert!(keep("2001:db8::ffff", 2 * MIB).is_err());
            keep("2001:db8::ffff", SMALL).unwrap();
            answers.made(answers.admit(CLIENT).await.unwrap(), &answer(2 * MIB));
            assert!(answers.admit("2001:db8::1".parse().ok()).await.is_err(), "not made in vain");
            let ours = [keep("192.0.2.1", 2 * MIB).unwrap(), keep("192.0.2.1", MIB).unwrap()];
            assert!(keep("::ffff:192.0.2.1", MIB).is_err());
            assert!(keep("192.0.2.2", 2 * MIB).is_err());
            let _here = keep("192.0.2.2", MIB).unwrap();
            theirs.truncate(1);
            let _there = keep("2001:db8::1", MIB).unwrap();
            drop((theirs, ours));
            let of_networks = &answers.unread.lock().of_networks;
            assert_eq!(of_networks.len(), 2, "only who has any is remembered");
        });
    }

    #[test]
    fn a_stream_runs_no_further_than_it_is_read() {
        run(async {
            let answers = Answers::default();
            let parts = futures_util::stream::repeat_with(|| Ok::<_, Error>(Bytes::from(vec![b'x'; WINDOW / 2])));
            let mut body = answers.keep(CLIENT, Response::new(Body::from_stream(parts))).unwrap().into_body();
            let mut next = || body.frame().now_or_never().map(|frame| frame.unwrap().unwrap());
            let (first, second) = (next().unwrap(), next().unwrap());
            assert!(next().is_none(), "both wait to be read");
            drop(first);
            assert!(next().is_some());
            drop(second);
        });
    }

    #[test]
    fn lists_are_made_one_after_the_other_once_they_are_large() {
        run(async {
            let answers = Answers::default();
            let lists = available_parallelism().map_or(1, usize::from);
            answers.made(answers.admit(CLIENT).await.unwrap(), &answer(LARGEST));
            let mut made = Vec::new();
            for _ in 0..lists {
                made.push(answers.admit(CLIENT).await.unwrap());
            }
            assert!(answers.admit(CLIENT).await.is_err(), "after a second");
            made.pop();
            assert!(answers.admit(CLIENT).await.is_ok());
        });
    }
}
