use std::time::Duration;

use axum::http::{Method, StatusCode};

use super::*;

fn value(series: &str) -> Option<f64> {
    let text = metrics().text();
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    line.parse().ok()
}

#[test]
fn answers_are_counted_by_method_route_and_status() {
    let record = |method: &str, status| {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        metrics().http.record(&method, "/counted", status, Duration::from_millis(20));
    };
    let series = |method: &str, kind: &str, le: &str| {
        let labels =
            format!(r#"http_request_method="{method}",http_response_status_code="200",http_route="/counted"{le}"#);
        value(&format!("http_server_request_duration_seconds_{kind}{{{labels}}}"))
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1_000).for_each(|_| record("GET", StatusCode::OK)));
        }
    });
    record("BREW", StatusCode::OK);
    record("WHEN", StatusCode::OK);
    record("GET", StatusCode::NOT_FOUND);
    assert_eq!(series("GET", "count", ""), Some(4_000.0));
    assert_eq!(series("GET", "bucket", r#",le="0.01""#), Some(0.0));
    assert_eq!(series("GET", "bucket", r#",le="0.025""#), Some(4_000.0));
    assert_eq!(series("_OTHER", "count", ""), Some(2.0));
    assert_eq!(series("BREW", "count", ""), None);
}

#[test]
fn methods_that_a_route_does_not_have_share_a_series() {
    let http = &metrics().http;
    http.know([("/known".into(), vec![Method::GET, Method::POST]), ("/posted".into(), vec![Method::POST])].into());
    let took = Duration::from_millis(1);
    // Twice, as what a thread has met is remembered.
    for _ in 0..2 {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE] {
            http.record(&method, "/known", StatusCode::OK, took);
            http.record(&method, "/posted", StatusCode::OK, took);
            http.record(&method, "/plain", StatusCode::OK, took);
        }
    }
    let count = |method: &str, route: &str| {
        let labels = format!(r#"http_request_method="{method}",http_response_status_code="200",http_route="{route}""#);
        value(&format!("http_server_request_duration_seconds_count{{{labels}}}"))
    };
    let counts = |route| ["GET", "HEAD", "POST", "PUT", "_OTHER"].map(|method| count(method, route));
    assert_eq!(counts("/known"), [Some(2.0), Some(2.0), Some(2.0), None, Some(4.0)]);
    assert_eq!(counts("/posted"), [None, None, Some(2.0), None, Some(8.0)]);
    assert_eq!(counts("/plain"), [Some(2.0), Some(2.0), None, None, Some(6.0)]);
}

#[test]
fn a_request_is_active_until_it_ends() {
    let before = value("http_server_active_requests").unwrap();
    let active = metrics().http.begin();
    assert_eq!(value("http_server_active_requests"), Some(before + 1.0));
    drop(active);
    assert_eq!(value("http_server_active_requests"), Some(before));
}

#[test]
#[cfg(target_os = "linux")]
fn the_process_is_measured() {
    let memory = value("process_resident_memory_bytes").unwrap();
    assert!((1e6..1e11).contains(&memory), "{memory}");
    assert!(value("process_open_fds").unwrap() >= 3.0);
    let before = value("process_cpu_seconds_total").unwrap();
    let started = std::time::Instant::now();
    while started.elapsed() < Duration::from_millis(300) {}
    let used = value("process_cpu_seconds_total").unwrap() - before;
    assert!((0.01..60.0).contains(&used), "{used}");
}
