//! The real binary, on a store of its own.

mod members;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;

use crate::client::Client;
use crate::output::{self, Captured, Outcome};
use crate::postgres::{self, Cluster};
use crate::process::{self, Process};
use crate::wait::eventually;
use members::{ALONE, Member, STAGES, is_public, members};

/// Which parts PrimeTrade runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// One process, SQLite files.
    Sqlite,
    /// One process, PostgreSQL.
    Postgres,
    /// Two gateways and two processes of each service, on one PostgreSQL.
    Split,
}

impl Topology {
    pub fn is_sqlite(self) -> bool {
        self == Topology::Sqlite
    }
}

/// Settings and a store, on which servers and commands run. Clones share the store.
#[derive(Clone)]
pub struct Deployment {
    topology: Topology,
    /// Working directory, data and keys.
    folder: Arc<TempDir>,
    /// Another than the one under test.
    binary: Option<PathBuf>,
    database_url: String,
    settings: Vec<(OsString, OsString)>,
    arguments: Vec<String>,
}

impl Deployment {
    /// An empty store with the default settings, but for free ports, JSON logs, and limits that are off, because a
    /// test asks more in a second than a person in a day.
    pub fn new(topology: Topology) -> Self {
        let postgres = if topology.is_sqlite() { None } else { Some(postgres::database()) };
        Self::with(topology, postgres)
    }

    /// The same on a PostgreSQL of its own, which the test may stop. `topology` is one with PostgreSQL.
    pub fn on(topology: Topology, postgres: &Cluster) -> Self {
        Self::with(topology, Some(postgres.url("postgres")))
    }

