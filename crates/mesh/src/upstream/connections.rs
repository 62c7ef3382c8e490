//! Kept connections to one instance over HTTP/1. Each is driven by the request that uses it, so a call is handed over to no other
//! task; and whether a kept one still stands is looked at just before it is used.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::body::HttpBody;
use axum::http::{Request, Response};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use net::dialer::Dialer;
use net::{Stream, pinned};
use tokio::time::Instant;

/// The connections that wait to be used, the one that was used last at the end.
pub struct Connections {
    socket: SocketAddr,
    dialer: Arc<Dialer>,
    idle_for: Duration,
    most: usize,
    /// One list for each pinned thread, so that a connection is used on the thread whose reactor watches it.
    idle: Box<[Mutex<Idle>]>,
}

/// Connections, and since when they wait.
type Idle = VecDeque<(Instant, Driver)>;

/// Why there is no answer.
pub enum Broken {
    Connect(io::Error),
    /// It may have been sent.
    Http(hyper::Error),
}

/// A connection, with what sends on it.
struct Driver {
    sender: SendRequest<Full<Bytes>>,
    connection: Pin<Box<Connection<TokioIo<Stream>, Full<Bytes>>>>,
}

impl Connections {
    /// `most` are kept by each thread, each for `idle_for`.
    pub fn new(socket: SocketAddr, dialer: Arc<Dialer>, idle_for: Duration, most: usize) -> Arc<Self> {
        let idle = (0..pinned::count()).map(|_| Mutex::default()).collect();
        Arc::new(Self { socket, dialer, idle_for, most, idle })
    }

    /// Sends a request, whose target is a path, once there is a connection for it.
    ///
    /// # Errors
    /// See [`Broken`].
    pub async fn request(
        self: &Arc<Self>,
        request: impl FnOnce() -> Request<Full<Bytes>>,
    ) -> Result<Response<AnswerBody>, Broken> {
        let mut driver = match self.kept() {
            Some(driver) => driver,
            // In a box of its own, for most find one.
            None => Box::pin(self.connect()).await?,
        };
        let mut answer = pin!(driver.sender.send_request(request()));
        let mut ended = false;
        let answer = poll_fn(|cx| {
            // Its end tells the one who waits why.
            ended = ended || driver.connection.as_mut().poll(cx).is_ready();
            answer.as_mut().poll(cx)
        });
        let answer = answer.await.map_err(Broken::Http)?;
        Ok(answer.map(|body| AnswerBody::new(body, driver, Arc::clone(self))))
    }

    /// A kept connection that still stands.
    fn kept(&self) -> Option<Driver> {
        loop {
            let (since, mut driver) = self.idle().pop_back()?;
            if since.elapsed() < self.idle_for && driver.is_free() {
                return Some(driver);
            }
        }
    }

    async fn connect(&self) -> Result<Driver, Broken> {
        let stream = self.dialer.dial(self.socket).await.map_err(Broken::Connect)?;
        let (sender, connection) = Builder::new().handshake(TokioIo::new(stream)).await.map_err(Broken::Http)?;
        Ok(Driver { sender, connection: Box::pin(connection) })
    }

    fn keep(&self, driver: Driver) {
        let mut idle = self.idle();
        if idle.len() < self.most {
            idle.push_back((Instant::now(), driver));
        }
    }

    /// Ends those that have waited for too long.
    pub fn sweep(&self) {
        for idle in &self.idle {
            let mut idle = lock(idle);
            while idle.front().is_some_and(|(since, _)| since.elapsed() >= self.idle_for) {
                idle.pop_front();
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        lock(&self.idle[pinned::here()])
    }
}

fn lock(idle: &Mutex<Idle>) -> MutexGuard<'_, Idle> {
    // Whole values are moved under this lock: a poisoned one is usable.
    idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Driver {
    /// Lets the connection read and write what it can. Whether it has ended.
    fn drive(&mut self, cx: &mut Context<'_>) -> bool {
        self.connection.as_mut().poll(cx).is_ready()
    }

    /// Whether it stands, and nothing is under way on it.
    fn is_free(&mut self) -> bool {
        !self.drive(&mut Context::from_waker(Waker::noop())) && self.sender.is_ready()
    }
}

/// The body of an answer. It drives its connection, and gives it back at its end.
pub struct AnswerBody {
    body: Incoming,
    used: Option<(Driver, Arc<Connections>)>,
}

impl AnswerBody {
    fn new(body: Incoming, driver: Driver, connections: Arc<Connections>) -> Self {
        let mut answer = Self { body, used: Some((driver, connections)) };
        answer.end();
        answer
    }

    /// Gives the connection back, if the body has ended.
    fn end(&mut self) {
        if self.body.is_end_stream() {
            self.give_back();
        }
    }

    fn give_back(&mut self) {
        if let Some((mut driver, connections)) = self.used.take()
            && driver.is_free()
        {
            connections.keep(driver);
        }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let mut polled = Pin::new(&mut self.body).poll_frame(cx);
        // The body asks, the connection fetches.
        while polled.is_pending()
            && let Some((driver, _)) = &mut self.used
        {
            let ended = driver.drive(cx);
            polled = Pin::new(&mut self.body).poll_frame(cx);
            if !ended {
                break;
            }
            self.used = None;
        }
        match &polled {
            Poll::Ready(Some(Ok(_))) => self.end(),
            // Of chunks, only the last tells that it was that.
            Poll::Ready(None) => self.give_back(),
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
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
