//! What can be known of files without touching them.

use std::io;
use std::path::Path;

use rustix::fs::{Access, access, statvfs};

/// Bytes that may still be written where the path is.
///
/// # Errors
/// When there is no such path, or it cannot be asked.
pub fn free_space(path: &Path) -> io::Result<u64> {
    let space = statvfs(path)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// Whether this process may write the file.
///
/// # Errors
/// The reason why it may not.
pub fn may_write(file: &Path) -> io::Result<()> {
    Ok(access(file, Access::WRITE_OK)?)
}

/// Whether this process may make files in the folder; of one that is not there, in the next one above it, where it would be made.
///
/// # Errors
/// The reason why it may not.
pub fn may_make_in(folder: &Path) -> io::Result<()> {
    let there = nearest(folder);
    match there.is_dir() {
        true => Ok(access(there, Access::WRITE_OK | Access::EXEC_OK)?),
        false => Err(io::ErrorKind::NotADirectory.into()),
    }
}

/// The path itself or the next one above it that is there.
pub fn nearest(path: &Path) -> &Path {
    let named = |path: &&Path| !path.as_os_str().is_empty();
    path.ancestors().take_while(named).find(|path| path.exists()).unwrap_or(Path::new("."))
}
