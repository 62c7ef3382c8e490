//! What happens on a connection beyond one request and its answer.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;
use testkit::{Deployment, Server, Topology, eventually, on_each, raw, raw_in_parts};

use crate::people::PASSWORD;
use crate::v1::text;
use crate::v2::{open, register};

on_each!(
    a_refusal_reaches_a_client_that_is_still_sending,
    a_request_that_is_held_back_cannot_use_what_its_caller_was_allowed,
    requests_that_are_held_back_keep_nobody_out,
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
    let chunked = format!("{head}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{{\"a\":\r\n");
    let answer = raw_in_parts(server.url(), &[chunked.as_bytes(), b"2\r\n1}\r\n0\r\n\r\n"]);
    assert_eq!(statuses(&answer), ["401"]);
    let pipelined =
        format!("{head}Content-Length: 2\r\n\r\n{{}}GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!(statuses(&raw(server.url(), pipelined.as_bytes())), ["401", "200"]);
}

/// Sends a request but for its last byte.
fn held_back(server: &Server, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.url().trim_start_matches("http://")).expect("the server listens");
    stream.set_nodelay(true).expect("an open socket");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout above zero");
    stream.write_all(&request.as_bytes()[..request.len() - 1]).expect("an open connection");
    stream
}

fn a_request_that_is_held_back_cannot_use_what_its_caller_was_allowed(topology: Topology) {
    let server = Server::start(topology);
    let email = register(&server);
    let token = text(&open(&server.client(), &email, PASSWORD).expect(201).json()["access_token"]);
    let api = server.client().with_token(&token);
    let request = |method: &str, path: &str, body: &str| {
        format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nIf-Match: *\r\n\
             Authorization: Bearer {token}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let product = json!({ "name": "Lamp", "price": { "amount": 1, "currency": "USD" }, "status": "active" });
    let held = [
        request("POST", "/api/v2/products", &product.to_string()),
        request("POST", "/api/v1/products", r#"{"name": "Lamp", "price": 1, "stock": 1}"#),
        request("PATCH", "/api/v2/me", r#"{"username": "back_again"}"#),
        request("PUT", "/api/v2/me/password", r#"{"current_password": "x", "new_password": "incorrect zebra"}"#),
    ];
    let streams: Vec<TcpStream> = held.iter().map(|request| held_back(&server, request)).collect();
    // They are known to the server before the account goes.
    std::thread::sleep(Duration::from_millis(200));
    api.send("DELETE", "/api/v2/me", &[("if-match", "*")], None).expect(204);
    for (mut stream, request) in streams.into_iter().zip(&held) {
        stream.write_all(&request.as_bytes()[request.len() - 1..]).expect("an open connection");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        assert_eq!(statuses(&answer), ["401"], "{request}");
    }
    let listed = server.client().get("/api/v2/products").expect(200).json();
    assert_eq!(listed["items"], json!([]));
}

fn requests_that_are_held_back_keep_nobody_out(topology: Topology) {
    let server = Deployment::new(topology).set("HTTP__MAX_REQUESTS", "2").start();
    let request = "POST /api/v2/accounts HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n1234567890";
    let _held: Vec<TcpStream> = (0..20).map(|_| held_back(&server, request)).collect();
    std::thread::sleep(Duration::from_millis(200));
    register(&server);
    // Nor do large ones, of which there may be fewer.
    let body = "1".repeat(20_000);
    let request = format!("POST /api/v2/accounts HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n{body}");
    let _held: Vec<TcpStream> = (0..400).map(|_| held_back(&server, &request)).collect();
    register(&server);
    let full = || Some(server.client().post("/api/v2/accounts", &json!({ "x": body }))).filter(|a| a.status == 503);
    eventually("large bodies are refused", full);
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
