//! One private PostgreSQL cluster per test process, and a fresh database per test; a cluster of its own for a test that stops it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::watchdog::Watchdog;

/// Makes a database of its own for the caller and returns its `postgres://` URL.
///
/// # Panics
/// When no PostgreSQL is installed, or it does not start.
pub fn database() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    psql(&cluster().url("postgres"), "public", &format!("create database {name}"));
    cluster().url(&name)
}

/// Runs SQL with `schema` in front, and returns the rows as text.
pub(crate) fn psql(url: &str, schema: &str, sql: &str) -> Vec<Vec<String>> {
    let output = Command::new(binaries().join("psql"))
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
        // Separators that no value contains.
        .args(["-F", "\u{1f}", "-R", "\u{1e}", "-d", url, "-c", sql])
        .env("PGOPTIONS", format!("-c search_path={schema}"))
        .output()
        .expect("psql starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{sql}\n{errors}");
    let rows = String::from_utf8(output.stdout).expect("psql speaks UTF-8");
    rows.trim_end_matches('\n')
        .split('\u{1e}')
        .filter(|row| !row.is_empty())
        .map(|row| row.split('\u{1f}').map(str::to_owned).collect())
        .collect()
}

/// Copies the schemas of our services into another database, as the operator's guide says.
///
/// # Panics
/// When that fails.
pub fn dump_into(from: &str, to: &str) {
    let script = r#"set -o pipefail; "$1/pg_dump" -O -x -n auth -n products "$2" |
        "$1/psql" -X -q -1 -v ON_ERROR_STOP=1 -d "$3" >/dev/null"#;
    let mut bash = Command::new("bash");
    let copied = bash.args(["-c", script, "bash"]).arg(binaries()).args([from, to]).output().expect("bash starts");
    assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
}

/// A PostgreSQL server, stopped and removed when it is dropped, or when this process ends.
pub struct Cluster {
    port: u16,
    /// What the watchdog answers to our wishes.
    answers: BufReader<ChildStdout>,
    watchdog: Watchdog,
}

impl Cluster {
    /// One more server, on a free port.
    ///
    /// # Panics
    /// When no PostgreSQL is installed, or it does not start.
    pub fn start_own() -> Self {
        let binaries = binaries();
        // Somebody else may take the free port before PostgreSQL does; then it does not start, and we take another.
        (0..5).find_map(|_| start(binaries, free_port())).expect("PostgreSQL starts; its own words are on stderr")
    }

    /// The URL of a database of it.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Stops the server as an operator does: connections are cut, and no more are taken.
    ///
    /// # Panics
    /// When it does not stop.
    pub fn stop(&mut self) {
        self.have("stop");
    }

    /// Starts it again, where it was, with what it had.
    ///
    /// # Panics
    /// When it does not start.
    pub fn resume(&mut self) {
        self.have("start");
    }

    /// Stops all of its processes where they are, as a machine does that hangs: connections stay, and nothing is answered.
    ///
    /// # Panics
    /// When they cannot be stopped.
    pub fn freeze(&mut self) {
        self.have("freeze");
    }

    /// Has them go on.
    ///
    /// # Panics
    /// When they cannot.
    pub fn thaw(&mut self) {
        self.have("thaw");
    }

    fn have(&mut self, what: &str) {
        let wishes = self.watchdog.shell().stdin.as_mut().expect("stdin is a pipe");
        writeln!(wishes, "{what}").expect("the watchdog listens");
        assert_eq!(line(&mut self.answers), "done\n", "{what}; PostgreSQL's own words are on stderr");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.watchdog.finish();
    }
}

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::start_own)
}

