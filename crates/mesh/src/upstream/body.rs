//! A call counts as in flight until its answer's body ended, or nobody wants it any more.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::body::HttpBody;
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::Instant;

use super::connections::AnswerBody;
use super::instance::Instance;

/// Calls to a service at a time.
pub struct Places {
    taken: AtomicUsize,
    most: usize,
}

/// One of them, until dropped.
pub struct Permit(Arc<Places>);

impl Places {
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { taken: AtomicUsize::new(0), most })
    }

    pub fn take(self: &Arc<Self>) -> Option<Permit> {
        if self.taken.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.taken.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Permit(Arc::clone(self)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts as work of an instance until dropped.
pub struct InFlight {
    instance: Arc<Instance>,
    waiting: bool,
}

impl InFlight {
    pub fn begin(instance: &Arc<Instance>, now: Instant) -> Self {
        instance.load.begin(now);
        Self { instance: Arc::clone(instance), waiting: true }
    }

    /// The head of the answer is there, or will not be.
    pub fn waited(&mut self) {
        if std::mem::take(&mut self.waiting) {
            self.instance.load.waited();
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.waited();
        self.instance.load.end();
    }
}

/// The body of an answer, by the way that it came.
pub enum Answered {
    Kept(AnswerBody),
    Other(Incoming),
}

impl HttpBody for Answered {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Kept(body) => Pin::new(body).poll_frame(cx),
            Self::Other(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Kept(body) => body.is_end_stream(),
            Self::Other(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Kept(body) => body.size_hint(),
            Self::Other(body) => body.size_hint(),
        }
    }
}

/// The body of an answer that is counted.
pub struct Counted {
    body: Answered,
    /// Gone with the last frame.
    counts: Option<(InFlight, Permit)>,
}

impl Counted {
    pub fn new(body: Answered, call: InFlight, place: Permit) -> Self {
        let counts = (!body.is_end_stream()).then_some((call, place));
        Self { body, counts }
    }
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let ended = match &polled {
            Poll::Ready(Some(Ok(_))) => self.body.is_end_stream(),
            Poll::Ready(_) => true,
            Poll::Pending => false,
        };
        if ended {
            self.counts = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
