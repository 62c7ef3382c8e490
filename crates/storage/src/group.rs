//! Group commit for PostgreSQL: writes that arrive while others are under way share the next transaction, and with it the cost
//! of its round trip and flush. A write that is alone goes at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use platform::{scope, telemetry};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::StoreError;
use super::commits::Stale;

/// Transactions in progress at once. With two, the database works on one while the other gathers.
const CONCURRENT: usize = 2;
/// Writes in one transaction at most.
const GROUP: usize = 128;
/// Rows that the writes of one transaction are about, at most.
const WEIGHT: usize = 1_000;
/// Writes that wait at most; beyond, writers are refused.
const QUEUE: usize = 4_096;

/// How a group is written.
#[async_trait]
pub trait WriteGroup: Send + Sync + 'static {
    type Write: Send + Sync + 'static;
    type Key: Ord;

    /// The order in which the writes of a group are made: what two groups may both take, both take in the same order.
    fn key(write: &Self::Write) -> Self::Key;

    /// How much work it is, in rows.
    fn weight(_: &Self::Write) -> usize {
        1
    }

    /// What it may have made stale, once it is written.
    fn stale(write: &mut Self::Write) -> Stale;

    /// Whether a write that failed alone, with this, may succeed when it is prepared anew.
    fn may_succeed_after(error: &StoreError) -> bool;

    /// Adapts the writes to what is stored, in one look, and tells for each, in order, whether it is refused: so that what is
    /// common does not undo whole groups.
    async fn prepare(&self, group: &mut [Self::Write]) -> Result<Vec<Option<StoreError>>, StoreError>;

    /// Writes all of them in one transaction, or none. What came of each may be left in it; it counts when this succeeds.
    async fn write(&self, group: &mut [Self::Write]) -> Result<(), StoreError>;
}

type Reply<W> = oneshot::Sender<Result<(W, Stale), StoreError>>;
type Waiting<W> = (W, Reply<W>);

/// Takes writes from many tasks and runs them in groups.
pub struct Groups<W> {
    queue: mpsc::Sender<Waiting<W>>,
    timeout: Duration,
}

impl<W: Send + Sync + 'static> Groups<W> {
    /// Starts those who write; they end when this is dropped. A write is waited for as long as `timeout`, what goes before it included.
    pub fn start(writer: impl WriteGroup<Write = W>, timeout: Duration) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (writer, waiting) = (Arc::new(writer), Arc::new(Mutex::new(waiting)));
        for _ in 0..CONCURRENT {
            tokio::spawn(run_writer(Arc::clone(&writer), Arc::clone(&waiting)));
        }
        Self { queue, timeout }
    }

    /// Returns the write, as it was written, after the commit of its group.
    ///
    /// # Errors
    /// What refused this very write (the others of its group are then written without it); `Unavailable`, also when the time is up:
    /// it may then be written or not; `Overloaded` when too many wait.
    pub async fn write(&self, write: W) -> Result<W, StoreError> {
        let started = Instant::now();
        let (reply, answer) = oneshot::channel();
        self.queue.try_send((write, reply)).map_err(|_| StoreError::Overloaded("database writes"))?;
        let result = match tokio::time::timeout(self.timeout, answer).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(StoreError::Unavailable("the write was dropped".into()))),
            Err(_) => Err(StoreError::late()),
        };
        // The queries of its group are counted by themselves.
        telemetry::record_wait(started.elapsed());
        let (written, stale) = result?;
        // Others have heard of it with the commit of the group, which was made for no request.
        scope::changed(stale.iter().map(|tag| &**tag));
        Ok(written)
    }
}

async fn run_writer<G: WriteGroup>(writer: Arc<G>, waiting: Arc<Mutex<mpsc::Receiver<Waiting<G::Write>>>>) {
    loop {
        let mut group = Vec::new();
        if waiting.lock().await.recv_many(&mut group, GROUP).await == 0 {
            return;
        }
        for group in split::<G>(group) {
            let writer = Arc::clone(&writer);
            // On a task of its own, so that a panic costs one group and not the writer; its replies are then dropped, which tells.
            let _ = tokio::spawn(async move { run_group(&*writer, group, true).await }).await;
        }
    }
}

/// Groups of so little work that the others of a group do not wait long; a write that is more by itself is one alone.
fn split<G: WriteGroup>(writes: Vec<Waiting<G::Write>>) -> Vec<Vec<Waiting<G::Write>>> {
    let (mut groups, mut weight) = (vec![Vec::new()], 0);
    for one in writes {
        let own = G::weight(&one.0);
        if weight > 0 && weight + own > WEIGHT {
            groups.push(Vec::new());
            weight = 0;
        }
        weight += own;
        if let Some(group) = groups.last_mut() {
            group.push(one);
        }
    }
    groups
}

/// `first`: whether these writes have not been tried before.
async fn run_group<G: WriteGroup>(writer: &G, mut group: Vec<Waiting<G::Write>>, first: bool) {
    // Who has been told that it did not happen in time must not be told wrong.
    group.retain(|(_, reply)| !reply.is_closed());
    group.sort_by_cached_key(|(write, _)| G::key(write));
    let several = group.len() > 1;
    let Some((mut writes, replies)) = prepare(writer, group).await else { return };
    match writer.write(&mut writes).await {
        Ok(()) => writes.into_iter().zip(replies).for_each(|(mut write, reply)| {
            let stale = G::stale(&mut write);
            tell(reply, Ok((write, stale)));
        }),
        Err(error) if isolates(&error) && (several || first && G::may_succeed_after(&error)) => {
            for alone in writes.into_iter().zip(replies) {
                Box::pin(run_group(writer, vec![alone], several)).await;
            }
        }
        Err(error) => replies.into_iter().for_each(|reply| tell(reply, Err(error.clone()))),
    }
}

/// Whether one of the group may be to blame, and only trying each tells which; else the database is.
fn isolates(error: &StoreError) -> bool {
    !matches!(
        error,
        StoreError::Unavailable(_) | StoreError::Moved(_) | StoreError::DiskFull(_) | StoreError::Overloaded(_)
    )
}

/// Answers those that are refused; the others go on.
async fn prepare<G: WriteGroup>(
    writer: &G,
    group: Vec<Waiting<G::Write>>,
) -> Option<(Vec<G::Write>, Vec<Reply<G::Write>>)> {
    if group.is_empty() {
        return None;
    }
    let (mut writes, replies): (Vec<_>, Vec<_>) = group.into_iter().unzip();
    let refused = writer.prepare(&mut writes).await.unwrap_or_else(|error| vec![Some(error); replies.len()]);
    let mut going_on = (Vec::with_capacity(replies.len()), Vec::with_capacity(replies.len()));
    for ((write, reply), refused) in writes.into_iter().zip(replies).zip(refused) {
        match refused {
            Some(error) => tell(reply, Err(error)),
            None => {
                going_on.0.push(write);
                going_on.1.push(reply);
            }
        }
    }
    (!going_on.0.is_empty()).then_some(going_on)
}

/// The caller may have gone; what was written stands.
fn tell<W>(reply: Reply<W>, result: Result<(W, Stale), StoreError>) {
    let _ = reply.send(result);
}
