//! Traces: one request is one trace, in logs, events and what the collector gets; and a collector in trouble is nobody else's.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Deployment, Server, Topology, eventually, on_both};

use crate::people::register;
use crate::v1::{NOBODY, create_named};

on_both!(
    a_request_is_a_span_of_its_clients_trace,
    strangers_do_not_decide_what_is_recorded,
    logs_and_events_name_the_trace,
    a_collector_in_trouble_slows_nobody,
    what_is_recorded_last_is_delivered,
);

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";
const DROPPED: &str = "primetrade_telemetry_dropped_total";
const EXPORTS: &str = "http_client_request_duration_seconds_count";

/// What the collector does with what it gets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manners {
    Takes,
    /// Reads the request and never answers.
    Hangs,
    Refuses,
}

/// A collector that keeps what it gets.
struct Collector {
    url: String,
    exports: Arc<Mutex<Vec<Value>>>,
}

impl Collector {
    fn start(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound socket"));
        let exports: Arc<Mutex<Vec<Value>>> = Arc::default();
        let kept = Arc::clone(&exports);
        thread::spawn(move || {
            let mut hanging = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let Some((head, body)) = request(&stream) else { continue };
                assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
                assert!(head.to_lowercase().contains("content-type: application/json\r\n"), "{head}");
                let (status, answer) = match manners {
                    Manners::Takes => ("200 OK", r#"{"partialSuccess":{}}"#),
                    Manners::Refuses => ("400 Bad Request", "{}"),
                    Manners::Hangs => {
                        hanging.push(stream);
                        continue;
                    }
                };
                kept.lock().expect("whole").push(serde_json::from_slice(&body).expect("JSON"));
                let length = answer.len();
                // The server may have been killed.
                let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{answer}");
            }
        });
        Self { url, exports }
    }

    fn deployment(&self, topology: Topology) -> Deployment {
        Deployment::new(topology).set("TELEMETRY__OTLP_ENDPOINT", &self.url).set("TELEMETRY__SAMPLE_RATIO", "1")
    }

    /// All spans until now.
    fn spans(&self) -> Vec<Value> {
        let exports = self.exports.lock().expect("whole");
        let scopes = exports.iter().flat_map(|export| items(&export["resourceSpans"]));
        let spans = scopes.flat_map(|resource| items(&resource["scopeSpans"])).flat_map(|scope| items(&scope["spans"]));
        spans.cloned().collect()
    }

    /// The request's own span, once it is here.
    fn request(&self, route: &str) -> Value {
        eventually("the span is delivered", || {
            self.spans().into_iter().find(|span| attribute(span, "http.route") == route)
        })
    }
}

/// Head and body of what came, if it is a whole request.
fn request(stream: &TcpStream) -> Option<(String, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.to_lowercase().split_once("content-length: ")?.1.split_once("\r\n")?.0.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn attribute(span: &Value, name: &str) -> String {
    let value = items(&span["attributes"]).find(|attribute| attribute["key"] == name).map(|found| &found["value"]);
    let value = value.and_then(|value| value["stringValue"].as_str().or(value["intValue"].as_str()));
    value.unwrap_or_default().to_owned()
}

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{SPAN}-{flags}")
}

fn a_request_is_a_span_of_its_clients_trace(topology: Topology) {
    let collector = Collector::start(Manners::Takes);
    let server = collector.deployment(topology).start();
    let path = format!("/api/v2/products/{NOBODY}?email=ada@example.com");
    server.client().send("GET", &path, &[("traceparent", &traceparent("00"))], None).expect(404);
    let span = collector.request("/api/v2/products/{id}");
    assert_eq!((&span["traceId"], &span["parentSpanId"]), (&json!(TRACE), &json!(SPAN)));
    assert_eq!((&span["name"], &span["kind"]), (&json!("GET /api/v2/products/{id}"), &json!(2)));
    assert_eq!(attribute(&span, "http.request.method"), "GET");
    assert_eq!(attribute(&span, "http.response.status_code"), "404");
    assert!(span.get("status").is_none(), "a refusal is no failure of ours: {span}");
    let nanos = |name: &str| span[name].as_str().and_then(|nanos| nanos.parse::<u128>().ok()).expect("nanoseconds");
    assert!(nanos("startTimeUnixNano") < nanos("endTimeUnixNano") && nanos("startTimeUnixNano") > 1 << 60, "{span}");
    let read = || collector.spans().into_iter().find(|read| read["parentSpanId"] == span["spanId"]);
    let read = eventually("the read is delivered", read);
    let system = if topology == Topology::Sqlite { "sqlite" } else { "postgresql" };
    assert_eq!((&read["traceId"], &read["kind"]), (&json!(TRACE), &json!(3)));
    assert_eq!(attribute(&read, "db.system.name"), system);
    assert_eq!(attribute(&read, "db.namespace"), "products");
    server.client().get("/no/such/path?email=ada@example.com").expect(404);
    let unmatched = || collector.spans().into_iter().find(|span| span["name"] == "GET");
    assert_eq!(attribute(&eventually("the span is delivered", unmatched), "http.route"), "");
    let exports = format!("{:?}", collector.exports.lock().expect("whole"));
    assert!(exports.contains("service.name") && !exports.contains("ada@") && !exports.contains(NOBODY), "{exports}");
    assert!(server.metrics().sum(EXPORTS, &[("http_response_status_code", "200")]) >= 1.0);
    assert_eq!(server.metrics().sum(DROPPED, &[]), 0.0);
}