    fn with(topology: Topology, postgres: Option<String>) -> Self {
        let folder = tempfile::Builder::new().prefix("primetrade-test-").tempdir();
        let folder = folder.expect("a temporary folder");
        let (database_url, keys) = match postgres {
            None => (format!("sqlite:{}", folder.path().join("data").display()), None),
            Some(url) => (url, Some(folder.path().join("keys.json"))),
        };
        let deployment = Self {
            topology,
            folder: Arc::new(folder),
            binary: None,
            database_url: database_url.clone(),
            settings: Vec::new(),
            arguments: Vec::new(),
        };
        let deployment = deployment
            .set("HTTP__LISTEN", "127.0.0.1:0")
            .set("ADMIN__LISTEN", "127.0.0.1:0")
            .set("DATABASE__URL", &database_url)
            .set("LIMITS__ENABLED", "false")
            .set("LOG__FORMAT", "json");
        // There are many processes on one PostgreSQL, which has no connections without end.
        let deployment =
            if topology == Topology::Split { deployment.set("DATABASE__POOL_SIZE", "4") } else { deployment };
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

    /// Sets a variable of the environment by its whole name.
    pub(crate) fn variable(mut self, name: &str, value: OsString) -> Self {
        self.settings.push((name.into(), value));
        self
    }

    /// Adds an argument to `primetrade serve`.
    #[must_use]
    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// The same store with the same settings, under another binary. What that answers is not held to the committed documents:
    /// they are those of the one under test.
    #[must_use]
    pub fn under(&self, binary: &Path) -> Self {
        Self { binary: Some(binary.to_owned()), ..self.clone() }
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
        let members = members(self.topology, &self.arguments);
        let mut server = Server { deployment: self, members };
        server.run_all();
        server
    }

    /// Starts processes with these names and arguments, one after the other. That of a gateway begins so.
    pub fn start_as(self, processes: &[(&str, Vec<String>)]) -> Server {
        let start = |(name, arguments): &(&str, Vec<String>)| {
            let process = Some(Process::spawn(&self, arguments).wait());
            Member { name: (*name).to_owned(), arguments: arguments.clone(), process }
        };
        let members = processes.iter().map(start).collect();
        Server { deployment: self, members }
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
        // One that does not end fails the test, and is not left behind.
        let mut running =
            Running(command.args(args).envs(variables.iter().copied()).spawn().expect("the binary starts"));
        let child = &mut running.0;
        let mut stdout = Captured::from(child.stdout.take().expect("stdout is a pipe"));
        let mut stderr = Captured::from(child.stderr.take().expect("stderr is a pipe"));
        let mut input = child.stdin.take().expect("stdin is a pipe");
        // A command that reads nothing may have closed its end.
        let _ = input.write_all(stdin.as_bytes());
        drop(input);
        let code = output::wait(child).code();
        Outcome { code, stdout: stdout.finish(), stderr: stderr.finish() }
    }

    /// Starts a command that is left to run.
    pub fn spawn(&self, args: &[&str]) -> Running {
        Running(self.command().args(args).stdin(Stdio::null()).spawn().expect("the binary starts"))
    }

    /// The binary, with these settings and nothing of the tester's own.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(self.binary.clone().unwrap_or_else(process::binary));
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

/// A command under way. Dropping it kills it as a power cut would.
pub struct Running(Child);

impl Running {
    /// Whether it runs.
    pub fn is_alive(&mut self) -> bool {
        self.0.try_wait().expect("our own child").is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only when it has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running (or killed) server and its deployment: one process, or those of a cluster. Dropping it kills them.
pub struct Server {
    deployment: Deployment,
    /// What each is called (`gateway-1`), how it is started, and while it runs, itself. Gateways stand first.
    members: Vec<Member>,
}

impl Server {
    /// A server on an empty store with the settings of [`Deployment::new`].
    pub fn start(topology: Topology) -> Self {
        Deployment::new(topology).start()
    }

    /// The public listener, the first of a cluster: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.first().url
    }

    /// The public listeners.
    pub fn urls(&self) -> Vec<&str> {
        self.running().filter(|(name, _)| is_public(name)).map(|(_, process)| &*process.url).collect()
    }

    /// The listener of operators, of the first process.
    pub fn admin_url(&self) -> &str {
        &self.first().admin_url
    }

    /// An anonymous client of the public listener.
    pub fn client(&self) -> Client {
        if self.binary.is_some() { Client::plain(self.url()) } else { Client::public(self.url()) }
    }

    /// The names of a cluster's members.
    pub fn names(&self) -> Vec<String> {
        self.members.iter().map(|member| member.name.clone()).collect()
    }

    /// A member that runs, by its name.
    #[track_caller]
    pub fn member(&self, name: &str) -> &Process {
        self.members.iter().find(|member| member.name == name).and_then(|member| member.process.as_ref()).expect(name)
    }

    /// How a member is started, by its name: the arguments of `serve`.
    #[track_caller]
    pub fn arguments(&self, name: &str) -> &[String] {
        &self.members.iter().find(|member| member.name == name).expect(name).arguments
    }

    /// What the server printed for people.
    pub fn stdout(&self) -> String {
        self.running().map(|(_, process)| process.stdout()).collect()
    }

    /// Its log; of a cluster, the logs of its members one after the other.
    pub fn stderr(&self) -> String {
        let whole = |log: String| log.rfind('\n').map_or(String::new(), |end| log[..=end].to_owned());
        self.running().map(|(_, process)| whole(process.stderr())).collect()
    }

    /// The whole lines of its log, each of which must be a JSON object.
    pub fn log_lines(&self) -> Vec<Value> {
        self.stderr()
            .lines()
            .map(|line| match serde_json::from_str(line) {
                Ok(value @ Value::Object(_)) => value,
                _ => panic!("a log line that is no JSON object: {line}"),
            })
            .collect()
    }

    /// Kills it as a power cut would: without any warning.
    pub fn kill9(&mut self) {
        self.members.iter_mut().for_each(|member| member.process = None);
    }

    /// Kills one member without any warning.
    #[track_caller]
    pub fn kill9_member(&mut self, name: &str) {
        self.by_name(name).process = None;
    }

    /// Sends SIGTERM to all, and waits for their end: the gateways', then the others'. Returns the first that is no success.
    pub fn terminate(&mut self) -> ExitStatus {
        let mut processes: Vec<Process> = self.members.iter_mut().filter_map(|member| member.process.take()).collect();
        let end = |processes: &mut [Process]| -> Vec<ExitStatus> {
            processes.iter().for_each(|process| process.signal("TERM"));
            processes.iter_mut().map(Process::ended).collect()
        };
        let gateways = self.members.iter().filter(|member| is_public(&member.name)).count();
        let mut ended = end(&mut processes[..gateways]);
        ended.extend(end(&mut processes[gateways..]));
        let first = ended[0];
        ended.into_iter().find(|status| !status.success()).unwrap_or(first)
    }

    /// Sends SIGTERM to one member, and waits for its end.
    #[track_caller]
    pub fn terminate_member(&mut self, name: &str) -> ExitStatus {
        let mut process = self.by_name(name).process.take().expect("it runs");
        process.signal("TERM");
        process.ended()
    }

    /// Who has ended, asked or not, and how.
    pub fn collect_ended(&mut self) -> Vec<(String, ExitStatus)> {
        let mut ended = Vec::new();
        for member in &mut self.members {
            if let Some(status) = member.process.as_mut().and_then(Process::has_ended) {
                member.process = None;
                ended.push((member.name.clone(), status));
            }
        }
        ended
    }

    /// Starts it again on the same store, after killing what still runs. Where it listens is new.
    pub fn restart(&mut self) {
        self.kill9();
        for member in &mut self.members {
            // Somebody else may have taken the ports.
            member.may_move();
        }
        self.run_all();
    }

    /// Starts one member again where it was, after killing it if it still runs.
    #[track_caller]
    pub fn restart_member(&mut self, name: &str) {
        self.kill9_member(name);
        let member = self.by_name(name);
        for address in member.listeners() {
            // An outgoing connection may have been given the port for a moment.
            eventually("the member's port is free", || std::net::TcpListener::bind(address).ok().map(drop));
        }
        let arguments = member.arguments.clone();
        let process = Process::spawn(&self.deployment, &arguments).wait();
        self.by_name(name).process = Some(process);
    }

    fn run_all(&mut self) {
        let cluster = self.topology() == Topology::Split;
        let stages: Vec<&[&str]> = if cluster { STAGES.to_vec() } else { vec![&[ALONE]] };
        for stage in stages {
            let is_of_stage = |member: &&mut Member| stage.iter().any(|role| member.is(role));
            let of_stage: Vec<&mut Member> = self.members.iter_mut().filter(is_of_stage).collect();
            let spawned: Vec<Process> =
                of_stage.iter().map(|member| Process::spawn(&self.deployment, &member.arguments)).collect();
            for (member, process) in of_stage.into_iter().zip(spawned) {
                member.process = Some(process.wait());
            }
            if cluster {
                stage.iter().for_each(|role| self.tell_where(role));
            }
        }
    }

    #[track_caller]
    fn by_name(&mut self, name: &str) -> &mut Member {
        self.members.iter_mut().find(|member| member.name == name).expect(name)
    }

    fn running(&self) -> impl Iterator<Item = (&str, &Process)> {
        self.members.iter().filter_map(|member| Some((&*member.name, member.process.as_ref()?)))
    }

    fn first(&self) -> &Process {
        self.running().next().expect("the server runs").1
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
        if std::thread::panicking() {
            for (name, process) in self.running() {
                eprintln!("--- {name}");
                process.print_log();
            }
        }
        self.kill9();
    }
}
