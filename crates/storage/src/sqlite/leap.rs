//! That a clock leapt, kept beside the file for as long as nobody has confirmed the new time: a restart does not forget it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use platform::files;

use crate::clock::{self, StoreClock};

/// The note of one file, which is there while its store's clock is in doubt.
pub struct LeapNote {
    path: PathBuf,
    /// Whether this process wrote it.
    written: AtomicBool,
}

impl LeapNote {
    pub fn of(folder: &Path, service: &str) -> Self {
        Self { path: folder.join(format!("{service}.clock-leapt")), written: AtomicBool::new(false) }
    }

    /// What it says, if it is there. One that cannot be read is there too.
    pub fn read(&self) -> Option<String> {
        match std::fs::read_to_string(&self.path) {
            Ok(text) => Some(text.trim_end().to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => Some(error.to_string()),
        }
    }

    /// Confirms the new time; tells whether there was any doubt.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn confirm(&self) -> std::io::Result<bool> {
        match std::fs::remove_file(&self.path) {
            Ok(()) => files::sync_folder(files::folder_of(&self.path)).map(|()| true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Follows the system's clock. One that leaps is noted; one that is back where it was, and a note that somebody took away, end the doubt.
    pub(super) fn follow(&self, clock: &StoreClock) {
        let differed = clock.differs();
        if let Some(ahead) = clock.follow() {
            let note = format!("{} what it was\n", clock::words(ahead));
            let beside = self.path.with_extension(format!("{}.new", std::process::id()));
            let written = files::put_whole(&beside, note.as_bytes(), |beside| std::fs::rename(beside, &self.path));
            // Where it cannot be written, the doubt ends with this process.
            self.written.store(written.is_ok(), Ordering::Relaxed);
        } else if clock.differs() {
            if self.written.load(Ordering::Relaxed) && self.read().is_none() {
                clock.confirm();
                tracing::info!(event = "clock.confirmed", "somebody confirmed this machine's clock");
            }
        } else if differed && self.written.swap(false, Ordering::Relaxed) {
            // A doubt of before this process is not ended by its own clock.
            let _ = self.confirm();
        }
    }
}
