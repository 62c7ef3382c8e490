//! Whether the server answers. One that hangs would hold each request until its time is up. So an operation that waits for long has the
//! server probed, and while the probe is not answered either, further operations are refused at once.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::server::Server;
use crate::StoreError;

/// An operation that waits for longer has the server probed.
const SUSPICIOUS: Duration = Duration::from_secs(1);
/// How long a probe may take, the connection that it makes included.
const PROBE: Duration = Duration::from_secs(1);
/// From the begin of one probe to that of the next: a quarter of a second, unless the server leaves the probe waiting.
const PACE: Duration = Duration::from_millis(250);

/// One server, as the operations of one service find it.
pub struct Liveness {
    service: &'static str,
    server: Server,
    started: Instant,
    silent: AtomicBool,
    probed: AtomicBool,
    /// Operations that were answered, by a result or an error.
    answers: AtomicU64,
    /// When it last fell silent, in milliseconds from `started`; zero if it never did.
    fell_silent: AtomicU64,
}

impl Liveness {
    pub fn new(service: &'static str, server: Server) -> Arc<Self> {
        Arc::new(Self {
            service,
            server,
            started: Instant::now(),
            silent: AtomicBool::new(false),
            probed: AtomicBool::new(false),
            answers: AtomicU64::new(0),
            fell_silent: AtomicU64::new(0),
        })
    }

    /// # Errors
    /// `Unavailable` while the server does not answer.
    pub fn check(&self) -> Result<(), StoreError> {
        if !self.silent.load(Ordering::Relaxed) {
            Ok(())
        } else {
            Err(StoreError::Unavailable("PostgreSQL does not answer".into()))
        }
    }

    /// Whether a connection of this age is from before the server last fell silent. It may lead to nowhere.
    pub fn outlived(&self, age: Duration) -> bool {
        let fell_silent = self.fell_silent.load(Ordering::Relaxed);
        fell_silent > 0 && self.started.elapsed().saturating_sub(age) < Duration::from_millis(fell_silent)
    }

    /// Waits for the server, no longer than until `deadline`.
    ///
    /// # Errors
    /// `Unavailable` when it does not answer in time: what it was asked to do may then be done or not. That of the operation.
    pub async fn answered<T, E>(
        self: &Arc<Self>,
        deadline: Instant,
        operation: impl Future<Output = Result<T, E>>,
    ) -> Result<T, StoreError>
    where
        StoreError: From<E>,
    {
        self.check()?;
        let mut operation = pin!(operation);
        let suspicious = deadline.min(Instant::now() + SUSPICIOUS);
        let answer = match timeout_at(suspicious, operation.as_mut()).await {
            Ok(answer) => answer,
            Err(_) => {
                self.suspect();
                timeout_at(deadline, operation).await.map_err(|_| StoreError::late())?
            }
        };
        self.answers.fetch_add(1, Ordering::Relaxed);
        Ok(answer?)
    }

    /// Has the server probed until it answers.
    fn suspect(self: &Arc<Self>) {
        if !self.probed.swap(true, Ordering::Relaxed) {
            tokio::spawn(probe(Arc::downgrade(self)));
        }
    }

    fn fall_silent(&self) {
        if !self.silent.swap(true, Ordering::Relaxed) {
            let millis = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.fell_silent.store(millis.max(1), Ordering::Relaxed);
            let service = self.service;
            tracing::error!(event = "db.silent", service, "the database does not answer: what needs it is refused");
        }
    }

    fn answers_again(&self) {
        self.probed.store(false, Ordering::Relaxed);
        if self.silent.swap(false, Ordering::Relaxed) {
            tracing::info!(event = "db.answers", service = self.service, "the database answers again");
        }
    }
}

/// Probes until the server answers, or nobody needs it any more.
async fn probe(liveness: Weak<Liveness>) {
    while let Some(liveness) = liveness.upgrade() {
        let next = Instant::now() + PACE;
        let before = liveness.answers.load(Ordering::Relaxed);
        let probed = timeout(PROBE, ask(&liveness.server)).await;
        // A busy server may be slow to take one more connection, and answer on those that there are.
        let others_are_answered = || liveness.answers.load(Ordering::Relaxed) > before;
        if probed.is_ok_and(|probed| is_answer(&probed)) || others_are_answered() {
            return liveness.answers_again();
        }
        liveness.fall_silent();
        drop(liveness);
        tokio::time::sleep_until(next).await;
    }
}

/// Whether the server said something, if only that it takes no more connections, or what TLS does not trust: those that there are go on.
/// One that shuts down or starts (class 57P) is of no use.
fn is_answer(probed: &Result<(), tokio_postgres::Error>) -> bool {
    match probed {
        Ok(()) => true,
        Err(error) => match error.code() {
            Some(code) => !code.code().starts_with("57P"),
            None => std::error::Error::source(error).and_then(|why| tls::words(why.downcast_ref()?)).is_some(),
        },
    }
}

/// Asks by a connection of its own: one that is there may lead to nowhere.
async fn ask(server: &Server) -> Result<(), tokio_postgres::Error> {
    let (client, driver) = server.connect().await?;
    let question = pin!(client.batch_execute("select 1"));
    let driver = pin!(driver);
    match futures_util::future::select(question, driver).await {
        futures_util::future::Either::Left((answer, _)) => answer,
        futures_util::future::Either::Right((ended, question)) => {
            ended?;
            question.await
        }
    }
}
