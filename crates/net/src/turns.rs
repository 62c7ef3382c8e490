//! What waits for the client of a connection over HTTP/2. There the socket does not tell: a client may read all that comes, and give the
//! streams no leave to send. So each answer counts from where the client is to take the next part of it, and each part until it is sent.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;

/// How long a client may take nothing, and for each of the bytes that wait: as slowly as a client of HTTP/1 may read.
const PATIENCE: Duration = Duration::from_secs(30);
const EACH: Duration = Duration::from_micros(900);
const LONGEST: Duration = Duration::from_secs(300);

/// The turns of one connection.
#[derive(Default)]
pub struct Turns(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    /// By number: the first is the oldest.
    since: BTreeMap<u64, Instant>,
    next: u64,
    bytes: u64,
}

impl Turns {
    /// Whether the client has kept one waiting for too long.
    pub fn are_overdue(&self) -> bool {
        let waiting = self.lock();
        let bytes = u32::try_from(waiting.bytes).unwrap_or(u32::MAX);
        let most = EACH.saturating_mul(bytes).saturating_add(PATIENCE).min(LONGEST);
        waiting.since.first_key_value().is_some_and(|(_, since)| since.elapsed() >= most)
    }

    /// An answer whose parts wait for the client from now on.
    pub fn watch(self: &Arc<Self>, body: Body) -> Body {
        if body.is_end_stream() {
            return body;
        }
        let turn = Some(self.begin(0));
        Body::new(AnswerInTurns { body, turns: Arc::clone(self), turn })
    }

    fn begin(self: &Arc<Self>, bytes: u64) -> Turn {
        let mut waiting = self.lock();
        let number = waiting.next;
        waiting.next += 1;
        waiting.bytes += bytes;
        waiting.since.insert(number, Instant::now());
        Turn { turns: Arc::clone(self), number, bytes }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Counts are right after each statement: a poisoned lock is usable.
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// It is the client's, until this is dropped.
struct Turn {
    turns: Arc<Turns>,
    number: u64,
    bytes: u64,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut waiting = self.turns.lock();
        waiting.since.remove(&self.number);
        waiting.bytes -= self.bytes;
    }
}

/// A part of an answer, on its way.
struct Part {
    bytes: Bytes,
    _turn: Turn,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

struct AnswerInTurns {
    body: Body,
    turns: Arc<Turns>,
    turn: Option<Turn>,
}

impl HttpBody for AnswerInTurns {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // The client wants more: now it is for us to have it.
        self.turn = None;
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let Poll::Ready(Some(Ok(frame))) = polled else { return polled };
        self.turn = Some(self.turns.begin(0));
        let part = |bytes: Bytes| {
            let turn = self.turns.begin(bytes.len() as u64);
            Bytes::from_owner(Part { bytes, _turn: turn })
        };
        Poll::Ready(Some(Ok(frame.map_data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[test]
    fn a_client_that_takes_nothing_is_overdue_and_one_that_takes_parts_is_not() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let turns = Arc::<Turns>::default();
            let part = Bytes::from(vec![7; 10_000]);
            let stream = futures_util::stream::iter([Ok::<_, std::io::Error>(part.clone()), Ok(part)]);
            let mut body = turns.watch(Body::from_stream(stream));
            tokio::time::sleep(PATIENCE - Duration::from_secs(1)).await;
            assert!(!turns.are_overdue());
            let first = body.frame().await.unwrap().unwrap();
            tokio::time::sleep(PATIENCE + Duration::from_secs(1)).await;
            assert!(!turns.are_overdue(), "ten thousand bytes take nine seconds at least");
            tokio::time::sleep(EACH * 10_000).await;
            assert!(turns.are_overdue());
            drop(first);
            let second = body.frame().await.unwrap().unwrap();
            assert!(!turns.are_overdue(), "it has taken both");
            drop((second, body));
            tokio::time::sleep(2 * LONGEST).await;
            assert!(!turns.are_overdue(), "nothing waits");
        });
    }
}
