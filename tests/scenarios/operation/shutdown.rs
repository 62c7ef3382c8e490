//! SIGTERM.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::{Client, Deployment, Server, Topology, eventually, on_each};

use crate::people::register;
use crate::v1::{create_named, list, names};

on_each!(
    a_stopped_server_exits_with_0,
    requests_under_way_are_finished,
    clients_that_are_told_when_to_leave_see_no_failure,
    a_server_starts_again_on_what_it_left,
);

fn a_stopped_server_exits_with_0(topology: Topology) {
    let mut server = Server::start(topology);
    let ada = register(&server);
    // The connection of this client stays open, and does not hold the server up.
    create_named(&ada.api, "kept");
    let status = server.terminate();
    assert_eq!(status.code(), Some(0), "{status}");
    server.restart();
    let api = server.client().with_token(&ada.token);
    assert_eq!(names(&api, ""), ["kept"]);
}

/// Clients that write without pause see answers until the listener closes; each answer stands.
fn requests_under_way_are_finished(topology: Topology) {
    let mut server = Server::start(topology);
    let ada = register(&server);
    let (created, stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
    let body = json!({ "name": "x", "price": 1 }).to_string();
    let headers = [("content-type", "application/json")];
    let write = || {
        while !stopped.load(Ordering::Relaxed) {
            match ada.api.try_send("POST", "/api/v1/products", &headers, Some(body.as_bytes())) {
                Ok(answer) if answer.status == 201 => created.fetch_add(1, Ordering::Relaxed),
                // Draining servers may say so.
                Ok(answer) => {
                    assert_eq!(answer.status, 503, "{}", answer.text());
                    break;
                }
                Err(_) => break,
            };
        }
    };
    let status = std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(write);
        }
        eventually("some products exist", || (created.load(Ordering::Relaxed) > 50).then_some(()));
        let status = server.terminate();
        stopped.store(true, Ordering::Relaxed);
        status
    });
    assert_eq!(status.code(), Some(0), "{status}");
    server.restart();
    let api = server.client().with_token(&ada.token);
    let total = list(&api, "")["pagination"]["total"].as_u64().expect("a total");
    let acknowledged = created.load(Ordering::Relaxed) as u64;
    // A request that arrived as the listener closed may have been done without its client hearing of it.
    assert!((acknowledged..=acknowledged + 4).contains(&total), "{acknowledged} acknowledged, {total} exist");
}

/// Asks on one connection until the server announces its end, and counts the answers. A panic is a request that failed.
fn ask_until_told(address: &str, pause: Duration, answered: &AtomicUsize) {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout above zero");
    loop {
        stream.write_all(b"GET /api/v2/products HTTP/1.1\r\nHost: x\r\n\r\n").expect("an open connection");
        let answer = whole_answer(&mut stream);
        assert!(answer.starts_with("http/1.1 200 "), "{answer}");
        answered.fetch_add(1, Ordering::Relaxed);
        if answer.contains("\r\nconnection: close\r\n") {
            assert_eq!(stream.read(&mut [0]).expect("an orderly end"), 0);
            return;
        }
        std::thread::sleep(pause);
    }
}

fn whole_answer(stream: &mut TcpStream) -> String {
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut buffer).expect("an answer");
        assert!(read > 0, "the connection ended without an answer: {:?}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&answer).to_lowercase();
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next()?.parse().ok());
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
        if body.zip(length).is_some_and(|(body, length): (usize, usize)| body >= length) {
            return text;
        }
    }
}

fn clients_that_are_told_when_to_leave_see_no_failure(topology: Topology) {
    let mut server = Server::start(topology);
    let address = server.url().trim_start_matches("http://").to_owned();
    let (busy, calm) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let status = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..12)
            .map(|number| {
                let (pause, answered) = if number < 4 { (0, &busy) } else { (number * 50, &calm) };
                let address = &address;
                scope.spawn(move || ask_until_told(address, Duration::from_millis(pause), answered))
            })
            .collect();
        let all_at_it = || busy.load(Ordering::Relaxed) > 100 && calm.load(Ordering::Relaxed) > 8;
        eventually("all clients ask", || all_at_it().then_some(()));
        let began = Instant::now();
        let status = server.terminate();
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        for client in clients {
            client.join().expect("no request failed");
        }
        status
    });
    assert_eq!(status.code(), Some(0), "{status}");
}

/// Load balancers have time to notice.
#[test]
fn requests_are_served_through_the_drain_delay_while_readiness_is_gone() {
    let delay = Duration::from_secs(2);
    let mut server = Deployment::new(Topology::Sqlite).set("HTTP__DRAIN_DELAY", "2 s").start();
    let (url, public, admin) = (server.url().to_owned(), server.client(), Client::plain(server.admin_url()));
    admin.get("/readyz").expect(200);
    let began = Instant::now();
    let status = std::thread::scope(|scope| {
        let terminating = scope.spawn(|| server.terminate());
        eventually("it is not ready", || (admin.get("/readyz").status == 503).then_some(()));
        assert!(began.elapsed() < delay / 2, "at once");
        while began.elapsed() < delay * 3 / 4 {
            admin.get("/readyz").expect(503);
            admin.get("/livez").expect(200);
            public.get("/health").expect(200);
            // A connection of its own.
            Client::plain(&url).get("/health").expect(200);
            std::thread::sleep(Duration::from_millis(20));
        }
        terminating.join().expect("it ends")
    });
    assert_eq!(status.code(), Some(0), "{status}");
    assert!(began.elapsed() >= delay, "{:?}", began.elapsed());
}

fn a_server_starts_again_on_what_it_left(topology: Topology) {
    let mut server = Deployment::new(topology).start();
    let ada = register(&server);
    for round in 0..3 {
        let api = server.client().with_token(&ada.token);
        create_named(&api, &format!("{round}"));
        assert_eq!(names(&api, "").len(), round + 1);
        server.restart();
    }
}

/// A stopped server's files are whole without their write-ahead logs, and nobody else's to read.
#[test]
fn the_files_of_a_stopped_server_can_be_copied() {
    let mut server = Server::start(Topology::Sqlite);
    let ada = register(&server);
    create_named(&ada.api, "kept");
    server.terminate();
    let copy = Deployment::new(Topology::Sqlite);
    std::fs::create_dir(copy.data_folder()).expect("an empty deployment has no data");
    for file in ["auth.db", "products.db", "users.db", "keys.json"] {
        let original = server.data_folder().join(file);
        let mode = std::fs::metadata(&original).expect("the file is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file}: mode {mode:o}");
        std::fs::copy(original, copy.data_folder().join(file)).expect("the file can be copied");
    }
    let copied = copy.start();
    assert_eq!(names(&copied.client().with_token(&ada.token), ""), ["kept"]);
}
