//! The real binary, on a store of its own.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::client::Client;
use crate::output::{self, Captured, Outcome};
use crate::postgres;
use crate::wait::eventually;
use crate::watchdog::Watchdog;

/// Which parts PrimeTrade runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// One process, SQLite files.
    Sqlite,
    /// One process, PostgreSQL.
    Postgres,
}

/// Settings and a store, on which servers and commands run.
pub struct Deployment {
    topology: Topology,
    /// Working directory, data and keys.
    folder: TempDir,
    database_url: String,
    settings: Vec<(OsString, OsString)>,
    arguments: Vec<String>,
}

impl Deployment {
    /// An empty store with the default settings, but for free ports, JSON logs, and limits that are off, because a
    /// test asks more in a second than a person in a day.
    pub fn new(topology: Topology) -> Self {
        let folder = tempfile::Builder::new().prefix("primetrade-test-").tempdir();
        let folder = folder.expect("a temporary folder");
        let (database_url, keys) = match topology {
            Topology::Sqlite => (format!("sqlite:{}", folder.path().join("data").display()), None),
            Topology::Postgres => (postgres::database(), Some(folder.path().join("keys.json"))),
        };
        let deployment =
            Self { topology, folder, database_url: database_url.clone(), settings: Vec::new(), arguments: Vec::new() };
        let deployment = deployment
            .set("HTTP__LISTEN", "127.0.0.1:0")
            .set("ADMIN__LISTEN", "127.0.0.1:0")
            .set("DATABASE__URL", &database_url)
            .set("LIMITS__ENABLED", "false")
            .set("LOG__FORMAT", "json");
        match keys {
            Some(file) => deployment.set("AUTH__KEY_FILE", &file.display().to_string()),
            None => deployment,
        }
    }

    /// Sets a setting, named without its prefix: `HTTP__CORS_ORIGINS`.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        let name = OsString::from(format!("PRIMETRADE_{name}"));
        self.settings.retain(|(present, _)| *present != name);
        self.settings.push((name, value.into()));
        self
    }

    /// Adds an argument to `primetrade serve`.
    #[must_use]
    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    pub fn topology(&self) -> Topology {
        self.topology
    }

    pub fn database_url(&self) -> &str {
        &self.database_url
    }

    /// The folder of the SQLite files; it does not exist on PostgreSQL.
    pub fn data_folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The working directory of servers and commands.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts `primetrade serve` and waits until it serves.
    pub fn start(self) -> Server {
        let process = Process::start(&self);
        Server { deployment: self, process: Some(process) }
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Outcome {
        self.run_with(args, &[], "")
    }

    /// Runs a command with this text on its stdin.
    pub fn run_with_input(&self, args: &[&str], stdin: &str) -> Outcome {
        self.run_with(args, &[], stdin)
    }

    /// Runs a command with further environment variables, by their whole names, and stdin.
    pub fn run_with(&self, args: &[&str], variables: &[(&str, &str)], stdin: &str) -> Outcome {
        let mut command = self.command();
        let mut child = command.args(args).envs(variables.iter().copied()).spawn().expect("the binary starts");
        let mut stdout = Captured::from(child.stdout.take().expect("stdout is a pipe"));
        let mut stderr = Captured::from(child.stderr.take().expect("stderr is a pipe"));
        let mut input = child.stdin.take().expect("stdin is a pipe");
        // A command that reads nothing may have closed its end.
        let _ = input.write_all(stdin.as_bytes());
        drop(input);
        let code = output::wait(&mut child).code();
        Outcome { code, stdout: stdout.finish(), stderr: stderr.finish() }
    }

    /// The binary, with these settings and nothing of the tester's own.
    fn command(&self) -> Command {
        let mut command = Command::new(binary());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PRIMETRADE_") {
                command.env_remove(name);
            }
        }
        command
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// A running (or killed) server and its deployment. Dropping it kills it.
pub struct Server {
    deployment: Deployment,
    process: Option<Process>,
}

impl Server {
    /// A server on an empty store with the settings of [`Deployment::new`].
    pub fn start(topology: Topology) -> Self {
        Deployment::new(topology).start()
    }

    /// The public listener: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.process().url
    }

    /// The listener of operators.
    pub fn admin_url(&self) -> &str {
        &self.process().admin_url
    }

    /// An anonymous client of the public listener.
    pub fn client(&self) -> Client {
        Client::public(self.url())
    }

    /// What the server printed for people.
    pub fn stdout(&self) -> String {
        self.process().stdout.text()
    }

    /// Its log.
    pub fn stderr(&self) -> String {
        self.process().stderr.text()
    }

    /// The whole lines of its log, each of which must be a JSON object.
    pub fn log_lines(&self) -> Vec<Value> {
        let log = self.stderr();
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| match serde_json::from_str(line) {
                Ok(value @ Value::Object(_)) => value,
                _ => panic!("a log line that is no JSON object: {line}"),
            })
            .collect()
    }

    /// Kills it as a power cut would: without any warning.
    pub fn kill9(&mut self) {
        self.process = None;
    }

    /// Sends SIGTERM, and waits for the end.
    pub fn terminate(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the server runs");
        output::terminate(&process.child);
        output::wait(&mut process.child)
    }

    /// Starts it again on the same store, after killing it if it still runs. The ports are new.
    pub fn restart(&mut self) {
        self.kill9();
        self.process = Some(Process::start(&self.deployment));
    }

    fn process(&self) -> &Process {
        self.process.as_ref().expect("the server runs")
    }
}

impl std::ops::Deref for Server {
    type Target = Deployment;

    fn deref(&self) -> &Deployment {
        &self.deployment
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let (true, Some(process)) = (std::thread::panicking(), &self.process) {
            process.print_log();
        }
        self.kill9();
    }
}

/// One run of `primetrade serve`. Dropping it kills it.
struct Process {
    child: Child,
    watchdog: Watchdog,
    stdout: Captured,
    stderr: Captured,
    url: String,
    admin_url: String,
}

impl Process {
    fn start(deployment: &Deployment) -> Self {
        let mut child = deployment
            .command()
            .arg("serve")
            .args(&deployment.arguments)
            .stdin(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut process = Self {
            watchdog: Watchdog::over(child.id(), deployment.folder()),
            stdout: Captured::from(child.stdout.take().expect("stdout is a pipe")),
            stderr: Captured::from(child.stderr.take().expect("stderr is a pipe")),
            child,
            url: String::new(),
            admin_url: String::new(),
        };
        (process.url, process.admin_url) = eventually("the server printed its addresses", || process.addresses());
        process
    }

    /// Both listeners, once the server has printed them.
    fn addresses(&mut self) -> Option<(String, String)> {
        // Asked before the output is read: what an ended process printed is then complete enough to be found.
        let ended = self.child.try_wait().expect("our own child");
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
    fn print_log(&self) {
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
fn binary() -> PathBuf {
    let built = || {
        let test = std::env::current_exe().ok()?;
        Some(test.parent()?.parent()?.join("primetrade"))
    };
    let binary = std::env::var_os("PRIMETRADE_BIN").map(PathBuf::from).or_else(built);
    binary
        .filter(|file| file.exists())
        .expect("the primetrade binary: build it with `cargo build -p primetrade`, or name it in PRIMETRADE_BIN")
}
