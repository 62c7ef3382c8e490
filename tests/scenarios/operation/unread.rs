//! Clients that ask for much and do not read it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::{Client, Server, Topology, eventually};

use crate::selling::{create, seller, usd};

const CONNECTIONS: usize = 2_000;
/// Lists that each asks for at once.
const PIPELINED: usize = 20;
/// KiB that a process may grow by meanwhile.
const GROWTH: u64 = 64 * 1024;
/// What others may wait for. Alone it is a few milliseconds; a machine that builds and tests at once needs room.
const SOON: Duration = Duration::from_millis(250);

mod on_sqlite {
    #[test]
    fn those_who_do_not_read_cost_little_and_keep_nobody_waiting() {
        super::those_who_do_not_read_cost_little_and_keep_nobody_waiting(super::Topology::Sqlite);
    }
}

mod on_split {
    #[test]
    fn those_who_do_not_read_cost_little_and_keep_nobody_waiting() {
        super::those_who_do_not_read_cost_little_and_keep_nobody_waiting(super::Topology::Split);
    }
}

fn those_who_do_not_read_cost_little_and_keep_nobody_waiting(topology: Topology) {
    allow_files();
    let server = Server::start(topology);
    let api = large_list(&server);
    let small = create(&api, &json!({ "name": "Small", "price": usd(1), "status": "active" }));
    let (client, small) = (server.client(), crate::selling::path(&small));
    let list = client.get("/api/v2/products?limit=100").expect(200);
    assert!(list.body.len() > 1_900_000, "{}", list.body.len());
    slowest_of(&client, &small, 200);
    let process = server.member(&server.names()[0]).id();
    let memory = resident(process);

    let request = LIST.repeat(PIPELINED);
    let began = Instant::now();
    let deaf: Vec<TcpStream> = (0..CONNECTIONS).map(|_| ask(&server, &request)).collect();
    let (mut most, mut slowest, mut health) = (0, Duration::ZERO, Duration::ZERO);
    while began.elapsed() < Duration::from_secs(10) {
        slowest = slowest.max(slowest_of(&client, &small, 100));
        health = health.max(slowest_of(&client, "/health", 10));
        most = most.max(resident(process));
    }
    let grown = most.saturating_sub(memory);
    println!(
        "grown by {grown} KiB of {memory}; of others' reads, 19 of 20 were done within {slowest:?}, /health {health:?}"
    );
    assert!(grown <= GROWTH, "it grew by {grown} KiB");
    assert!(slowest < SOON && health < SOON, "others waited {slowest:?}, /health {health:?}");
    // Those whose answers wait are gone by now, and their memory with them, though none was closed by us.
    eventually("lists are made again", || (client.get("/api/v2/products?limit=100").status == 200).then_some(()));
    drop(deaf);
}

const LIST: &str = "GET /api/v2/products?limit=100 HTTP/1.1\r\nhost: x\r\n\r\n";

/// A list of two megabytes, and its seller.
fn large_list(server: &Server) -> Client {
    let api = seller(server);
    let text = "x".repeat(20_000);
    for n in 0..100 {
        let lamp = json!({ "name": format!("Lamp {n}"), "price": usd(1), "status": "active", "description": text });
        create(&api, &lamp);
    }
    api
}

/// Sends requests, and reads nothing yet.
fn ask(server: &Server, requests: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.url().trim_start_matches("http://")).expect("the server listens");
    stream.write_all(requests.as_bytes()).expect("small requests");
    stream
}

/// How long 19 of 20 of so many reads took at most.
fn slowest_of(client: &Client, path: &str, reads: usize) -> Duration {
    let mut took: Vec<Duration> = (0..reads)
        .map(|_| {
            let began = Instant::now();
            client.get(path).expect(200);
            began.elapsed()
        })
        .collect();
    took.sort_unstable();
    took[reads * 19 / 20]
}

/// KiB.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn sockets(process: u32) -> usize {
    let open = std::fs::read_dir(format!("/proc/{process}/fd")).expect("it runs").flatten();
    let targets = open.filter_map(|file| std::fs::read_link(file.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}

/// Has this process, and those that it starts, open as many files as the test needs.
fn allow_files() {
    let this = std::process::id().to_string();
    let raised = Command::new("prlimit").args(["--pid", &this, "--nofile=8192:"]).status();
    assert!(raised.is_ok_and(|status| status.success()), "8192 open files are not allowed");
}

/// Whether it waits behind an answer or in front of one.
#[test]
fn a_connection_whose_answer_nobody_takes_is_closed() {
    let server = Server::start(Topology::Sqlite);
    large_list(&server);
    let process = server.member(&server.names()[0]).id();
    // The seller's connection goes by itself.
    std::thread::sleep(Duration::from_millis(500));
    let before = sockets(process);
    let began = Instant::now();
    let deaf: Vec<TcpStream> = [1, 3].iter().map(|times| ask(&server, &LIST.repeat(*times))).collect();
    eventually("they are connected", || (sockets(process) == before + 2).then_some(()));
    eventually("they are closed", || (sockets(process) == before).then_some(()));
    let took = began.elapsed();
    assert!((Duration::from_secs(7)..Duration::from_secs(13)).contains(&took), "{took:?}");
    drop(deaf);
}

/// A client that reads on, however slowly, gets all of its answer.
#[test]
fn a_slow_reader_gets_all_of_a_list() {
    let server = Server::start(Topology::Sqlite);
    large_list(&server);
    let mut stream = ask(&server, &LIST.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n"));
    let (mut part, mut read) = (vec![0; 100_000], 0);
    let began = Instant::now();
    loop {
        match stream.read(&mut part).expect("the answer goes on") {
            0 => break,
            bytes => read += bytes,
        }
        // Longer in all than a client may read nothing.
        if began.elapsed() < Duration::from_secs(12) {
            std::thread::sleep(Duration::from_secs(3));
        }
    }
    assert!(read > 1_900_000, "{read}");
}
