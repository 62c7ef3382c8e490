//! What processes print, kept in memory while they run.

use std::io::Read;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::wait::eventually;

/// Collects a stream on a thread of its own until the stream ends.
pub struct Captured {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Captured {
    pub fn from(stream: impl Read + Send + 'static) -> Self {
        let bytes = Arc::default();
        let kept = Arc::clone(&bytes);
        let reader = Some(std::thread::spawn(move || copy(stream, &kept)));
        Self { bytes, reader }
    }

    /// What came until now.
    pub fn text(&self) -> String {
        // A test that failed while it held the lock has not damaged the bytes.
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits for the end of the stream, which comes when its process ends.
    pub fn finish(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("a reader does not panic");
        }
        self.text()
    }
}

fn copy(mut stream: impl Read, kept: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 8192];
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&buffer[..n]);
    }
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub struct Outcome {
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// Panics unless the command exited with `code`.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        let Outcome { code: actual, stdout, stderr } = &self;
        assert_eq!(*actual, Some(code), "exit code; stdout:\n{stdout}\nstderr:\n{stderr}");
        self
    }
}

/// Waits for the end of a process.
pub fn wait(child: &mut Child) -> ExitStatus {
    eventually("the process ended", || child.try_wait().expect("our own child"))
}

/// Sends a signal by its name.
pub fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "kill -{name}");
}
