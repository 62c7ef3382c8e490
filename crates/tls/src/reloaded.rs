//! What is made of files, and made anew when they change: nobody has to be restarted for a new certificate.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Instant;

use platform::telemetry::Recurring;

use crate::TlsError;

/// Milliseconds between two looks at the files.
const LOOK: u64 = 1_000;

/// What tells that a file was changed or replaced: its number, its size, and when it was written, in nanoseconds.
type Stamp = Option<(u64, u64, i64, i64)>;

pub struct Reloaded<T> {
    files: Vec<PathBuf>,
    make: Box<dyn Fn() -> Result<T, TlsError> + Send + Sync>,
    made: RwLock<(Vec<Stamp>, Arc<T>)>,
    started: Instant,
    /// Milliseconds from `started`.
    looked: AtomicU64,
    failing: Recurring,
}

impl<T> Reloaded<T> {
    /// Makes it for the first time.
    ///
    /// # Errors
    /// As `make`.
    pub fn open(
        files: Vec<PathBuf>,
        make: impl Fn() -> Result<T, TlsError> + Send + Sync + 'static,
    ) -> Result<Self, TlsError> {
        // Before they are read: what is written meanwhile is seen by the next look.
        let stamps = stamps(&files);
        let made = RwLock::new((stamps, Arc::new(make()?)));
        let (started, looked, failing) = (Instant::now(), AtomicU64::new(0), Recurring::new());
        Ok(Self { files, make: Box::new(make), made, started, looked, failing })
    }

    /// As the files had it a second ago at most. Where they cannot be used, as they had it before; the log says so.
    pub fn current(&self) -> Arc<T> {
        if self.is_due() {
            self.look();
        }
        let made = self.made.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        Arc::clone(&made.1)
    }

    /// Whether it is this caller who is to look.
    fn is_due(&self) -> bool {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let looked = self.looked.load(Ordering::Relaxed);
        now.saturating_sub(looked) >= LOOK
            && self.looked.compare_exchange(looked, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn look(&self) {
        let found = stamps(&self.files);
        if self.made.read().unwrap_or_else(|poisoned| poisoned.into_inner()).0 == found {
            return;
        }
        let file = self.files.first().map(|file| file.display().to_string());
        match (self.make)() {
            Ok(made) => {
                // Whole values are put in: a poisoned lock is usable.
                *self.made.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = (found, Arc::new(made));
                self.failing.recovered();
                tracing::info!(event = "tls.reloaded", file, "the files of TLS were read again");
            }
            // A pair is changed file by file: the next look finds both.
            Err(error) => {
                if let Some(failures) = self.failing.failed() {
                    tracing::warn!(event = "tls.reload.failed", file, %error, failures, "those of before are used on");
                }
            }
        }
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |file: &PathBuf| {
        let found = std::fs::metadata(file).ok()?;
        Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
    };
    files.iter().map(stamp).collect()
}
