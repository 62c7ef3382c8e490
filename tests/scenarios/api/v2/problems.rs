//! How v2 refuses: RFC 9457.

use testkit::{Deployment, Server, Topology, on_each};

use crate::v1::NOBODY;
use crate::v2::{assert_invalid, assert_problem};

on_each!(
    what_is_absent_is_not_found,
    bad_queries_fail_validation,
    unknown_routes_are_problems_too,
    bad_bodies_are_told_apart,
);

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

fn bad_bodies_are_told_apart(topology: Topology) {
    let server = Deployment::new(topology).set("HTTP__BODY_LIMIT", "2 KiB").start();
    let client = server.client();
    let post =
        |media_type, body: &[u8]| client.send("POST", "/api/v2/sessions", &[("content-type", media_type)], Some(body));
    for malformed in [&b""[..], b"{", b"{\"email\": \"\xff\"}", b"{} {}", b"{'email': 1}"] {
        assert_problem(&post("application/json", malformed), 400, "malformed-body");
    }
    assert_problem(&post("text/plain", b"{}"), 415, "unsupported-media-type");
    assert_problem(&client.send("POST", "/api/v2/sessions", &[], Some(b"{}")), 415, "unsupported-media-type");
    assert_problem(&post("application/merge-patch+json", b"{}"), 415, "unsupported-media-type");
    let large = format!("{{\"email\": \"{}\"}}", "a".repeat(3_000));
    assert_problem(&post("application/json", large.as_bytes()), 413, "payload-too-large");
    for (body, pointer, code) in [
        ("[]", "", "type"),
        ("1", "", "type"),
        ("{\"email\": 1}", "/email", "type"),
        ("{\"email\": \"a@b.co\"}", "/password", "required"),
        ("{\"email\": \"a@b.co\", \"password\": \"x\", \"role\": \"admin\"}", "/role", "unknown-field"),
        ("{\"email\": \"a@b.co\", \"email\": \"a@b.co\", \"password\": \"x\"}", "/email", "duplicate-field"),
    ] {
        assert_invalid(&post("application/json; charset=utf-8", body.as_bytes()), &[(pointer, code)]);
    }
    let answer = client.send("PATCH", "/api/v2/sessions", &[], None);
    assert_problem(&answer, 405, "method-not-allowed");
    assert!(answer.header("allow").is_some_and(|allow| allow.contains("POST")));
}