/// Everything happens in the watchdog's shell, so that whatever it began is undone even when we are killed half-way.
const SCRIPT: &str = r#"
binaries=$1 port=$2
folder=$(mktemp -d "$3/primetrade-postgres-XXXXXX") || exit 1
family() { head -n 1 "$folder/data/postmaster.pid" && cat "/proc/$(head -n 1 "$folder/data/postmaster.pid")"/task/*/children; }
finish() {
    thaw 2>/dev/null
    "$binaries/pg_ctl" -D "$folder/data" -m immediate -s stop >/dev/null 2>&1
    rm -rf "$folder"
}
trap finish EXIT
run() { "$@" >"$folder/log" 2>&1 || { cat "$folder"/log* >&2; exit 1; }; }
run "$binaries/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync
start() {
    run "$binaries/pg_ctl" -D "$folder/data" -l "$folder/log.server" -w -t 60 start -o "-p $port \
        -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=300 \
        -c fsync=off -c full_page_writes=off"
}
freeze() { kill -STOP $(family); }
thaw() { kill -CONT $(family); }
stop() { run "$binaries/pg_ctl" -D "$folder/data" -m fast -w -t 60 stop; }
start
echo ready
while read -r wish; do "$wish" && echo done; done
"#;

fn start(binaries: &Path, port: u16) -> Option<Cluster> {
    let mut shell = shell_of_an_ordinary_user();
    shell.current_dir("/").stdout(Stdio::piped());
    let args = [binaries.into(), port.to_string().into(), std::env::temp_dir().into()];
    let mut watchdog = Watchdog::start(shell, SCRIPT, &args);
    let mut answers = BufReader::new(watchdog.shell().stdout.take().expect("stdout is a pipe"));
    (line(&mut answers) == "ready\n").then_some(Cluster { port, answers, watchdog })
}

fn line(answers: &mut impl BufRead) -> String {
    let mut line = String::new();
    answers.read_line(&mut line).expect("the watchdog speaks UTF-8");
    line
}

/// PostgreSQL refuses to run as root.
fn shell_of_an_ordinary_user() -> Command {
    if id(&["-u"]).as_deref() != Some("0") {
        return Command::new("sh");
    }
    let user = ["postgres", "nobody"].into_iter().find(|user| id(&["-u", user]).is_some());
    let user = user.expect("a user named postgres or nobody, because PostgreSQL does not run as root");
    let group = id(&["-g", user]).expect("every user has a group");
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={user}"));
    command.arg(format!("--regid={group}"));
    command.args(["--clear-groups", "sh"]);
    command
}

/// What `id` says, if it knows the user.
fn id(args: &[&str]) -> Option<String> {
    let output = Command::new("id").args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// `PG_BIN`, else the newest of Debian's versions, else where `PATH` leads.
fn binaries() -> &'static Path {
    static BINARIES: OnceLock<PathBuf> = OnceLock::new();
    BINARIES.get_or_init(find_binaries)
}

fn find_binaries() -> PathBuf {
    if let Some(folder) = std::env::var_os("PG_BIN") {
        return folder.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    newest_of_debian()
        .into_iter()
        .chain(std::env::split_paths(&path))
        .find(|folder| ["initdb", "pg_ctl", "psql"].iter().all(|tool| folder.join(tool).exists()))
        .unwrap_or_else(|| {
            panic!("PostgreSQL is not installed: `apt-get install postgresql` brings it; PG_BIN names its bin folder elsewhere")
        })
}

fn newest_of_debian() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let number = |folder: &PathBuf| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.flatten().map(|entry| entry.path()).max_by_key(number);
    newest.map(|folder| folder.join("bin"))
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;
    use crate::wait::eventually;

    const HOLDER: &str = "PRIMETRADE_TEST_HOLDS_A_CLUSTER";

    /// Not a test of its own: the process that `a_killed_test_leaves_nothing_behind` kills.
    #[test]
    fn holds_a_cluster_until_it_is_killed() {
        if std::env::var_os(HOLDER).is_some() {
            let folder = psql(&database(), "public", "show data_directory");
            println!("\n{} {}", cluster().port, folder[0][0]);
            std::thread::sleep(crate::wait::PATIENCE);
        }
    }

    #[test]
    fn a_killed_test_leaves_nothing_behind() {
        let mut holder = Command::new(std::env::current_exe().expect("our own name"))
            .args(["holds_a_cluster_until_it_is_killed", "--nocapture"])
            .env(HOLDER, "1")
            .stdout(Stdio::piped())
            .spawn()
            .expect("a second test process");
        let lines = BufReader::new(holder.stdout.take().expect("stdout is a pipe")).lines();
        let (port, folder) = lines
            .map_while(Result::ok)
            .find_map(|line| Some((line.split_once(" /")?.0.parse::<u16>().ok()?, line)))
            .map(|(port, line)| (port, PathBuf::from(line.split_once(' ').expect("as printed").1)))
            .expect("a port and a folder");
        assert!(TcpStream::connect(("127.0.0.1", port)).is_ok() && folder.exists());
        holder.kill().expect("kill -9");
        holder.wait().expect("our own child");
        eventually("PostgreSQL is gone", || {
            let gone = TcpStream::connect(("127.0.0.1", port)).is_err();
            (gone && !folder.exists()).then_some(())
        });
    }
}
