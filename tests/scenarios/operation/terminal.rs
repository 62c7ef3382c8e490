//! What a person at a terminal sees.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::pty::{self, OpenptFlags};
use rustix::termios::{self, LocalModes};
use testkit::{Client, Deployment, Topology, binary, eventually, free_port};

/// A server on a terminal, as `script` makes one.
struct OnTerminal(Child);

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn on_terminal(folder: &Path, arguments: &str, variables: &[(&str, &str)]) -> OnTerminal {
    let serve = format!("exec {} serve {arguments} --admin-listen=127.0.0.1:0", binary().display());
    let mut command = Command::new("script");
    command
        .args(["-qefc", &serve, "seen"])
        .current_dir(folder)
        .env("TERM", "xterm")
        .env("PRIMETRADE_SHOP__NAME", "Ada & Co.");
    command.envs(variables.iter().copied()).stdin(Stdio::null()).stdout(Stdio::null());
    OnTerminal(command.spawn().expect("script starts"))
}

fn seen(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("seen")).unwrap_or_default()
}

#[test]
fn a_terminal_shows_a_whole_banner_and_short_lines() {
    let deployment = Deployment::new(Topology::Sqlite);
    let (folder, port) = (deployment.folder(), free_port());
    let _server = on_terminal(folder, &format!("--port {port}"), &[]);
    let text = || seen(folder);
    eventually("it serves", || text().contains("primetrade help settings").then_some(()));
    let client = Client::plain(&format!("http://127.0.0.1:{port}"));
    client.get("/api/v2/products").expect(200);
    client.get("/api/v2/me").expect(401);
    let shown = eventually("the requests are shown", || Some(text()).filter(|text| text.contains("/api/v2/me ")));
    let lines: Vec<&str> = shown.lines().map(str::trim_end).collect();
    let banner = lines.iter().position(|line| line.starts_with("PrimeTrade is serving on")).expect("a banner");
    let expected = [
        format!("PrimeTrade is serving on http://127.0.0.1:{port}"),
        format!("API page: http://127.0.0.1:{port}/api-docs"),
    ];
    assert_eq!(lines[banner..banner + 2], expected, "{shown}");
    let end = lines.iter().position(|line| line.starts_with("Settings: primetrade help settings")).expect("its end");
    for line in &lines[banner..=end] {
        assert!(!line.contains('\u{1b}'), "no line of the log is in it: {shown}");
    }
    for words in ["Shop: Ada & Co.", "To become administrator: primetrade admin create"] {
        assert!(lines[banner..end].iter().any(|line| line.starts_with(words)), "{words}: {shown}");
    }
    let request = |path: &str, status: &str| {
        let line = lines.iter().find(|line| line.contains(path)).copied().unwrap_or_default();
        assert!(line.contains(&format!("GET {path} \u{1b}[{status}\u{1b}[0m")) && line.contains(" ms"), "{line:?}");
        assert!(line.chars().count() < 90 && !line.contains("request_id"), "{line:?}");
    };
    request("/api/v2/products", "32m200");
    request("/api/v2/me", "33m401");
}

#[test]
fn who_wants_no_colours_gets_none() {
    let deployment = Deployment::new(Topology::Sqlite);
    let (folder, port) = (deployment.folder(), free_port());
    let _server = on_terminal(folder, &format!("--http-listen localhost:{port}"), &[("NO_COLOR", "1")]);
    eventually("it serves", || seen(folder).contains("primetrade help settings").then_some(()));
    Client::plain(&format!("http://127.0.0.1:{port}")).get("/api/v2/products").expect(200);
    let shown = eventually("the request is shown", || {
        Some(seen(folder)).filter(|text| text.contains("GET /api/v2/products 200 "))
    });
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
}

/// A password is asked for on a terminal, and not shown there.
#[test]
fn a_password_is_typed_unseen() {
    let deployment = Deployment::new(Topology::Sqlite);
    // Not for what other tests start meanwhile.
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let person: OwnedFd = pty::openpt(flags).expect("a terminal");
    pty::grantpt(&person).and_then(|()| pty::unlockpt(&person)).expect("a terminal of ours");
    let terminal = pty::ioctl_tiocgptpeer(&person, flags).expect("its other end");
    let end = || terminal.try_clone().expect("another handle");
    let create = ["admin", "create", "--username", "ada", "--email", "ada@example.com", "--password-stdin"];
    let mut command = Command::new(binary());
    command.env("PRIMETRADE_DATABASE__URL", format!("sqlite:{}", deployment.data_folder().display()));
    command.args(create).current_dir(deployment.folder()).stdin(end()).stdout(end()).stderr(end());
    let mut child = command.spawn().expect("the binary starts");
    let is_shown = || termios::tcgetattr(&person).is_ok_and(|modes| modes.local_modes.contains(LocalModes::ECHO));
    let (password, keyboard) = ("correct horse battery", File::from(person.try_clone().expect("another handle")));
    let mut seen = String::new();
    let read_until = |words: &str, seen: &mut String| {
        let mut some = [0; 256];
        while !seen.contains(words) {
            let count = (&keyboard).read(&mut some).expect("more is to come");
            seen.push_str(&String::from_utf8_lossy(&some[..count]));
        }
    };
    for prompt in ["Password: ", "The same again: "] {
        read_until(prompt, &mut seen);
        eventually("what is typed is not shown", || (!is_shown()).then_some(()));
        (&keyboard).write_all(format!("{password}\n").as_bytes()).expect("it is typed");
    }
    read_until("ada@example.com", &mut seen);
    assert!(child.wait().expect("it ends").success());
    assert!(is_shown(), "the terminal is as it was");
    assert!(!seen.contains(password), "{seen}");
    let server = deployment.start();
    crate::v2::open(&server.client(), "ada@example.com", password).expect(201);
}

#[test]
fn the_banner_names_an_address_that_a_browser_opens() {
    let deployment = Deployment::new(Topology::Sqlite);
    let (folder, port) = (deployment.folder(), free_port());
    let _server = on_terminal(folder, &format!("--http-listen 0.0.0.0:{port}"), &[]);
    let shown = eventually("it serves", || Some(seen(folder)).filter(|text| text.contains("primetrade help settings")));
    assert!(shown.contains(&format!("API page: http://localhost:{port}/api-docs")), "{shown}");
}

#[test]
fn settings_have_a_page_of_their_own() {
    let deployment = Deployment::new(Topology::Sqlite);
    let page = deployment.run(&["help", "settings"]).expect_code(0).stdout;
    assert!(page.contains("--http-listen") && page.contains("PRIMETRADE_HTTP__LISTEN"), "{page}");
    let help = deployment.run(&["serve", "--help"]).expect_code(0).stdout;
    assert!(
        help.contains("--port") && help.contains("primetrade help settings") && !help.contains("--http-listen"),
        "{help}"
    );
    let hint = deployment.run(&["start"]).expect_code(2).stderr;
    assert!(hint.contains("primetrade serve"), "{hint}");
}
