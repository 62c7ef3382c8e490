//! Files that a power cut does not take back, and what can be known of files without touching them.
//!
//! A file's bytes are on disk once it is synced; its name, once its folder is. So is the name of a folder, once the one above is.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Access, access, statvfs};

/// Makes a folder and those above it that are missing, for this user only, to stay.
///
/// # Errors
/// The reason why it cannot be made or synced.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    let there = nearest(folder).to_owned();
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let made = folder.ancestors().take_while(|path| **path != *there && !path.as_os_str().is_empty());
    made.map(folder_of).try_for_each(sync_folder)
}

/// Writes a whole file that only this user may read, to stay: its bytes to `beside`, a name in the same folder that nobody else uses.
/// From there `bring` gives it its own name, so that no reader sees half of it. Nothing remains at `beside`.
///
/// # Errors
/// The reason why it cannot be written, brought or synced.
pub fn put_whole(beside: &Path, bytes: &[u8], bring: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let folder = folder_of(beside);
    make_folder(folder)?;
    let brought = write_private(beside, bytes).and_then(|()| bring(beside));
    // It is gone if it was renamed.
    let _ = std::fs::remove_file(beside);
    brought?;
    sync_folder(folder)
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // One that a crash left behind is overwritten.
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Returns when the names of what was made, renamed or removed in the folder are on disk.
///
/// # Errors
/// When the folder cannot be opened or synced.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Where a file is.
pub fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

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
    if there.is_dir() {
        Ok(access(there, Access::WRITE_OK | Access::EXEC_OK)?)
    } else {
        Err(io::ErrorKind::NotADirectory.into())
    }
}

/// The path itself or the next one above it that is there.
pub fn nearest(path: &Path) -> &Path {
    let named = |path: &&Path| !path.as_os_str().is_empty();
    path.ancestors().take_while(named).find(|path| path.exists()).unwrap_or(Path::new("."))
}
