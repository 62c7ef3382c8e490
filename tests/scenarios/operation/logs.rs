//! The log of requests.

use std::collections::HashSet;

use serde_json::{Value, json};
use testkit::{Deployment, Response, Server, Topology, eventually, on_each, raw};

use crate::people::{PASSWORD, register};
use crate::v1::{NOBODY, create_named, log_in, path, text};
use crate::v2;

on_each!(
    each_request_has_one_line,
    request_ids_are_unique_and_taken_over_from_nobody_blindly,
    secrets_are_not_logged,
    tokens_that_are_over_are_told_from_others,
    what_strangers_ask_for_is_not_logged,
);

/// What the processes call themselves that clients talk to.
const EDGES: [&str; 2] = ["primetrade", "primetrade-gateway"];

fn is_edge(line: &Value) -> bool {
    EDGES.iter().any(|edge| line["service.name"] == *edge)
}

/// The lines of one request, once that of its answer is there.
fn lines_of(server: &Server, answer: &Response) -> Vec<Value> {
    let id = answer.header("x-request-id").expect("a request id").to_owned();
    eventually("the request is in the log", || {
        let lines: Vec<Value> = server.log_lines().into_iter().filter(|line| line["request_id"] == *id).collect();
        lines.iter().any(|line| is_edge(line) && line.get("http.response.status_code").is_some()).then_some(lines)
    })
}

fn each_request_has_one_line(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let product = path(&create_named(&ada.api, "x"));
    let client = server.client();
    let answers = [
        (client.get("/health"), Some("/health")),
        (ada.api.get("/api/v1/products?search=x"), Some("/api/v1/products")),
        (ada.api.get(&product), Some("/api/v1/products/{id}")),
        (ada.api.get(&format!("/api/v1/products/{NOBODY}")), Some("/api/v1/products/{id}")),
        (ada.api.post("/api/v1/products", &json!({})), Some("/api/v1/products")),
        (client.get("/api/v1/products"), Some("/api/v1/products")),
        (client.get("/api/v2/products"), Some("/api/v2/products")),
        (client.get("/api/nothing/7"), None),
        (ada.api.post_text("/api/v1/products", "{"), Some("/api/v1/products")),
    ];
    for (answer, route) in answers {
        let lines = lines_of(&server, &answer);
        let requests: Vec<&Value> = lines.iter().filter(|line| line.get("duration_ms").is_some()).collect();
        let services: HashSet<String> = requests.iter().map(|line| line["service.name"].to_string()).collect();
        assert_eq!(services.len(), requests.len(), "one line per request and process: {lines:?}");
        assert!(requests.iter().all(|line| line["trace_id"] == requests[0]["trace_id"]), "they join: {lines:?}");
        // Of a cluster, the gateway's.
        let line = requests.iter().find(|line| is_edge(line)).expect("a line");
        assert_eq!(line["http.response.status_code"], answer.status, "{line}");
        match route {
            Some(route) => assert_eq!(line["http.route"], route, "{line}"),
            // A raw path is no route: what strangers send does not become a label.
            None => assert!(!line["http.route"].to_string().contains("nothing"), "{line}"),
        }
        for field in ["timestamp", "severity", "message"] {
            assert!(line[field].is_string(), "{field}: {line}");
        }
        for field in ["duration_ms", "db.queries", "db.time_ms"] {
            assert!(line[field].is_number(), "{field}: {line}");
        }
    }
    let read = ada.api.get(&product);
    // Of a cluster, in the line of the process that reads, which may come after the gateway's.
    eventually("the queries are told", || {
        lines_of(&server, &read).iter().any(|line| line["db.queries"].as_u64() > Some(0)).then_some(())
    });
    assert_eq!(lines_of(&server, &client.get("/health"))[0]["db.queries"], 0);
}

