//! Requests that two servers could take apart differently are refused, and nothing behind them is served. The same for both stores,
//! which no request here reaches.

use serde_json::json;
use testkit::recorder::Recorder;
use testkit::{Client, Deployment, Server, Topology, raw, raw_in_parts};

/// An account that nobody may be able to make by what is smuggled.
const EMAIL: &str = "smuggled@example.com";

fn smuggled() -> String {
    let body = account().to_string();
    let head = "POST /api/v2/accounts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn account() -> serde_json::Value {
    json!({ "username": "smuggled", "email": EMAIL, "password": "incorrect zebra" })
}

/// The status of each answer, up to the end of the connection.
fn statuses(answer: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(answer).into_owned();
    let answers = text.split("HTTP/1.").skip(1);
    answers.map(|answer| answer.get(2..5).and_then(|status| status.parse().ok()).unwrap_or(0)).collect()
}

/// What is wrong in a head; each lacks the rest of its lines and the empty one.
const HEADS: &[&str] = &[
    "GET /health HTTP/1.1\nHost: x\r\n",
    "GET /health HTTP/1.1\rHost: x\r\n",
    "\nGET /health HTTP/1.1\r\nHost: x\r\n",
    "\rGET /health HTTP/1.1\r\nHost: x\r\n",
    "GET /health HTTP/1.1\r\nHost: x\n",
    "GET /health HTTP/1.1\r\nHost: x\r\nA: b\rC: d\r\n",
    "GET /health HTTP/1.1\r\nHost: x\r\nA: b\r\r\n",
    "GET /health HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n",
    "GET /health HTTP/1.1\r\n Host: x\r\n",
    "GET /health HTTP/1.1\r\nHost: x\r\nA : b\r\n",
    "GET /health HTTP/1.1\r\nHost: x\r\nA\t: b\r\n",
    "GET /health HTTP/1.1\r\nHost: x\r\nA\r\n",
    "GET /health HTTP/1.1\r\nHost: x\r\n: b\r\n",
    "GET /health HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n",
    "GET /health HTTP/1.1\r\nHost: x\r\nHost: x\r\n",
    "GET /health HTTP/1.1\r\nHost: x\r\nhost: y\r\n",
    "GET /health HTTP/1.1 \r\nHost: x\r\n",
    "GET  /health HTTP/1.1\r\nHost: x\r\n",
    "GET /health HTTP/1.2\r\nHost: x\r\n",
    "GET /health\r\nHost: x\r\n",
    "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n",
    "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\ncontent-length: 6\r\n",
    "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n",
    "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n",
    "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n",
    "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n",
    "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5 5\r\n",
    "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n",
    "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551616\r\n",
    "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n",
    "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
    "POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n",
    "POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n",
    "POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n",
    "POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \x0bchunked\r\n",
    "POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n",
    "POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n",
    "POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\n",
    "POST /health HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n",
];

/// What is wrong in a chunked body.
const BODIES: &[&str] = &[
    "5\nhello\r\n0\r\n\r\n",
    "5;a\nhello\r\n0\r\n\r\n",
    "5;a\rb\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello\n0\r\n\r\n",
    "5\r\nhello0\r\n\r\n",
    "5\r\nhelloooo\r\n0\r\n\r\n",
    "0x5\r\nhello\r\n0\r\n\r\n",
    "+5\r\nhello\r\n0\r\n\r\n",
    "-1\r\nhello\r\n0\r\n\r\n",
    " 5\r\nhello\r\n0\r\n\r\n",
    "5 5\r\nhello\r\n0\r\n\r\n",
    "\r\nhello\r\n0\r\n\r\n",
    "10000000000000005\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello\r\n0\n\n",
    "5\r\nhello\r\n0\r\nA: b\nC: d\r\n\r\n",
    "5\r\nhello\r\n0\r\nA: b\r\n c\r\n\r\n",
    "5\r\nhello\r\n0\r\nA : b\r\n\r\n",
    "5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
];

const CHUNKED: &str = "DELETE /api/v2/sessions/current HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn a_doubtful_request_ends_its_connection_and_none_behind_it_is_served() {
    let server = Server::start(Topology::Sqlite);
    let behind = smuggled();
    let check = |request: &str| {
        let good = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
        for (before, expected) in [("", &[400][..]), (good, &[200, 400])] {
            let sent = format!("{before}{request}");
            assert_eq!(statuses(&raw(server.url(), sent.as_bytes())), expected, "{sent:?}");
        }
    };
    for head in HEADS {
        check(&format!("{head}\r\nhello{behind}"));
        check(&format!("{head}\r\n0\r\n\r\n{behind}"));
    }
    for body in BODIES {
        check(&format!("{CHUNKED}{body}{behind}"));
    }
    let long = "x".repeat(10_000);
    for body in [format!("5;{long}\r\nhello\r\n0\r\n\r\n"), format!("0\r\nA: {long}\r\n\r\n"), format!("{long}\r\n")] {
        check(&format!("{CHUNKED}{body}{behind}"));
    }
    server.client().post("/api/v2/accounts", &account()).expect(201);
}

