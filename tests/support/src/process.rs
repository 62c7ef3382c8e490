//! One run of `primetrade serve`.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};

use crate::output::{self, Captured};
use crate::server::Deployment;
use crate::wait::eventually;
use crate::watchdog::Watchdog;

/// Dropping it kills it.
pub struct Process {
    child: Child,
    watchdog: Watchdog,
    stdout: Captured,
    stderr: Captured,
    /// Its listener: `http://127.0.0.1:PORT`.
    pub url: String,
    /// That of operators.
    pub admin_url: String,
}

impl Process {
    /// Starts it; [`Process::wait`] tells when it serves.
    pub fn spawn(deployment: &Deployment, arguments: &[String]) -> Self {
        let mut command = deployment.command();
        let mut child = command.arg("serve").args(arguments).stdin(Stdio::null()).spawn().expect("the binary starts");
        Self {
            watchdog: Watchdog::over(child.id(), deployment.folder()),
            stdout: Captured::from(child.stdout.take().expect("stdout is a pipe")),
            stderr: Captured::from(child.stderr.take().expect("stderr is a pipe")),
            child,
            url: String::new(),
            admin_url: String::new(),
        }
    }

    /// Waits until it serves.
    pub fn wait(mut self) -> Self {
        (self.url, self.admin_url) = eventually("the server printed its addresses", || self.addresses());
        self
    }

    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Sends a signal by its name: `TERM`, `STOP`, `CONT`. Stopped, it does nothing any more when this returns.
    pub fn signal(&self, name: &str) {
        output::signal(&self.child, name);
        if name == "STOP" {
            crate::eventually("every thread is stopped", || self.is_stopped().then_some(()));
        }
    }

    fn is_stopped(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("our own child");
        let stats = threads.flatten().filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok());
        // The name of the program, in parentheses, stands before the state.
        stats.into_iter().all(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')))
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        output::wait(&mut self.child)
    }

    /// How it ended, if it has.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our own child")
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Both listeners, once the server has printed them.
    fn addresses(&mut self) -> Option<(String, String)> {
        // Asked before the output is read: what an ended process printed is then complete enough to be found.
        let ended = self.has_ended();
        let stdout = self.stdout.text();
        let after = |words: &str| {
            let whole_lines = stdout.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            let mut addresses = whole_lines.filter_map(|line| line.trim().strip_prefix(words));
            addresses.next().map(str::to_owned)
        };
        let public = after("PrimeTrade is serving on ");
        let admin = after("Admin (health, metrics) on ");
        if let (None, Some(status)) = (&public, ended) {
            self.print_log();
            panic!("the server ended while starting: {status}");
        }
        public.zip(admin)
    }

    /// Shows the end of the log of a server whose test failed.
    pub fn print_log(&self) {
        let log = self.stderr.text();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines.len().saturating_sub(40);
        eprintln!("--- the server's last log lines:\n{}\n---", lines[tail..].join("\n"));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Each fails only when the process has ended by itself.
        let _ = self.child.kill();
        self.watchdog.disarm();
        let _ = self.child.wait();
    }
}

/// `PRIMETRADE_BIN`, else the binary that cargo built next to this test.
pub fn binary() -> PathBuf {
    named("PRIMETRADE_BIN", "primetrade")
        .filter(|file| file.exists())
        .expect("the primetrade binary: build it with `cargo build -p primetrade`, or name it in PRIMETRADE_BIN")
}

/// The release before: `PRIMETRADE_PREVIOUS_BIN`, else what `make previous` built. `None` where there is none, which is said on
/// stderr, past the test harness: a test that did not run must not look like one that did.
pub fn previous() -> Option<PathBuf> {
    let binary = named("PRIMETRADE_PREVIOUS_BIN", "../previous/primetrade").filter(|file| file.exists());
    if binary.is_none() {
        did_not_run("`make previous` builds the release before");
    }
    binary
}

/// Says what the test of this thread lacks.
pub(crate) fn did_not_run(lacks: &str) {
    let thread = std::thread::current();
    // Nobody reads what is closed.
    let _ = writeln!(std::io::stderr(), "{} DID NOT RUN: {lacks}", thread.name().unwrap_or("a test"));
}

/// The binary that a variable names, else the one that lies there, seen from the folder where cargo puts ours.
fn named(variable: &str, built: &str) -> Option<PathBuf> {
    let beside_test = || Some(std::env::current_exe().ok()?.parent()?.parent()?.join(built));
    std::env::var_os(variable).map(PathBuf::from).or_else(beside_test)
}
