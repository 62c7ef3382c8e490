//! The edge around a service that is slow, and has a defect.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use mesh::{Outside, Speaker};
use platform::telemetry::metrics::metrics;
use tower::{ServiceExt, service_fn};

use super::*;

/// The answer of a service that is slow, and has a defect.
fn answer(settings: &EdgeSettings, path: &str) -> StatusCode {
    let folder = tempfile::tempdir().unwrap();
    let context = Context::new(Arc::new(kernel::SystemClock));
    let statement_keys = Arc::new(StatementKeys::open(&folder.path().join("keys.json"), context.clone()).unwrap());
    let statement = statement_keys.sign(Speaker::Gateway(Outside::default()), &Method::GET, path, b"").unwrap();
    let routes = service_fn(async |request: Request| {
        assert!(request.uri().path() != "/api/v1/defect", "a defect");
        tokio::time::sleep(Duration::from_secs(60)).await;
        Ok(())
    });
    let service = Edge::new(context, Door::Internal(statement_keys), settings).layer(routes);
    let request = Request::get(path).header(header::HOST, "x").header(mesh::STATEMENT, statement);
    let request = request.body(Body::empty()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(service.oneshot(request)).unwrap().status()
}

fn settings() -> EdgeSettings {
    let request_timeout = Duration::from_millis(50);
    EdgeSettings {
        body_limit: 1024,
        request_timeout,
        max_requests: 10,
        trusted_proxies: Vec::new(),
        cors_origins: Vec::new(),
    }
}

#[test]
fn a_panic_is_a_500_and_counted_as_one() {
    assert_eq!(answer(&settings(), "/api/v1/defect"), StatusCode::INTERNAL_SERVER_ERROR);
    let labels = r#"http_request_method="GET",http_response_status_code="500",http_route="unmatched""#;
    let text = metrics().text();
    assert!(text.contains(&format!("http_server_request_duration_seconds_count{{{labels}}} 1\n")), "{text}");
    // Other tests have requests under way in this process too.
    let is_over = || metrics().text().contains("http_server_active_requests 0\n");
    let is_over_soon = (0..1_000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        is_over()
    });
    assert!(is_over_soon, "it is not under way any more");
}

#[test]
fn a_request_out_of_time_is_a_503() {
    assert_eq!(answer(&settings(), "/api/v1/slow"), StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn requests_beyond_the_bound_are_shed() {
    let full = EdgeSettings { max_requests: 0, ..settings() };
    assert_eq!(answer(&full, "/api/v1/slow"), StatusCode::SERVICE_UNAVAILABLE);
}

/// Every request in progress has one.
#[tokio::test]
async fn the_future_of_a_request_is_small() {
    let folder = tempfile::tempdir().unwrap();
    let context = Context::new(Arc::new(kernel::SystemClock));
    let statement_keys = Arc::new(StatementKeys::open(&folder.path().join("keys.json"), context.clone()).unwrap());
    let mut service = Edge::new(context, Door::Internal(statement_keys), &settings()).layer(axum::Router::<()>::new());
    let request = Request::get("/").body(Body::empty()).unwrap();
    let size = std::mem::size_of_val(&*service.call(request));
    assert!(size <= 1_600, "{size} bytes");
}
