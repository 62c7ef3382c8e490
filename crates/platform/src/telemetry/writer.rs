//! A bounded buffer in front of stderr. When nobody reads the logs, lines are dropped and counted, never waited for.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use kernel::text;
use tracing_subscriber::fmt::MakeWriter;

use super::metrics::{Signal, metrics};

const CAPACITY: usize = 8 * 1024 * 1024;
/// Lines wait at most this long for company in one write.
const GATHER: Duration = Duration::from_millis(20);

#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    dropped: u64,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    buffer: Mutex<Buffer>,
    filled: Condvar,
}

impl Shared {
    /// Appending and taking keep the buffer whole, so a poisoned lock is usable.
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Hands out writers into the buffer.
#[derive(Clone)]
pub struct Writer {
    shared: Arc<Shared>,
    /// Whether what comes from outside is made visible by whoever makes the lines, which have colours.
    visible: bool,
}

impl Writer {
    pub fn of_visible_lines(self) -> Self {
        Self { visible: true, ..self }
    }
}

/// Writes out what is buffered when dropped.
pub struct Flush {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

pub fn start() -> (Writer, Flush) {
    let shared = Arc::new(Shared::default());
    let inner = Arc::clone(&shared);
    let thread = std::thread::Builder::new().name("log-writer".into()).spawn(move || write_loop(&inner)).ok();
    (Writer { shared: Arc::clone(&shared), visible: false }, Flush { shared, thread })
}

impl Drop for Flush {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.filled.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write_loop(shared: &Shared) {
    let mut out = Vec::new();
    loop {
        let mut buffer = shared.lock();
        while buffer.bytes.is_empty() && !buffer.closed {
            buffer = shared.filled.wait(buffer).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        std::mem::swap(&mut out, &mut buffer.bytes);
        let (closed, dropped) = (buffer.closed, std::mem::take(&mut buffer.dropped));
        drop(buffer);
        // Nobody is left to tell when stderr itself fails.
        let _ = io::stderr().write_all(&out);
        if dropped > 0 {
            let _ = writeln!(
                io::stderr(),
                r#"{{"severity":"WARN","event":"log.dropped","message":"{dropped} log lines were dropped"}}"#
            );
        }
        out.clear();
        if closed {
            return;
        }
        std::thread::sleep(GATHER);
    }
}

impl<'a> MakeWriter<'a> for Writer {
    type Writer = LogLine;

    fn make_writer(&'a self) -> LogLine {
        LogLine(self.clone())
    }
}

pub struct LogLine(Writer);

impl Write for LogLine {
    /// Takes a whole line, as both formats write it. What came from outside is made visible here, for both of them.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(line));
        // Most lines are written as they are, without a copy.
        let text = if self.0.visible { Cow::Borrowed(&*text) } else { text::visible(&text) };
        let mut buffer = self.0.shared.lock();
        if buffer.bytes.len() + text.len() >= CAPACITY {
            buffer.dropped += 1;
            metrics().dropped.count(Signal::Logs);
        } else {
            let was_empty = buffer.bytes.is_empty();
            buffer.bytes.extend_from_slice(text.as_bytes());
            buffer.bytes.push(b'\n');
            drop(buffer);
            if was_empty {
                self.0.shared.filled.notify_one();
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