fn strangers_do_not_decide_what_is_recorded(topology: Topology) {
    let collector = Collector::start(Manners::Takes);
    let never = collector.deployment(topology).set("TELEMETRY__SAMPLE_RATIO", "0");
    let server = never.set("HTTP__TRUSTED_PROXIES", "192.0.2.1").start();
    let get = |server: &Server, path: &str, flags: &str| {
        server.client().send("GET", path, &[("traceparent", &traceparent(flags))], None)
    };
    get(&server, "/health", "01").expect(200);
    let trusting = collector.deployment(topology).set("TELEMETRY__SAMPLE_RATIO", "0");
    let trusting = trusting.set("HTTP__TRUSTED_PROXIES", "127.0.0.1").start();
    get(&trusting, "/api/v1/products", "00");
    get(&trusting, "/api/v2/products", "01");
    collector.request("/api/v2/products");
    // Whatever was recorded before is delivered when a server ends.
    let (mut server, mut trusting) = (server, trusting);
    assert_eq!((server.terminate().code(), trusting.terminate().code()), (Some(0), Some(0)));
    let routes: Vec<_> = collector.spans().iter().map(|span| attribute(span, "http.route")).collect();
    assert!(!routes.contains(&"/health".into()) && !routes.contains(&"/api/v1/products".into()), "{routes:?}");
}

fn logs_and_events_name_the_trace(topology: Topology) {
    // Without a collector too.
    let server = Server::start(topology);
    let ada = register(&server);
    let body = json!({ "name": "traced", "price": 1 }).to_string();
    let headers = [("content-type", "application/json"), ("traceparent", &*traceparent("01"))];
    let answer = ada.api.send("POST", "/api/v1/products", &headers, Some(body.as_bytes())).expect(201);
    let id = answer.header("x-request-id").expect("a request id").to_owned();
    let line = || server.log_lines().into_iter().find(|line| line["request_id"] == *id);
    let line = eventually("the request is in the log", line);
    assert_eq!((&line["trace_id"], &line["service.name"]), (&json!(TRACE), &json!("primetrade")), "{line}");
    let span = line["span_id"].as_str().expect("a span id").to_owned();
    assert!(span.len() == 16 && span != SPAN, "{line}");
    let event =
        eventually("the event is in the log", || events(&server).into_iter().find(|event| event["requestid"] == *id));
    assert_eq!(event["traceparent"], format!("00-{TRACE}-{span}-00"), "{event}");
    // A line that somebody else wrote for the request.
    let wrong = r#"{"email":"nobody@example.com","password":"wrong"}"#;
    let headers = [("content-type", "application/json"), ("traceparent", &*traceparent("01"))];
    let answer = server.client().send("POST", "/api/v2/sessions", &headers, Some(wrong.as_bytes())).expect(401);
    let id = answer.header("x-request-id").expect("a request id").to_owned();
    let failed = || server.log_lines().into_iter().find(|line| line["event"] == "auth.login.failed");
    let failed = eventually("the failure is in the log", failed);
    assert_eq!((&failed["trace_id"], &failed["request_id"]), (&json!(TRACE), &json!(id)), "{failed}");
    let other = create_named(&ada.api, "other");
    assert!(other.is_object());
    let traces = || {
        let lines = server.log_lines();
        let of_products = lines.iter().filter(|line| line["http.route"] == "/api/v1/products");
        let traces: Vec<String> = of_products.map(|line| line["trace_id"].to_string()).collect();
        (traces.len() == 2).then_some(traces)
    };
    let traces = eventually("both are in the log", traces);
    assert_ne!(traces[0], traces[1]);
}

/// Of products, that have a position.
fn events(server: &Server) -> Vec<Value> {
    let sql = match server.topology() {
        Topology::Sqlite => "select cast(bytes as text) from events",
        Topology::Postgres | Topology::Split => "select convert_from(bytes, 'UTF8') from events",
    };
    let rows = server.sql("products", sql);
    rows.iter().map(|row| serde_json::from_str(&row[0]).expect("an event is JSON")).collect()
}

fn a_collector_in_trouble_slows_nobody(topology: Topology) {
    let gone = Collector { url: "http://127.0.0.1:9".into(), exports: Arc::default() };
    for collector in [Collector::start(Manners::Hangs), Collector::start(Manners::Refuses), gone] {
        let mut server = collector.deployment(topology).start();
        let client = server.client();
        let started = Instant::now();
        // More than may wait.
        for _ in 0..5_000 {
            client.get("/health").expect(200);
        }
        let took = started.elapsed();
        assert!(took < Duration::from_secs(30), "{took:?}");
        eventually("what nobody takes is dropped", || {
            (server.metrics().sum(DROPPED, &[("signal", "traces")]) > 0.0).then_some(())
        });
        assert_eq!(server.metrics().sum("http_server_active_requests", &[]), 0.0);
        let asked = Instant::now();
        assert_eq!(server.terminate().code(), Some(0));
        assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    }
}

fn what_is_recorded_last_is_delivered(topology: Topology) {
    let collector = Collector::start(Manners::Takes);
    let mut server = collector.deployment(topology).start();
    server.client().get("/health").expect(200);
    assert_eq!(server.terminate().code(), Some(0));
    assert_eq!(collector.spans().iter().filter(|span| attribute(span, "http.route") == "/health").count(), 1);
}
