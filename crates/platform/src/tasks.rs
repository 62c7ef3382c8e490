//! Work that must not be cut short, and work that blocks.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use kernel::Error;
use tokio::sync::Semaphore;

use crate::scope;

/// Runs writes on tasks of their own: a client that hangs up drops the answer, never the write. Bounded: when all places
/// are taken, callers are refused rather than queued without end.
#[derive(Clone)]
pub struct WriteTasks {
    places: Arc<Semaphore>,
    all: u32,
    deadline: Duration,
}

impl WriteTasks {
    pub fn new(places: u32, deadline: Duration) -> Self {
        Self { places: Arc::new(Semaphore::new(places as usize)), all: places, deadline }
    }

    /// Waits until every write has ended, those too whose clients have gone: they end by their deadline.
    pub async fn finished(&self) {
        let _ = tokio::time::timeout(self.deadline, self.places.acquire_many(self.all)).await;
    }

    /// # Errors
    /// `Overloaded` when all places are taken; `Unavailable` past the deadline (whether the write happened is then unknown to
    /// the caller, and an idempotency key tells); `Internal` when the task panicked; else what the write returned.
    pub async fn run<T, F>(&self, write: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return Err(Error::Overloaded { what: "writes", retry_after: Duration::from_secs(1) });
        };
        let deadline = self.deadline;
        let task = tokio::spawn(scope::inherit(async move {
            let _place = place;
            match tokio::time::timeout(deadline, write).await {
                Ok(result) => result,
                Err(_) => Err(Error::Unavailable("the write did not finish before its deadline".into())),
            }
        }));
        task.await.unwrap_or_else(|failed| Err(Error::Internal(format!("a write task failed: {failed}"))))
    }
}
