//! `deploy/rolling-restart.sh`: all processes restarted one after the other, and no client notices.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use testkit::Server;

use super::load::{Load, Manner, Report};
use super::{start, wanted};

/// How often it is looked whether a process has ended.
const LOOK: Duration = Duration::from_millis(20);

/// `PRIMETRADE_TEST_ROUNDS` asks for more than one round, `PRIMETRADE_TEST_REQUESTS` for rounds until so many requests were answered.
#[test]
fn a_rolling_restart_fails_no_request() {
    let (rounds, requests) = (wanted("PRIMETRADE_TEST_ROUNDS", 1), wanted("PRIMETRADE_TEST_REQUESTS", 0));
    let mut server = start();
    let load = Load::of(&server);
    let began = Instant::now();
    let report = load.during(&[Manner::Once; 6], |run| {
        run.goes_on(100);
        let mut answered = 0;
        for round in 1.. {
            if round > rounds && answered >= requests {
                break;
            }
            restart_all(&mut server);
            answered = run.look(|report| report.answered);
            println!("round {round}: {answered} requests so far, {:?}", began.elapsed());
        }
        run.goes_on(100);
    });
    let Report { answered, failed_once, .. } = &report;
    println!("{answered} requests, {} failed", failed_once.len());
    assert!(failed_once.is_empty(), "{failed_once:#?}");
    load.assert_kept(&report);
}

/// Whoever is behind the one that does not come back goes on.
#[test]
fn it_stops_at_the_first_that_does_not_come_back() {
    let mut server = start();
    let names = ["users-1", "users-2"].map(str::to_owned);
    let before = server.member("users-2").id();
    let list = list(&server, &names);
    let mut script = script(&list, &[("WAIT", "4")]);
    let mut ended = Vec::new();
    // It is told to start, and nobody does.
    let status = loop {
        ended.extend(server.collect_ended().into_iter().map(|(name, _)| name));
        if let Some(status) = script.try_wait().expect("our own child") {
            break status;
        }
        std::thread::sleep(LOOK);
    };
    assert_eq!((status.code(), ended), (Some(1), vec!["users-1".to_owned()]));
    assert_eq!(server.member("users-2").id(), before);
    server.client().get("/api/v2/users").expect(401);
    // And nothing is begun now.
    let status = self::script(&list, &[]).wait().expect("our own child");
    assert_eq!((status.code(), server.collect_ended().len()), (Some(1), 0));
    for wrong in ["", "only-a-pid-file\n"] {
        std::fs::write(&list, wrong).expect("a list");
        assert_eq!(self::script(&list, &[]).wait().expect("our own child").code(), Some(2), "{wrong:?}");
    }
}

/// The list of the script: it prints who is to be started, and [`restart_all`] does it.
fn list(server: &Server, names: &[String]) -> PathBuf {
    let mut lines = String::from("# PID-FILE ADMIN COMMAND\n\n");
    for name in names {
        let admin = server.member(name).admin_url.trim_start_matches("http://").to_owned();
        let file = write_pid(server, name);
        writeln!(lines, "{} {admin} echo {name}", file.display()).expect("a string takes any text");
    }
    let list = server.folder().join("instances");
    std::fs::write(&list, lines).expect("a folder of our own");
    list
}

fn write_pid(server: &Server, name: &str) -> PathBuf {
    let file = server.folder().join(format!("{name}.pid"));
    std::fs::write(&file, format!("{}\n", server.member(name).id())).expect("a folder of our own");
    file
}

fn script(list: &Path, settings: &[(&str, &str)]) -> Child {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/rolling-restart.sh");
    let mut command = Command::new("sh");
    command.arg(script).arg(list).envs(settings.iter().copied()).stdout(Stdio::piped());
    command.spawn().expect("sh starts")
}

/// Every process ends as it should, once.
fn restart_all(server: &mut Server) {
    let names = server.names();
    let list = list(server, &names);
    let mut script = script(&list, &[("PAUSE", "0.5")]);
    let lines = BufReader::new(script.stdout.take().expect("stdout is a pipe")).lines();
    let (told, wishes) = mpsc::channel();
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(told.send(line))));
    let mut ended = Vec::new();
    loop {
        for (name, status) in server.collect_ended() {
            assert!(status.success(), "{name}: {status}");
            ended.push(name);
        }
        match wishes.recv_timeout(LOOK) {
            Ok(name) => {
                server.restart_member(&name);
                write_pid(server, &name);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    assert!(script.wait().expect("our own child").success());
    assert_eq!(ended, names, "each once, one after the other");
}
