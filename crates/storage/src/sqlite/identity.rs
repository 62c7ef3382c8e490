//! Whether a path still leads to the file that was opened there. SQLite goes on writing to one that was removed or replaced, and to its
//! log, and all of that is gone with the process. What is written over in place cannot be noticed so.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::StoreError;
use super::backup::log_of;

/// A file and its log, by their devices and numbers, as SQLite itself knows files apart for its locks.
#[derive(Debug, Clone)]
pub struct Identity {
    path: PathBuf,
    file: Number,
    log: Arc<OnceLock<Number>>,
}

type Number = (u64, u64);

impl Identity {
    /// # Errors
    /// When nothing is there.
    pub fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: number(path)?, log: Arc::default() })
    }

    /// As [`Identity::check`], by whoever has the log open: from the first time on, it is to stay as well.
    ///
    /// # Errors
    /// As [`Identity::check`].
    pub fn check_with_log(&self) -> Result<(), StoreError> {
        if let Ok(log) = number(&log_of(&self.path)) {
            self.log.get_or_init(|| log);
        }
        self.check()
    }

    /// # Errors
    /// `Moved` when one of the paths leads to another file, or to none.
    pub fn check(&self) -> Result<(), StoreError> {
        let is_log_there = || self.log.get().is_none_or(|log| number(&log_of(&self.path)).ok() == Some(*log));
        if number(&self.path).ok() == Some(self.file) && is_log_there() {
            Ok(())
        } else {
            Err(StoreError::Moved(self.path.display().to_string()))
        }
    }
}

fn number(path: &Path) -> io::Result<Number> {
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_removed_or_replaced_is_another_and_one_that_came_back_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (path, aside) = (folder.path().join("a.db"), folder.path().join("aside.db"));
        std::fs::write(&path, "ours").unwrap();
        let identity = Identity::of(&path).unwrap();
        identity.check().unwrap();
        std::fs::rename(&path, &aside).unwrap();
        assert!(matches!(identity.check(), Err(StoreError::Moved(_))));
        std::fs::write(&path, "ours").unwrap();
        assert!(matches!(identity.check(), Err(StoreError::Moved(_))));
        std::fs::rename(&aside, &path).unwrap();
        identity.check().unwrap();
        let log = folder.path().join("a.db-wal");
        std::fs::write(&log, "").unwrap();
        identity.check_with_log().unwrap();
        std::fs::rename(&log, &aside).unwrap();
        assert!(identity.check().is_err() && identity.check_with_log().is_err());
        std::fs::write(&log, "").unwrap();
        assert!(identity.check_with_log().is_err(), "another log");
    }
}
