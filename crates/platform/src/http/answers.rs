//! Large answers: how many are made at a time, and how many bytes of them wait to be read. A client that asks for much and does not
//! read it costs what is bounded here, and no small answer of anybody else.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::telemetry::metrics::metrics;

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
    /// KiB of answers that may wait to be read.
    unread: Arc<Semaphore>,
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
            unread: Arc::new(Semaphore::new(UNREAD / KIB)),
            expected: AtomicUsize::new(SMALL),
        }
    }
}

impl Answers {
    /// Waits for leave to make a list.
    ///
    /// # Errors
    /// `Overloaded` when too many wait or take too long, or too much waits to be read.
    pub async fn admit(&self) -> Result<Admitted, Error> {
        let _turn = self.queue.try_acquire().map_err(|_| overloaded())?;
        let kib = kib(self.expected.load(Ordering::Relaxed));
        let place = tokio::time::timeout(PATIENCE, Arc::clone(&self.making).acquire_many_owned(kib)).await;
        let Ok(Ok(place)) = place else { return Err(overloaded()) };
        // Better not made than made in vain.
        match self.unread.available_permits() < kib as usize {
            true => Err(overloaded()),
            false => Ok(Admitted { _place: place }),
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

    /// Counts the answer as unread until its last byte was handed to the system, or nobody wants it any more. Small ones are not
    /// counted.
    ///
    /// # Errors
    /// `Overloaded` when too much waits to be read.
    pub fn keep(&self, response: Response) -> Result<Response, Error> {
        let size = response.body().size_hint();
        if size.upper().is_some_and(|bytes| bytes <= SMALL as u64) {
            return Ok(response);
        }
        let (parts, mut body) = response.into_parts();
        let whole = match size.exact() {
            Some(size) => body.frame().now_or_never().flatten().map(|first| (first, size)),
            None => None,
        };
        let body = match whole {
            Some((Ok(first), size)) => match first.into_data() {
                Ok(bytes) if bytes.len() as u64 == size => Body::from(self.counted(bytes)?),
                first => {
                    let most = usize::try_from(size).map_or(STREAM, |size| size.min(STREAM));
                    Body::new(Windowed::new(first.ok(), body, self.count(most)?))
                }
            },
            Some((Err(error), _)) => Body::from_stream(futures_util::stream::iter([Err::<Bytes, _>(error)])),
            None => Body::new(Windowed::new(None, body, self.count(STREAM)?)),
        };
        Ok(Response::from_parts(parts, body))
    }

    fn counted(&self, bytes: Bytes) -> Result<Bytes, Error> {
        let unread = self.count(bytes.len())?;
        Ok(Bytes::from_owner(Counted { bytes, _unread: unread }))
    }

    fn count(&self, bytes: usize) -> Result<Unread, Error> {
        let place = Arc::clone(&self.unread).try_acquire_many_owned(kib(bytes)).map_err(|_| overloaded())?;
        metrics().http.unread.add(bytes as i64);
        Ok(Unread { bytes: bytes as i64, _place: place })
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
    bytes: i64,
    _place: OwnedSemaphorePermit,
}

impl Drop for Unread {
    fn drop(&mut self) {
        metrics().http.unread.sub(self.bytes);
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
            let mut unread: Vec<Response> = (0..6).map(|_| answers.keep(answer(2 * MIB)).unwrap()).collect();
            assert!(answers.keep(answer(2 * MIB)).is_err());
            answers.keep(answer(SMALL)).unwrap();
            // As hyper does: the frame is taken, written in parts, and dropped.
            let mut frame = unread.pop().unwrap().into_body().frame().await.unwrap().unwrap().into_data().unwrap();
            let rest = frame.split_off(MIB);
            drop(frame);
            assert!(answers.keep(answer(2 * MIB)).is_err(), "half of it still waits");
            drop(rest);
            answers.keep(answer(2 * MIB)).unwrap();
        });
    }

    #[test]
    fn a_stream_runs_no_further_than_it_is_read() {
        run(async {
            let answers = Answers::default();
            let parts = futures_util::stream::repeat_with(|| Ok::<_, Error>(Bytes::from(vec![b'x'; WINDOW / 2])));
            let mut body = answers.keep(Response::new(Body::from_stream(parts))).unwrap().into_body();
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
            answers.made(answers.admit().await.unwrap(), &answer(LARGEST));
            let mut made = Vec::new();
            for _ in 0..lists {
                made.push(answers.admit().await.unwrap());
            }
            assert!(answers.admit().await.is_err(), "after a second");
            made.pop();
            assert!(answers.admit().await.is_ok());
        });
    }
}
