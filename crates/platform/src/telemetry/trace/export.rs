//! From a bounded queue to the collector, in batches. When it is slow or gone, spans are dropped and counted; requests never wait.

use std::time::Duration;

use async_trait::async_trait;
use axum::http::{Method, StatusCode};
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::span::Span;
use super::{Service, otlp, tracer};
use crate::telemetry::metrics::{Outcome, Server, Signal, metrics};

/// Spans that wait at most: about a megabyte.
const QUEUE: usize = 4_096;
/// Spans in one request at most.
const BATCH: usize = 512;
/// Spans wait at most this long for company.
const GATHER: Duration = Duration::from_secs(1);
/// How often a batch is offered before it is dropped, and the pause before the second time; it doubles.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);
/// How long the end of the process waits for what is still here.
const LAST: Duration = Duration::from_secs(2);

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It may be taken later.
    #[error("{0}")]
    Retry(String),
    #[error("the collector answered {0}")]
    ForEver(StatusCode),
}

/// Takes batches of spans.
#[async_trait]
pub trait Collector: Send + Sync + 'static {
    /// Host and port.
    fn authority(&self) -> &str;

    /// Delivers a batch, and returns the answer's status, if there is one, and body. Each has a connection of its own: there is
    /// about one a second.
    async fn post(&self, body: Bytes) -> (Option<StatusCode>, Result<Bytes, Refused>);
}

pub(super) enum Message {
    Span(Span),
    /// Answered when everything before it was delivered or dropped.
    Flush(oneshot::Sender<()>),
}

/// Takes spans.
pub(super) struct Tracer {
    queue: mpsc::Sender<Message>,
}

impl Tracer {
    pub fn start(service: Service, collector: impl Collector) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(run(
            Worker {
                service,
                series: metrics().clients.server(collector.authority()),
                collector: Box::new(collector),
                failing: false,
            },
            waiting,
        ));
        Self { queue }
    }

    pub fn record(&self, span: Span) {
        if self.queue.try_send(Message::Span(span)).is_err() {
            dropped(1);
        }
    }

    async fn flush(&self) {
        let (done, delivered) = oneshot::channel();
        let all = async {
            if self.queue.send(Message::Flush(done)).await.is_ok() {
                // An error is the end of the worker, after which nothing is left to wait for.
                let _ = delivered.await;
            }
        };
        let _ = timeout(LAST, all).await;
    }
}

/// Delivers what was recorded until now, if that is possible soon. For the end of the process.
pub async fn flush() {
    if let Some(tracer) = tracer() {
        tracer.flush().await;
    }
}

fn dropped(spans: u64) {
    metrics().dropped.add(Signal::Traces, spans);
}

struct Worker {
    service: Service,
    collector: Box<dyn Collector>,
    series: Server,
    /// Whether the last batch was dropped, so that this is logged once.
    failing: bool,
}

async fn run(mut worker: Worker, mut queue: mpsc::Receiver<Message>) {
    let mut batch = Vec::new();
    while let Some(first) = queue.recv().await {
        let asked = gather(first, &mut queue, &mut batch).await;
        worker.deliver(&batch).await;
        batch.clear();
        if let Some(asked) = asked {
            // Who asked may have stopped waiting.
            let _ = asked.send(());
        }
    }
}

/// Takes what comes within a moment, until the batch is full or somebody wants it delivered.
async fn gather(
    first: Message,
    queue: &mut mpsc::Receiver<Message>,
    batch: &mut Vec<Span>,
) -> Option<oneshot::Sender<()>> {
    let deadline = Instant::now() + GATHER;
    let mut message = Some(first);
    loop {
        match message {
            Some(Message::Span(span)) => batch.push(span),
            Some(Message::Flush(asked)) => return Some(asked),
            None => return None,
        }
        if batch.len() == BATCH {
            return None;
        }
        message = timeout_at(deadline, queue.recv()).await.ok().flatten();
    }
}

impl Worker {
    async fn deliver(&mut self, spans: &[Span]) {
        if spans.is_empty() {
            return;
        }
        let body = Bytes::from(otlp::body(&self.service, spans));
        match self.offer(body).await {
            Ok(answer) => {
                self.failing = false;
                dropped(otlp::rejected(&answer));
            }
            Err(refused) => {
                dropped(spans.len() as u64);
                if !std::mem::replace(&mut self.failing, true) {
                    let collector = self.collector.authority();
                    tracing::warn!(event = "telemetry.export.failed", collector, error = %refused, "spans are dropped");
                }
            }
        }
    }

    /// Offers it several times, unless the collector has not taken the one before either.
    async fn offer(&self, body: Bytes) -> Result<Bytes, Refused> {
        let tries = if self.failing { 1 } else { TRIES };
        let mut pause = PAUSE;
        for _ in 1..tries {
            match self.post(body.clone()).await {
                Err(Refused::Retry(_)) => sleep(pause).await,
                final_answer => return final_answer,
            }
            pause *= 2;
        }
        self.post(body).await
    }

    /// Counted as every call is, but no span: recording it would never end.
    async fn post(&self, body: Bytes) -> Result<Bytes, Refused> {
        let started = Instant::now();
        let (status, answer) = self.collector.post(body).await;
        let outcome = status.map_or(Outcome::Failed("no_answer"), Outcome::Answered);
        self.series.record(&Method::POST, outcome, started.elapsed());
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::span::test_span;
    use super::*;
    use crate::trace_context::TraceContext;

    /// A collector that answers so, one after the other, and keeps the bodies that it got.
    struct Scripted {
        answers: &'static [StatusCode],
        got: Arc<Mutex<Vec<Bytes>>>,
    }

    #[async_trait]
    impl Collector for Scripted {
        fn authority(&self) -> &str {
            "collector:4318"
        }

        async fn post(&self, body: Bytes) -> (Option<StatusCode>, Result<Bytes, Refused>) {
            let mut got = self.got.lock().unwrap();
            got.push(body);
            let status = self.answers.get(got.len() - 1).copied().unwrap_or(StatusCode::OK);
            let answer = match status {
                StatusCode::OK => Ok(Bytes::new()),
                StatusCode::SERVICE_UNAVAILABLE => Err(Refused::Retry("busy".into())),
                status => Err(Refused::ForEver(status)),
            };
            (Some(status), answer)
        }
    }

    async fn deliver(answers: &'static [StatusCode], spans: usize) -> Vec<Bytes> {
        let got = Arc::<Mutex<Vec<Bytes>>>::default();
        let collector = Scripted { answers, got: Arc::clone(&got) };
        let service = Service { name: "test".into(), version: "1" };
        let tracer = Tracer::start(service, collector);
        (0..spans).for_each(|_| tracer.record(test_span(&TraceContext::root())));
        tracer.flush().await;
        got.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn a_busy_collector_is_asked_again() {
        let got = deliver(&[StatusCode::SERVICE_UNAVAILABLE, StatusCode::OK], 3).await;
        assert_eq!(got.len(), 2);
        assert_eq!(got[0], got[1]);
    }

    #[tokio::test]
    async fn what_is_refused_for_ever_is_not_offered_again() {
        assert_eq!(deliver(&[StatusCode::BAD_REQUEST], 1).await.len(), 1);
    }

    #[tokio::test]
    async fn many_spans_are_several_batches() {
        let got = deliver(&[], 2 * BATCH + 1).await;
        let spans = |body: &Bytes| String::from_utf8_lossy(body).matches("traceId").count();
        assert_eq!(got.iter().map(spans).collect::<Vec<_>>(), [BATCH, BATCH, 1]);
    }
}
