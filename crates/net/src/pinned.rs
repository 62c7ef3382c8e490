//! Threads that serve connections, each with a runtime of its own: what is done on a connection stays on one thread, and what it
//! keeps there stays in one processor's cache. That is good where the work for a request is short and waits for sockets alone; else
//! one long piece of work would hold up its neighbours, which threads that share their work take over.

use std::cell::Cell;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::{io, thread};

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};

/// As many as processors.
static COUNT: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(1, usize::from));

thread_local! {
    static HERE: Cell<usize> = const { Cell::new(0) };
}

/// Pinned threads that a process may have, and one for all others.
pub fn count() -> usize {
    *COUNT + 1
}

/// The number of the pinned thread that this runs on, from 1; 0 elsewhere.
pub fn here() -> usize {
    HERE.get()
}

/// A thread per processor, whose connections stay on it, for as long as the process runs.
pub struct PinnedThreads(Box<[PinnedThread]>);

struct PinnedThread {
    runtime: Handle,
    connections: AtomicUsize,
}

impl PinnedThreads {
    /// Starts them.
    ///
    /// # Errors
    /// When the system has no more threads or sockets for us.
    pub fn start() -> io::Result<Arc<Self>> {
        let thread = |number| {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let handle = runtime.handle().clone();
            let serve = move || {
                HERE.set(number);
                runtime.block_on(pending::<()>());
            };
            thread::Builder::new().name(format!("pinned-{number}")).spawn(serve)?;
            Ok(PinnedThread { runtime: handle, connections: AtomicUsize::new(0) })
        };
        (1..count()).map(thread).collect::<io::Result<_>>().map(|pinned| Arc::new(Self(pinned)))
    }

    /// Serves a connection on the thread that has fewest.
    ///
    /// # Errors
    /// When the connection cannot be handed over.
    pub fn serve<F: Future<Output = ()> + Send>(
        self: &Arc<Self>,
        stream: TcpStream,
        serve: impl FnOnce(TcpStream) -> F + Send + 'static,
    ) -> io::Result<()> {
        let stream = stream.into_std()?;
        let pinned = self.0.iter().enumerate();
        let fewest = pinned.min_by_key(|(_, thread)| thread.connections.load(Ordering::Relaxed));
        let Some((number, thread)) = fewest else { return Ok(()) };
        let served = Served::count(self, number);
        thread.runtime.spawn(async move {
            let _served = served;
            // A socket that nobody can watch ends here, as one whose client is gone.
            if let Ok(stream) = TcpStream::from_std(stream) {
                serve(stream).await;
            }
        });
        Ok(())
    }
}

/// Counts as a connection of its thread until dropped.
struct Served(Arc<PinnedThreads>, usize);

impl Served {
    fn count(pinned: &Arc<PinnedThreads>, thread: usize) -> Self {
        pinned.0[thread].connections.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(pinned), thread)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.0.0[self.1].connections.fetch_sub(1, Ordering::Relaxed);
    }
}
