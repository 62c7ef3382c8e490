//! Group commit for PostgreSQL: writes that arrive while others are under way share the next transaction, and with it the cost
//! of its round trip and flush. A write that is alone goes at once.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::{StoreError, stats};

/// Transactions in progress at once. With two, the database works on one while the other gathers.
const LANES: usize = 2;
/// Writes in one transaction at most.
const GROUP: usize = 128;
/// Writes that wait at most; beyond, writers are refused.
const QUEUE: usize = 4_096;

/// How a group is written.
#[async_trait]
pub trait WriteGroup: Send + Sync + 'static {
    type Write: Send + Sync + 'static;

    /// For each write, in order, whether it is refused whatever becomes of the others. One look keeps a refusal that is
    /// common from undoing whole groups.
    async fn refuse(&self, group: &[Self::Write]) -> Result<Vec<Option<StoreError>>, StoreError>;

    /// Writes all of them in one transaction, or none.
    async fn write(&self, group: &[Self::Write]) -> Result<(), StoreError>;
}

type Waiting<W> = (W, oneshot::Sender<Result<(), StoreError>>);

/// Takes writes from many tasks and runs them in groups.
pub struct Groups<W> {
    queue: mpsc::Sender<Waiting<W>>,
}

impl<W: Send + Sync + 'static> Groups<W> {
    /// Starts the lanes; they end when this is dropped.
    pub fn start(writer: impl WriteGroup<Write = W>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (writer, waiting) = (Arc::new(writer), Arc::new(Mutex::new(waiting)));
        for _ in 0..LANES {
            tokio::spawn(run_lane(Arc::clone(&writer), Arc::clone(&waiting)));
        }
        Self { queue }
    }

    /// Returns after the commit of the write's group.
    ///
    /// # Errors
    /// What refused this very write (the others of its group are then written without it); `Unavailable`; `Overloaded` when
    /// too many wait.
    pub async fn write(&self, write: W) -> Result<(), StoreError> {
        let started = Instant::now();
        let (reply, answer) = oneshot::channel();
        self.queue.try_send((write, reply)).map_err(|_| StoreError::Overloaded("database writes"))?;
        let result = answer.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the write was dropped".into())));
        stats::record(started);
        result
    }
}

async fn run_lane<G: WriteGroup>(writer: Arc<G>, waiting: Arc<Mutex<mpsc::Receiver<Waiting<G::Write>>>>) {
    loop {
        let mut group = Vec::new();
        if waiting.lock().await.recv_many(&mut group, GROUP).await == 0 {
            return;
        }
        let writer = Arc::clone(&writer);
        // On a task of its own, so that a panic costs one group and not the lane; its replies are then dropped, which tells.
        let _ = tokio::spawn(async move { run_group(&*writer, group).await }).await;
    }
}

async fn run_group<G: WriteGroup>(writer: &G, group: Vec<Waiting<G::Write>>) {
    let (writes, replies): (Vec<_>, Vec<_>) = group.into_iter().unzip();
    let refused = match writer.refuse(&writes).await {
        Ok(refused) => refused,
        Err(error) => return reply_all(replies, &Err(error)),
    };
    let mut joining = Vec::with_capacity(writes.len());
    let mut waiting = Vec::with_capacity(writes.len());
    for ((write, reply), refused) in writes.into_iter().zip(replies).zip(refused) {
        match refused {
            // The caller may have gone; that is its affair, here and below.
            Some(error) => drop(reply.send(Err(error))),
            None => {
                joining.push(write);
                waiting.push(reply);
            }
        }
    }
    if joining.is_empty() {
        return;
    }
    match writer.write(&joining).await {
        // One of them is refused, and only trying tells which.
        Err(StoreError::Conflict(_)) if joining.len() > 1 => {
            for (write, reply) in joining.chunks(1).zip(waiting) {
                let _ = reply.send(writer.write(write).await);
            }
        }
        result => reply_all(waiting, &result),
    }
}

fn reply_all(replies: Vec<oneshot::Sender<Result<(), StoreError>>>, result: &Result<(), StoreError>) {
    for reply in replies {
        let _ = reply.send(result.clone());
    }
}
