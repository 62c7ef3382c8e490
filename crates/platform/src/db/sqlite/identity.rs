//! Whether a path still leads to the file that was opened there. SQLite goes on writing to one that was removed or replaced, and all of
//! that is gone with the process.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::StoreError;

/// A file, by its device and number, as SQLite itself knows files apart for its locks.
#[derive(Debug, Clone)]
pub struct Identity {
    path: PathBuf,
    file: (u64, u64),
}

impl Identity {
    /// # Errors
    /// When nothing is there.
    pub fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: number(path)? })
    }

    /// # Errors
    /// `Moved` when the path leads to another file, or to none.
    pub fn check(&self) -> Result<(), StoreError> {
        match number(&self.path) {
            Ok(file) if file == self.file => Ok(()),
            _ => Err(StoreError::Moved(self.path.display().to_string())),
        }
    }
}

fn number(path: &Path) -> io::Result<(u64, u64)> {
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
    }
}