#[test]
fn nothing_of_a_doubtful_request_is_passed_on() {
    let recorder = Recorder::start();
    let gateway = Deployment::new(Topology::Sqlite).arg("--role=gateway");
    let services = ["UPSTREAMS__AUTH", "UPSTREAMS__PRODUCTS", "UPSTREAMS__USERS"];
    let gateway = services.iter().fold(gateway, |gateway, service| gateway.set(service, &recorder.address)).start();
    let behind = smuggled();
    let mut good_ones = 0;
    let mut check = |request: &str, status: u16| {
        let good = format!("GET /api/v2/products?number={good_ones} HTTP/1.1\r\nHost: x\r\n\r\n");
        good_ones += 1;
        let sent = format!("{good}{request}");
        assert_eq!(statuses(&raw(gateway.url(), sent.as_bytes())), [200, status], "{sent:?}");
        let seen = recorder.seen();
        assert_eq!(seen.len(), good_ones, "{sent:?}: {:?}", seen.last());
        let last = seen.last().map_or("", String::as_str);
        assert!(last.starts_with(good.split(" HTTP").next().unwrap_or_default()), "{sent:?}: {last:?}");
        assert!(!last.contains("hello") && !last.contains("smuggled"), "{sent:?}: {last:?}");
    };
    for head in HEADS {
        let head = head.replace("/health", "/api/v2/products");
        check(&format!("{head}\r\nhello{behind}"), 400);
        check(&format!("{head}\r\n0\r\n\r\n{behind}"), 400);
    }
    for body in BODIES {
        check(&format!("{CHUNKED}{body}{behind}"), 400);
    }
    let long = "x".repeat(40_000);
    let get = "GET /api/v2/products HTTP/1.1\r\nHost: x\r\n";
    check(&format!("{get}A: {long}\r\n\r\n{behind}"), 431);
    check(&format!("{get}{}\r\n{behind}", "A: b\r\n".repeat(90)), 431);
    check(&format!("{get}{}\r\n{behind}", "A: b\r\n".repeat(200)), 431);
    check(&format!("GET /api/v2/products?{} HTTP/1.1\r\nHost: x\r\n\r\n{behind}", "x".repeat(70_000)), 414);
}

#[test]
fn a_doubtful_request_is_refused_however_it_arrives() {
    let server = Server::start(Topology::Sqlite);
    let behind = smuggled();
    for request in [HEADS[0], HEADS[5], HEADS[14], HEADS[20], HEADS[30], HEADS[31], HEADS[35]] {
        let whole = format!("{request}\r\n0\r\n\r\n{behind}");
        for cut in [1, request.len() - 1, request.len(), request.len() + 1] {
            let (first, second) = whole.as_bytes().split_at(cut);
            assert_eq!(statuses(&raw_in_parts(server.url(), &[first, second])), [400], "{whole:?} cut at {cut}");
        }
        // Nobody has to send the rest of a head to hear of it.
        assert_eq!(statuses(&raw(server.url(), request.as_bytes())), [400], "{request:?}");
    }
    // An answer is not lost over what is still being sent.
    let flood = format!("{}\r\n{}", HEADS[14], behind.repeat(3_000));
    assert_eq!(statuses(&raw(server.url(), flood.as_bytes())), [400]);
    server.client().post("/api/v2/accounts", &account()).expect(201);
}

#[test]
fn what_is_too_large_ends_its_connection() {
    let server = Server::start(Topology::Sqlite);
    let behind = smuggled();
    let head = format!("GET /health HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n{behind}", "x".repeat(40_000));
    assert_eq!(statuses(&raw(server.url(), head.as_bytes())), [431]);
    let many = format!("GET /health HTTP/1.1\r\nHost: x\r\n{}\r\n{behind}", "A: b\r\n".repeat(200));
    assert_eq!(statuses(&raw(server.url(), many.as_bytes())), [431]);
    let target = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n{behind}", "x".repeat(70_000));
    assert_eq!(statuses(&raw(server.url(), target.as_bytes())), [414]);
    let body = "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let body = format!("{body}Content-Length: 50000000\r\n\r\n{behind}");
    assert_eq!(statuses(&raw(server.url(), body.as_bytes())), [413]);
    server.client().post("/api/v2/accounts", &account()).expect(201);
}

