//! How v2 refuses: RFC 9457.

use testkit::{Response, Server, Topology, on_both};

use crate::v1::NOBODY;

on_both!(what_is_absent_is_not_found, bad_queries_fail_validation, unknown_routes_are_problems_too,);

/// Asserts a whole problem document.
#[track_caller]
fn assert_problem(response: &Response, status: u16, code: &str) {
    assert_eq!(response.status, status, "{}", response.text());
    assert_eq!(response.header("content-type"), Some("application/problem+json"));
    let problem = response.json();
    assert_eq!(problem["code"], code, "{problem}");
    assert_eq!(problem["status"], status, "{problem}");
    for field in ["type", "title", "detail", "instance", "request_id"] {
        let text = problem[field].as_str();
        assert!(text.is_some_and(|text| !text.is_empty()), "{field}: {problem}");
    }
    assert_eq!(problem["request_id"].as_str(), response.header("x-request-id"));
    if code == "validation-failed" {
        let errors = problem["errors"].as_array().expect("errors");
        assert!(!errors.is_empty());
        for error in errors {
            for field in ["pointer", "detail", "code"] {
                assert!(error[field].is_string(), "{field}: {problem}");
            }
        }
    }
}

fn what_is_absent_is_not_found(topology: Topology) {
    let server = Server::start(topology);
    for id in [NOBODY, "1", "x", "%00", "%ff", &"9".repeat(1000)] {
        let answer = server.client().get(&format!("/api/v2/products/{id}"));
        assert_problem(&answer, 404, "not-found");
    }
}

fn bad_queries_fail_validation(topology: Topology) {
    let server = Server::start(topology);
    let endless = format!("cursor={}", "a".repeat(5_000));
    for query in [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=x",
        "limit=",
        "limit=1.5",
        "limit=99999999999999999999",
        "cursor=",
        "cursor=x",
        "cursor=%00",
        "cursor=%ff",
        "cursor=-1",
        &endless,
        "unknown=1",
        "page=1",
        "Limit=5",
        "limit=5&userId=1",
    ] {
        let answer = server.client().get(&format!("/api/v2/products?{query}"));
        assert_problem(&answer, 422, "validation-failed");
    }
}

fn unknown_routes_are_problems_too(topology: Topology) {
    let server = Server::start(topology);
    for path in ["/api/v2", "/api/v2/nothing", "/api/v2/products/1/nothing"] {
        assert_problem(&server.client().get(path), 404, "not-found");
    }
}
