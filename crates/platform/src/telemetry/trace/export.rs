//! From a bounded queue to the collector, in batches. When it is slow or gone, spans are dropped and counted; requests never wait.

use std::time::Duration;

use axum::http::Method;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::collector::{Endpoint, Refused};
use super::span::Span;
use super::{SampleRatio, Service, otlp, tracer};
use crate::telemetry::metrics::{Signal, metrics};

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

pub(super) enum Message {
    Span(Span),
    /// Answered when everything before it was delivered or dropped.
    Flush(oneshot::Sender<()>),
}

/// Takes spans.
pub(super) struct Tracer {
    queue: mpsc::Sender<Message>,
    pub ratio: SampleRatio,
}

impl Tracer {
    pub fn start(service: Service, collector: Endpoint, ratio: SampleRatio) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(run(Worker { service, collector, failing: false }, waiting));
        Self { queue, ratio }
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
    collector: Endpoint,
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
                Err(Refused::ForNow(_)) => sleep(pause).await,
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
        metrics().calls.record(&Method::POST, self.collector.authority(), status, started.elapsed());
        answer
    }
}
