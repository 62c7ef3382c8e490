//! Whether anything happens on a connection. One that only waits for its client, between requests, in the middle of a request's
//! head or of an answer that nobody reads, is ended, so that idle and malicious clients do not keep their places.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

/// How long a connection may wait for its client.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Activity {
    started: Instant,
    /// Milliseconds from `started` to the last sign of life.
    last: AtomicU64,
    /// A request is being answered; that has time limits of its own.
    answering: AtomicBool,
}

impl Activity {
    pub fn start() -> Self {
        Self { started: Instant::now(), last: AtomicU64::new(0), answering: AtomicBool::new(false) }
    }

    /// Watches one request on its way to its answer, and the answer's body. A connection has one request at a time.
    pub fn during<F>(
        self: &Arc<Self>,
        answer: F,
    ) -> impl Future<Output = Result<Response<Watched>, Infallible>> + use<F>
    where
        F: Future<Output = Result<Response, Infallible>>,
    {
        let activity = Arc::clone(self);
        activity.answering.store(true, Ordering::Relaxed);
        async move {
            let response = answer.await;
            activity.touch();
            activity.answering.store(false, Ordering::Relaxed);
            response.map(|response| response.map(|body| Watched { body, activity }))
        }
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

/// A body whose every frame is a sign of life: the client has taken the one before.
pub struct Watched {
    body: Body,
    activity: Arc<Activity>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if frame.is_ready() {
            self.activity.touch();
        }
        frame
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
    use std::future::ready;

    use futures_util::FutureExt;
    use http_body_util::BodyExt;

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
    fn a_running_request_and_a_body_on_its_way_keep_a_connection() {
        paused(async {
            let began = Instant::now();
            let activity = Arc::new(Activity::start());
            let slow = activity.during(async {
                tokio::time::sleep(PATIENCE * 3).await;
                Ok(Response::new(Body::from("slow")))
            });
            let ended = activity.ended().shared();
            tokio::select! {
                response = slow => {
                    tokio::time::sleep(PATIENCE / 2).await;
                    assert_eq!(response.unwrap().into_body().collect().await.unwrap().to_bytes(), "slow");
                }
                () = ended.clone() => panic!("ended under a request"),
            }
            ended.await;
            let answered = PATIENCE * 3 + PATIENCE / 2;
            assert!(began.elapsed() >= answered + PATIENCE, "ended after {:?}", began.elapsed());
            activity.during(ready(Ok(Response::default()))).await.unwrap();
            assert!(activity.ended().now_or_never().is_none(), "another request is a sign of life");
        });
    }
}