#[test]
fn odd_but_valid_requests_are_served() {
    let server = Server::start(Topology::Sqlite);
    let log_in = json!({ "email": EMAIL, "password": "incorrect zebra" }).to_string();
    let length = log_in.len();
    let (first, second) = log_in.split_at(10);
    let chunks = format!("00a;x=\"y\"\r\n{first}\r\n{:X} ; z\r\n{second}\r\n0\r\nA: b\r\nC:\r\n\r\n", second.len());
    let post = "POST /api/v2/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n";
    for (request, status) in [
        ("GET /health HTTP/1.1\r\nhOsT: x\r\nCONNECTION: close\r\n\r\n".to_owned(), 200),
        ("\r\n\r\nGET /health HTTP/1.1\r\nHost:x\r\nConnection:close\r\n\r\n".to_owned(), 200),
        (
            "GET /health HTTP/1.1\r\nHost: \t x \t\r\nA:\r\nB: \r\nC: a: b\tc\r\nConnection: close\r\n\r\n".to_owned(),
            200,
        ),
        ("GET /health HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n".to_owned(), 200),
        ("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nA: \u{fc}\r\n\r\n".to_owned(), 200),
        ("GET /health HTTP/1.0\r\n\r\n".to_owned(), 200),
        (
            "GET http://shop.example/health?a=b HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n".to_owned(),
            200,
        ),
        ("GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 000\r\nConnection: close\r\n\r\n".to_owned(), 200),
        (format!("{post}content-length:\t0{length} \r\n\r\n{log_in}"), 401),
        (format!("{post}TRANSFER-ENCODING: \tChunKed \r\n\r\n{chunks}"), 401),
    ] {
        assert_eq!(statuses(&raw(server.url(), request.as_bytes())), [status], "{request:?}");
    }
    let expecting = format!("{post}Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n");
    let answers = raw_in_parts(server.url(), &[expecting.as_bytes(), log_in.as_bytes()]);
    assert_eq!(statuses(&answers), [100, 401]);
    let get = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n".repeat(50);
    let pipelined =
        format!("{get}{}{chunks}{get}", post.replace("Connection: close", "Transfer-Encoding: chunked") + "\r\n");
    let last = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answers = statuses(&raw(server.url(), format!("{pipelined}{last}").as_bytes()));
    assert_eq!((answers.len(), answers[50]), (102, 401), "{answers:?}");
    Client::public(server.url()).get("/health").expect(200);
}

#[test]
fn a_request_names_its_host() {
    let alone = Server::start(Topology::Sqlite);
    let recorder = Recorder::start();
    let gateway = Deployment::new(Topology::Sqlite).arg("--role=gateway");
    let services = ["UPSTREAMS__AUTH", "UPSTREAMS__PRODUCTS", "UPSTREAMS__USERS"];
    let gateway = services.iter().fold(gateway, |gateway, service| gateway.set(service, &recorder.address)).start();
    let behind = smuggled();
    for (path, message) in [("/api/v2/products", "\"malformed-header\""), ("/api/v1/products", "\"success\":false")] {
        for (line, host) in [
            (format!("{path} HTTP/1.1"), ""),
            (format!("{path} HTTP/1.1"), "Host: a b\r\n"),
            (format!("{path} HTTP/1.1"), "Host: a/b\r\n"),
            (format!("{path} HTTP/1.1"), "Host: user@shop.example\r\n"),
            (format!("{path} HTTP/1.1"), "Host: shop.example:http\r\n"),
            (format!("{path} HTTP/1.1"), "Host: [::1\r\n"),
            (format!("{path} HTTP/1.0"), "Host: a b\r\n"),
            (format!("http://shop.example{path} HTTP/1.1"), ""),
            (format!("http://shop.example{path} HTTP/1.1"), "Host: a b\r\n"),
            (format!("http://user@shop.example{path} HTTP/1.1"), "Host: shop.example\r\n"),
        ] {
            let request = format!("GET {line}\r\n{host}\r\n{behind}");
            for server in [&alone, &gateway] {
                let answer = raw(server.url(), request.as_bytes());
                assert_eq!(statuses(&answer), [400], "{request:?}");
                let answer = String::from_utf8_lossy(&answer).into_owned();
                assert!(answer.contains(message), "{request:?}: {answer}");
            }
        }
    }
    // Which a browser asks before a page does.
    let preflight =
        "OPTIONS /api/v2/products HTTP/1.1\r\nOrigin: http://a.example\r\nAccess-Control-Request-Method: PUT\r\n\r\n";
    assert_eq!(statuses(&raw(alone.url(), preflight.as_bytes())), [400]);
    assert!(recorder.seen().is_empty());
    alone.client().post("/api/v2/accounts", &account()).expect(201);
}
