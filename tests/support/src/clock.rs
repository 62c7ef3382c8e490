//! Clocks of processes that a test sets while they run, by Debian's faketime. The monotonic clock goes on as it does when somebody sets
//! the time of a machine.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::server::Deployment;

/// The clock of the processes of one deployment.
pub struct FakeClock {
    file: PathBuf,
}

impl FakeClock {
    /// Sets it off the true time: `+25h`, `-10m`, `+0`.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn set(&self, offset: &str) {
        // Renamed, so that nobody reads half of it.
        let beside = self.file.with_extension("new");
        std::fs::write(&beside, offset).expect("a file");
        std::fs::rename(&beside, &self.file).expect("a file");
    }
}

impl Deployment {
    /// The same store, for processes whose clock can be set.
    ///
    /// # Panics
    /// When faketime is not installed.
    #[must_use]
    pub fn with_clock(&self, name: &str) -> (Self, FakeClock) {
        let clock = FakeClock { file: self.folder().join(format!("clock-{name}")) };
        clock.set("+0");
        let variables: [(&str, OsString); 4] = [
            ("LD_PRELOAD", library().into()),
            ("FAKETIME_TIMESTAMP_FILE", clock.file.clone().into()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ];
        (variables.into_iter().fold(self.clone(), |deployment, (name, value)| deployment.variable(name, value)), clock)
    }
}

fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").expect("a folder").flatten();
    let mut libraries = folders.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"));
    libraries.find(|library| library.exists()).expect("faketime: `apt-get install faketime` brings it")
}
