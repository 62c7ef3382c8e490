//! What a process hears of its own commits: that there was one, and what it may have made stale.

use std::sync::{RwLock, Weak};

use platform::scope;
use tokio::sync::watch;

/// Tags of what a commit may have made stale.
pub type Stale = Vec<Box<str>>;

/// Somebody in this process who remembers something.
pub trait Listener: Send + Sync {
    /// Before whoever asked for the change is answered.
    fn hear(&self, stale: &[Box<str>]);
}

/// The commits of this process to one database.
pub struct Commits {
    rung: watch::Sender<()>,
    listeners: RwLock<Vec<Weak<dyn Listener>>>,
}

impl Commits {
    pub(crate) fn new() -> Self {
        Self { rung: watch::Sender::new(()), listeners: RwLock::default() }
    }

    /// Changes whenever something was committed that may have appended events.
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.rung.subscribe()
    }

    /// Has somebody hear of each change, for as long as they are there.
    pub fn listen(&self, listener: Weak<dyn Listener>) {
        let mut listeners = self.listeners.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        listeners.retain(|known| known.strong_count() > 0);
        listeners.push(listener);
    }

    /// Notes a commit: for the request that it was made for, for listeners, and for who waits for any.
    pub(crate) fn note(&self, stale: &[Box<str>]) {
        if !stale.is_empty() {
            scope::changed(stale.iter().map(|tag| &**tag));
            let listeners = self.listeners.read().unwrap_or_else(|poisoned| poisoned.into_inner());
            listeners.iter().filter_map(Weak::upgrade).for_each(|listener| listener.hear(stale));
        }
        self.rung.send_replace(());
    }
}
