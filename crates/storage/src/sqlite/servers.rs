//! Which servers work on a folder. SQLite lets several do so, but what each remembers alone (failed log-ins, what it showed) is then
//! not all: the operator is to know.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

/// Servers that are told apart.
const PLACES: usize = 8;
/// Whoever only looks holds a lock for a moment. How often a server tries again, and after which pause.
const TRIES: usize = 3;
const PAUSE: Duration = Duration::from_millis(20);
/// A name is a host's and a number.
const MAX_NAME: u64 = 300;

/// A server's place at a folder, for as long as its process lives: the lock ends with it, whatever ends it.
pub struct Attendance(#[expect(dead_code, reason = "held, not read")] File);

/// Takes a place at the folder for this process, and names the other servers there. A file system that knows no locks has no place to
/// give.
///
/// # Errors
/// When the lock file cannot be made or locked.
pub fn attend(folder: &Path, name: &str) -> io::Result<(Attendance, Vec<String>)> {
    for place in 1..=PLACES {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(lock_file(folder, place))?;
        if is_free(&file)? {
            file.set_len(0)?;
            file.write_all(name.as_bytes())?;
            let others = present(folder).into_iter().filter(|other| other != name).collect();
            return Ok((Attendance(file), others));
        }
    }
    Err(io::Error::other(format!("more than {PLACES} servers work on it")))
}

fn is_free(file: &File) -> io::Result<bool> {
    for _ in 0..TRIES {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(PAUSE),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

/// The servers that work on a folder at this moment.
pub fn present(folder: &Path) -> Vec<String> {
    let name = |place| {
        let file = File::open(lock_file(folder, place)).ok()?;
        let taken = flock(&file, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK);
        let mut name = String::new();
        taken.then(|| (&file).take(MAX_NAME).read_to_string(&mut name))?.ok()?;
        Some(name)
    };
    (1..=PLACES).filter_map(name).collect()
}

fn lock_file(folder: &Path, place: usize) -> PathBuf {
    folder.join(format!("server-{place}.lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_of_a_folder_know_each_other_and_leave_with_their_process() {
        let folder = tempfile::tempdir().unwrap();
        assert!(present(folder.path()).is_empty());
        let (first, others) = attend(folder.path(), "host:1").unwrap();
        assert!(others.is_empty());
        let (second, others) = attend(folder.path(), "host:2").unwrap();
        assert_eq!(others, ["host:1"]);
        assert_eq!(present(folder.path()), ["host:1", "host:2"]);
        drop(first);
        assert_eq!(present(folder.path()), ["host:2"]);
        let (_third, others) = attend(folder.path(), "host:3").unwrap();
        assert_eq!(others, ["host:2"]);
        drop(second);
        assert_eq!(present(folder.path()), ["host:3"]);
    }
}
