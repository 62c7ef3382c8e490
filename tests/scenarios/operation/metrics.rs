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

/// A request, with the method and route that it is counted by.
struct Asked {
    method: &'static str,
    path: String,
    counted: &'static str,
    route: &'static str,
    body: Option<&'static str>,
}

fn asked(method: &'static str, path: impl Into<String>, route: &'static str) -> Asked {
    Asked { method, path: path.into(), counted: method, route, body: None }
}

impl Asked {
    fn with(self, body: &'static str) -> Self {
        Self { body: Some(body), ..self }
    }

    /// Of a method that the route does not have.
    fn refused(self) -> Self {
        Self { counted: OTHER, ..self }
    }
}

const OTHER: &str = "_OTHER";

/// Requests of all kinds.
fn requests() -> Vec<Asked> {
    let product = "/api/v2/products/{id}";
    let same = |method, path: &'static str| asked(method, path, path);
    vec![
        same("GET", "/health"),
        same("HEAD", "/health"),
        // Takes its time, and a place.
        same("POST", "/api/v2/sessions").with(r#"{"email":"a@example.com","password":"wrong"}"#),
        asked("GET", "/api/v2/products?sort=price", "/api/v2/products"),
        same("GET", "/api/v1/products"),
        asked("GET", format!("/api/v2/products/{NOBODY}"), product),
        asked("GET", "/api/v2/products/none", product),
        asked("DELETE", format!("/api/v2/products/{NOBODY}"), product),
        asked("POST", format!("/api/v2/products/{NOBODY}"), product).with("{}").refused(),
        same("POST", "/api/v2/accounts").with("{"),
        same("POST", "/api/v2/accounts").with("{}"),
        same("GET", "/api/v2/accounts").refused(),
        same("HEAD", "/api/v2/accounts").refused(),
        same("POST", "/api/v1/auth/login").with("{}"),
        same("DELETE", "/api/v1/auth/login").refused(),
        same("GET", "/"),
        same("PUT", "/").refused(),
        asked("GET", "/no/such/path", "unmatched"),
        asked("PUT", "/api/v2/no/such/path", "unmatched").refused(),
    ]
}

/// How many requests to make, or as many as the tester has time for.
fn how_many(default: usize) -> usize {
    let set = std::env::var("PRIMETRADE_TEST_REQUESTS").ok();
    set.map_or(default, |set| set.parse().expect("PRIMETRADE_TEST_REQUESTS is a number"))
}

const CLIENTS: usize = 8;

#[test]
fn a_gateway_counts_what_its_clients_got() {
    counts_equal_what_clients_got(Topology::Split);
}

/// Few places for many clients: some of what they ask is shed, nobody can say which.
fn counts_equal_what_clients_got(topology: Topology) {
    let few = Deployment::new(topology).set("HTTP__MAX_REQUESTS", "2").set("HTTP__REQUEST_TIMEOUT", "1s");
    let server = few.start();
    let got = Mutex::new(Answers::new());
    let shed = Mutex::new(0);
    let rounds = how_many(4_000).div_ceil(CLIENTS * requests().len());
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (server, got, shed) = (&server, &got, &shed);
            scope.spawn(move || {
                let client = Client::plain(server.url());
                let client = if number % 2 == 0 { client } else { client.with_token("none") };
                for _ in 0..rounds {
                    for Asked { method, path, counted, route, body } in requests() {
                        let json = [("content-type", "application/json")];
                        let answer = client.send(method, &path, &json, body.map(str::as_bytes));
                        let key = (counted.to_owned(), route.to_owned(), answer.status);
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

/// Paths and methods at random, and every method on every route that there is.
fn what_strangers_send_adds_no_series(topology: Topology) {
    let server = Server::start(topology);
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];
    let under = ["/", "/api/v2/", "/api/v1/", "/api/v2/products/", "/api/v1/users/", "/api/v2/variants/", "/api-docs/"];
    let made_up: Vec<String> = (0..how_many(10_000))
        .map(|number| {
            let unknown = format!("SECRET{number}");
            let method = methods.get(number % 11).copied().unwrap_or(&unknown);
            let deeper = ["", "/stock-adjustments", "/secret"][number / 11 % 3];
            format!("{method} {}secret-{number}{deeper}", under[number % under.len()])
        })
        .collect();
    ask_all(&server, &made_up);
    let metrics = server.metrics();
    assert_eq!(metrics.sum(DURATIONS, &[]), (made_up.len() + made_up.len().div_ceil(BATCH)) as f64);
    assert!(metrics.series.len() < 2_000, "{} series", metrics.series.len());
    let documents = ["v1", "v2"].map(|version| server.client().get(&format!("/openapi/{version}.json")).json());
    let routes: BTreeMap<_, _> =
        documents.iter().flat_map(|document| document["paths"].as_object().expect("paths")).collect();
    let every: Vec<String> = routes
        .keys()
        .flat_map(|route| methods.map(|method| format!("{method} {}", route.replace("{id}", "secret"))))
        .collect();
    ask_all(&server, &every);
    let metrics = server.metrics();
    for (method, route, _) in counted(&metrics).into_keys() {
        let get_or_same = if method == "HEAD" { "get".to_owned() } else { method.to_lowercase() };
        let has = routes.get(&route).map_or(get_or_same == "get", |item| item.get(&get_or_same).is_some());
        assert!(has || method == OTHER, "{method} {route}");
    }
    let told = format!("{metrics:?}").to_lowercase();
    assert!(!told.contains("secret"), "{told}");
    if_installed_promtool_agrees(&Client::plain(server.admin_url()).get("/metrics").text());
}

const BATCH: usize = 500;

/// Makes these requests, and one for `/health` after each batch of them.
fn ask_all(server: &Server, lines: &[String]) {
    for batch in lines.chunks(BATCH) {
        let mut requests: String = batch.iter().map(|line| format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n")).collect();
        requests.push_str("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answers = raw(server.url(), requests.as_bytes());
        assert_eq!(String::from_utf8_lossy(&answers).matches("HTTP/1.1 ").count(), batch.len() + 1);
    }
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
    assert_eq!(metrics.of("primetrade_telemetry_dropped_total", &[]).count(), 2);
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