fn request_ids_are_unique_and_taken_over_from_nobody_blindly(topology: Topology) {
    let server = Server::start(topology);
    let client = server.client();
    let id = |answer: Response| answer.header("x-request-id").expect("a request id").to_owned();
    assert_ne!(id(client.get("/health")), id(client.get("/health")));
    // What a client proposes may be used or replaced, but never breaks a log line.
    for proposed in ["mine-1", "a\"b", "{}", &"x".repeat(5_000)] {
        let answer = client.send("GET", "/health", &[("x-request-id", proposed)], None).expect(200);
        assert!(id(answer.clone()).len() <= 200, "bounded");
        assert_eq!(lines_of(&server, &answer).len(), 1);
    }
}

fn secrets_are_not_logged(topology: Topology) {
    let mut server = Server::start(topology);
    let ada = register(&server);
    log_in(&server.client(), &ada.email, "Wr0ngGuess").expect(401);
    log_in(&server.client(), &ada.email, PASSWORD).expect(200);
    server.client().with_token("not.a.token-at-all").get("/api/v1/auth/me").expect(401);
    ada.api.post_text("/api/v1/products", "{\"name\": \"top-secret-body\"").expect(400);
    let last = ada.api.get("/api/v1/auth/me").expect(200);
    lines_of(&server, &last);
    let log = server.stderr();
    for secret in
        [PASSWORD, "Wr0ngGuess", &ada.token, "not.a.token-at-all", "$argon2id$", "top-secret-body", &ada.email]
    {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    server.kill9();
}

fn tokens_that_are_over_are_told_from_others(topology: Topology) {
    let server = Deployment::new(topology).set("AUTH__ACCESS_TOKEN_LIFETIME", "1s").start();
    let ada = register(&server);
    let opened = v2::open(&server.client(), &ada.email, PASSWORD).expect(201).json();
    let token = text(&opened["access_token"]);
    let over = server.client().with_token(&token);
    eventually("the token is over", || (over.get("/api/v2/me").status == 401).then_some(()));
    server.client().with_token(&format!("{token}x")).get("/api/v2/me").expect(401);
    for reason in ["expired", "invalid"] {
        let is_told = |line: &Value| line["event"] == "auth.token.refused" && line["reason"] == reason;
        let line = eventually("the log tells why", || server.log_lines().into_iter().find(is_told));
        assert!(line["count"].as_u64() >= Some(1), "{line}");
    }
    assert!(!server.stderr().contains(&token));
}

fn what_strangers_ask_for_is_not_logged(topology: Topology) {
    let server = Server::start(topology);
    for (number, (method, path, shown)) in [
        ("GET", "/reset/t0ken-1234/address", "/*/*/*"),
        ("GET", "/api/v2/t0ken-1234/x?t0ken-1234", "/api/v2/*/*"),
        ("T0KEN-1234", "/api/v1/t0ken-1234", "/api/v1/*"),
        ("T0KEN-1234", "/health", ""),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("stranger-{number}");
        let head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nx-request-id: {id}\r\nconnection: close\r\n\r\n");
        assert!(raw(server.url(), head.as_bytes()).starts_with(b"HTTP/1.1 4"), "{head}");
        let line = eventually("the request is in the log", || {
            server.log_lines().into_iter().find(|line| line["request_id"] == *id && is_edge(line))
        });
        assert_eq!(line["http.request.method"], if method == "GET" { "GET" } else { "_OTHER" }, "{line}");
        assert_eq!(line["url.template"].as_str().unwrap_or_default(), shown, "{line}");
    }
    let log = server.stderr().to_lowercase();
    assert!(!log.contains("t0ken-1234"), "{log}");
}

/// A folder's name can be anything; that it cannot be made is logged at the start.
#[test]
fn no_line_commands_a_terminal() {
    for format in ["json", "pretty"] {
        let deployment = Deployment::new(Topology::Sqlite).set("LOG__FORMAT", format);
        let server = deployment.set("MAIL__SINK", "/proc/mails\u{202e}\u{2066}\u{2028}").start();
        let log =
            eventually("the folder is complained of", || Some(server.stderr()).filter(|log| log.contains("mails")));
        assert!(log.contains(r"/proc/mails\u202e\u2066\u2028"), "{format}: {log}");
        assert!(!log.contains(['\u{202e}', '\u{2066}', '\u{2028}']), "{format}: {log}");
    }
}
