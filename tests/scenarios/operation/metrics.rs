//! What `/metrics` tells: exactly what happened, and never more series for what strangers send.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use serde_json::json;
use testkit::metrics::Metrics;
use testkit::{Client, Deployment, Response, Server, Topology, eventually, on_both, raw};

use crate::people::{PASSWORD, register};
use crate::v1::{NOBODY, text};
use crate::v2;

on_both!(
    counts_equal_what_clients_got,
    what_strangers_send_adds_no_series,
    sessions_and_limits_are_counted,
    idempotency_keys_are_counted,
    the_process_and_its_databases_are_told,
);

const DURATIONS: &str = "http_server_request_duration_seconds_count";

/// Answers by method, route and status.
type Answers = BTreeMap<(String, String, u16), u64>;

fn counted(metrics: &Metrics) -> Answers {
    let label = |sample: &testkit::metrics::Sample, name| sample.label(name).expect("a label").to_owned();
    let answers = metrics.of(DURATIONS, &[]).map(|sample| {
        let status = label(sample, "http_response_status_code").parse().expect("a status");
        let key = (label(sample, "http_request_method"), label(sample, "http_route"), status);
        (key, sample.value as u64)
    });
    answers.collect()
}

/// Requests of all kinds, with the route that each belongs to.
fn requests() -> Vec<(&'static str, String, &'static str, Option<&'static str>)> {
    let product = "/api/v2/products/{id}";
    vec![
        ("GET", "/health".into(), "/health", None),
        ("HEAD", "/health".into(), "/health", None),
        // Takes its time, and a place.
        (
            "POST",
            "/api/v2/sessions".into(),
            "/api/v2/sessions",
            Some(r#"{"email":"a@example.com","password":"wrong"}"#),
        ),
        ("GET", "/api/v2/products?sort=price".into(), "/api/v2/products", None),
        ("GET", "/api/v1/products".into(), "/api/v1/products", None),
        ("GET", format!("/api/v2/products/{NOBODY}"), product, None),
        ("GET", "/api/v2/products/none".into(), product, None),
        ("DELETE", format!("/api/v2/products/{NOBODY}"), product, None),
        ("POST", "/api/v2/accounts".into(), "/api/v2/accounts", Some("{")),
        ("POST", "/api/v2/accounts".into(), "/api/v2/accounts", Some("{}")),
        ("POST", "/api/v1/auth/login".into(), "/api/v1/auth/login", Some("{}")),
        ("GET", "/".into(), "/", None),
        ("GET", "/no/such/path".into(), "unmatched", None),
        ("PUT", "/api/v2/no/such/path".into(), "unmatched", None),
    ]
}

/// Few places for many clients: some of what they ask is shed, nobody can say which.
fn counts_equal_what_clients_got(topology: Topology) {
    let few = Deployment::new(topology).set("HTTP__MAX_REQUESTS", "2").set("HTTP__REQUEST_TIMEOUT", "1s");
    let server = few.start();
    let got = Mutex::new(Answers::new());
    let shed = Mutex::new(0);
    thread::scope(|scope| {
        for number in 0..8 {
            let (server, got, shed) = (&server, &got, &shed);
            scope.spawn(move || {
                let client = Client::plain(server.url());
                let client = if number % 2 == 0 { client } else { client.with_token("none") };
                for _ in 0..25 {
                    for (method, path, route, body) in requests() {
                        let json = [("content-type", "application/json")];
                        let answer = client.send(method, &path, &json, body.map(str::as_bytes));
                        let key = (method.to_owned(), route.to_owned(), answer.status);
                        *got.lock().expect("whole").entry(key).or_default() += 1;
                        *shed.lock().expect("whole") += u64::from(answer.status == 503);
                    }
                }
            });
        }
        // Held back until its time is over, and a head that is larger than most may be.
        let late = "POST /api/v2/accounts HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{";
        let large = format!("GET /health HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(40_000));
        let cases = [("POST", late, "/api/v2/accounts", 503), ("GET", &large, "/health", 431)];
        for (method, request, route, status) in cases {
            let answer = String::from_utf8_lossy(&raw(server.url(), request.as_bytes())).into_owned();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
            *got.lock().expect("whole").entry((method.into(), route.into(), status)).or_default() += 1;
        }
    });
    let (got, shed) = (got.into_inner().expect("whole"), shed.into_inner().expect("whole"));
    let metrics = server.metrics();
    assert_eq!(counted(&metrics), got);
    assert_eq!(metrics.sum("http_server_active_requests", &[]), 0.0);
    assert!(shed > 0, "{got:?}");
    assert_eq!(metrics.sum("primetrade_load_shed_requests_total", &[("reason", "requests")]), shed as f64);
    assert_eq!(metrics.sum("primetrade_panics_total", &[]), 0.0);
}

fn what_strangers_send_adds_no_series(topology: Topology) {
    let server = Server::start(topology);
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];
    for batch in 0..20 {
        let mut requests = String::new();
        for number in batch * 500..(batch + 1) * 500 {
            let made_up = format!("SECRET{number}");
            let method = methods.get(number % 9).copied().unwrap_or(&made_up);
            let under = ["/", "/api/v2/", "/api/v1/", "/api/v2/products/", "/api/v1/users/"][number % 5];
            requests.push_str(&format!("{method} {under}secret-{number} HTTP/1.1\r\nHost: x\r\n\r\n"));
        }
        requests.push_str("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answers = raw(server.url(), requests.as_bytes());
        assert_eq!(String::from_utf8_lossy(&answers).matches("HTTP/1.1 ").count(), 501);
    }
    let metrics = server.metrics();
    assert_eq!(metrics.sum(DURATIONS, &[]), 20.0 * 501.0);
    assert!(metrics.series.len() < 2_000, "{} series", metrics.series.len());
    let told = format!("{metrics:?}").to_lowercase();
    assert!(!told.contains("secret"), "{told}");
}

fn sessions_and_limits_are_counted(topology: Topology) {
    let server = Deployment::new(topology).set("LIMITS__ENABLED", "true").start();
    let (email, client) = (v2::register(&server), server.client());
    let refresh_token = |answer: &Response| text(&answer.json()["refresh_token"]);
    let first = refresh_token(&v2::open(&client, &email, PASSWORD).expect(201));
    let second = refresh_token(&v2::refresh(&client, &first).expect(201));
    v2::refresh(&client, &second).expect(201);
    v2::refresh(&client, &first).expect(401);
    v2::refresh(&client, "none").expect(401);
    for _ in 0..10 {
        v2::open(&client, &email, "Wr0ngGuess").expect(401);
    }
    v2::open(&client, &email, PASSWORD).expect(429);
    let metrics = server.metrics();
    for (name, outcome, count) in [
        ("primetrade_auth_logins_total", "succeeded", 1.0),
        ("primetrade_auth_logins_total", "wrong_credentials", 10.0),
        ("primetrade_auth_logins_total", "rate_limited", 1.0),
        ("primetrade_auth_refreshes_total", "succeeded", 2.0),
        ("primetrade_auth_refreshes_total", "reused", 1.0),
        ("primetrade_auth_refreshes_total", "refused", 1.0),
    ] {
        assert_eq!(metrics.sum(name, &[("outcome", outcome)]), count, "{name} {outcome}");
    }
    for (decision, count) in [("allowed", 11.0), ("refused", 1.0)] {
        let labels = [("policy", "log-in"), ("decision", decision), ("backend", "process")];
        assert_eq!(metrics.sum("primetrade_rate_limit_decisions_total", &labels), count, "{decision}");
    }
}

fn idempotency_keys_are_counted(topology: Topology) {
    let server = Server::start(topology);
    let api = v2::log_in(&server, &v2::register(&server));
    let post = |key: &str, name: &str| {
        let product = json!({ "name": name, "price": { "amount": 1, "currency": "USD" } });
        api.post_with("/api/v2/products", ("idempotency-key", key), &product).status
    };
    let answers = [post("a", "Lamp"), post("a", "Lamp"), post("a", "Desk"), post("b", "Lamp")];
    assert_eq!(answers, [201, 201, 422, 201]);
    let metrics = server.metrics();
    for (outcome, count) in [("stored", 2.0), ("replayed", 1.0), ("key_reused", 1.0), ("in_flight", 0.0)] {
        let counted = metrics.sum("primetrade_idempotency_requests_total", &[("outcome", outcome)]);
        assert_eq!(counted, count, "{outcome}");
    }
}

fn the_process_and_its_databases_are_told(topology: Topology) {
    let server = Server::start(topology);
    let operator = Client::plain(server.admin_url());
    operator.get("/startupz").expect(200);
    register(&server);
    server.client().get("/api/v2/products").expect(200);
    let metrics = server.metrics();
    let build = metrics.of("primetrade_build_info", &[]).next().expect("build_info");
    assert!(["version", "revision"].iter().all(|label| build.label(label).is_some_and(|text| !text.is_empty())));
    assert_eq!(metrics.sum("target_info", &[("service_name", "primetrade")]), 1.0);
    for name in ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"] {
        assert!(metrics.sum(name, &[]) > 0.0, "{name}");
    }
    let system = if topology.is_sqlite() { "sqlite" } else { "postgresql" };
    for (service, operation) in [("auth", "write"), ("auth", "read"), ("products", "read")] {
        let labels = [("db_system_name", system), ("db_namespace", service), ("db_operation_name", operation)];
        let count = metrics.sum("db_client_operation_duration_seconds_count", &labels);
        // A list of SQLite's is a scan.
        assert!(count > 0.0 || (service, system) == ("products", "sqlite"), "{service} {operation}");
    }
    let pool = if topology.is_sqlite() { "auth-writer" } else { "auth" };
    let pool = [("db_client_connection_pool_name", pool)];
    assert!(metrics.sum("db_client_connection_count", &pool) >= 1.0);
    assert!(metrics.sum("db_client_connection_wait_time_seconds_count", &pool) >= 1.0);
    assert!(metrics.sum("db_client_connection_use_time_seconds_count", &pool) >= 1.0);
    assert_eq!(metrics.sum("db_client_connection_pending_requests", &pool), 0.0);
    if_installed_promtool_agrees(&operator.get("/metrics").text());
    let outbox = || (server.metrics().sum("primetrade_outbox_pending_events", &[]) == 0.0).then_some(());
    eventually("all events have positions", outbox);
}

/// Prometheus' own check; what it looks for is looked for in [`Metrics::read`] too.
fn if_installed_promtool_agrees(text: &str) {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut promtool) = promtool.spawn() else { return };
    let mut input = promtool.stdin.take().expect("stdin is a pipe");
    input.write_all(text.as_bytes()).expect("it reads");
    drop(input);
    let output = promtool.wait_with_output().expect("our own child");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
