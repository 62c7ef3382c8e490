//! What happens on a connection beyond one request and its answer.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use testkit::{Server, Topology, on_both, raw, raw_in_parts};

on_both!(
    a_refusal_reaches_a_client_that_is_still_sending,
    a_malformed_request_is_told,
    an_answer_comes_before_the_end_of_its_connection,
    an_answer_waits_for_no_further_request,
);

/// The status lines of all answers.
fn statuses(answer: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(answer);
    text.split("HTTP/1.1 ").skip(1).map(|answer| answer.chars().take(3).collect()).collect()
}

fn a_refusal_reaches_a_client_that_is_still_sending(topology: Topology) {
    let server = Server::start(topology);
    let head = "POST /api/v1/products HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\n{{\"a\":\r\n");
    let answer = raw_in_parts(server.url(), &[chunked.as_bytes(), b"2\r\n1}\r\n0\r\n\r\n"]);
    assert_eq!(statuses(&answer)[..1], ["401"]);
    let pipelined =
        format!("{head}Content-Length: 2\r\n\r\n{{}}GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!(statuses(&raw(server.url(), pipelined.as_bytes()))[..1], ["401"]);
}

fn a_malformed_request_is_told(topology: Topology) {
    let server = Server::start(topology);
    for request in ["nonsense\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /health HTTP/1.1\r\nHost x\r\n\r\n"] {
        assert_eq!(statuses(&raw(server.url(), request.as_bytes())), ["400"], "{request:?}");
    }
}

fn an_answer_comes_before_the_end_of_its_connection(topology: Topology) {
    let server = Server::start(topology);
    for request in
        ["GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n\r\n", "GET /health HTTP/1.0\r\n\r\n\r\n"]
    {
        let answer = String::from_utf8_lossy(&raw(server.url(), request.as_bytes())).into_owned();
        assert!(answer.contains(" 200 ") && answer.ends_with('}'), "{request:?}: {answer}");
    }
}

fn an_answer_waits_for_no_further_request(topology: Topology) {
    let server = Server::start(topology);
    let address = server.url().trim_start_matches("http://").to_owned();
    for behind in ["\r\n", "GET /hea", "GET /health HTTP/1.1\r\nHost: x\r\n"] {
        let mut stream = TcpStream::connect(&address).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout above zero");
        let sent = format!("GET /health HTTP/1.1\r\nHost: x\r\n\r\n{behind}");
        stream.write_all(sent.as_bytes()).expect("an open connection");
        let mut answer = [0; 4096];
        let read = stream.read(&mut answer).expect("an answer");
        assert_eq!(statuses(&answer[..read]), ["200"], "{behind:?}");
    }
}
