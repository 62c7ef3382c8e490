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

/// Lanes that a process may have, and one for all other threads.
pub fn count() -> usize {
    *COUNT + 1
}

/// The number of the lane that this runs on, from 1; 0 elsewhere.
pub fn here() -> usize {
    HERE.get()
}

/// The threads; for as long as the process runs.
pub struct Lanes(Box<[Lane]>);

struct Lane {
    runtime: Handle,
    connections: AtomicUsize,
}

impl Lanes {
    /// Starts a thread per processor.
    ///
    /// # Errors
    /// When the system has no more threads or sockets for us.
    pub fn start() -> io::Result<Arc<Self>> {
        let lane = |number| {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let handle = runtime.handle().clone();
            let serve = move || {
                HERE.set(number);
                runtime.block_on(pending::<()>());
            };
            thread::Builder::new().name(format!("lane-{number}")).spawn(serve)?;
            Ok(Lane { runtime: handle, connections: AtomicUsize::new(0) })
        };
        (1..count()).map(lane).collect::<io::Result<_>>().map(|lanes| Arc::new(Self(lanes)))
    }

    /// Serves a connection on the lane that has fewest.
    ///
    /// # Errors
    /// When the connection cannot be handed over.
    pub fn serve<F: Future<Output = ()> + Send>(
        self: &Arc<Self>,
        stream: TcpStream,
        serve: impl FnOnce(TcpStream) -> F + Send + 'static,
    ) -> io::Result<()> {
        let stream = stream.into_std()?;
        let lanes = self.0.iter().enumerate();
        let fewest = lanes.min_by_key(|(_, lane)| lane.connections.load(Ordering::Relaxed));
        let Some((number, lane)) = fewest else { return Ok(()) };
        let served = Served::count(self, number);
        lane.runtime.spawn(async move {
            let _served = served;
            // A socket that nobody can watch ends here, as one whose client is gone.
            if let Ok(stream) = TcpStream::from_std(stream) {
                serve(stream).await;
            }
        });
        Ok(())
    }
}

/// Counts as a connection of its lane until dropped.
struct Served(Arc<Lanes>, usize);

impl Served {
    fn count(lanes: &Arc<Lanes>, lane: usize) -> Self {
        lanes.0[lane].connections.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(lanes), lane)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.0.0[self.1].connections.fetch_sub(1, Ordering::Relaxed);
    }
}
