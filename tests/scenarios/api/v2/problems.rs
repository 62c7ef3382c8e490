//! How v2 refuses: RFC 9457.

use serde_json::{Value, json};
use testkit::{Deployment, Server, Topology, on_each};

use crate::selling::{PRODUCTS, RESERVATIONS, id, on_sale, seller, variant_path};
use crate::v1::NOBODY;
use crate::v2::{assert_invalid, assert_problem};

on_each!(
    what_is_absent_is_not_found,
    bad_queries_fail_validation,
    unknown_routes_are_problems_too,
    bad_bodies_are_told_apart,
    integers_are_integers_however_they_are_written,
    a_list_is_no_object,
    the_words_say_what_to_do,
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
    // All that is wrong is told at once.
    for (body, errors) in [
        ("[]", &[("", "type")][..]),
        ("1", &[("", "type")]),
        ("{}", &[("/email", "required"), ("/password", "required")]),
        (r#"{"email": 1}"#, &[("/email", "type"), ("/password", "required")]),
        (r#"{"email": "a@b.co"}"#, &[("/password", "required")]),
        (
            r#"{"role": "admin", "email": 1}"#,
            &[("/role", "unknown-field"), ("/email", "type"), ("/password", "required")],
        ),
        (r#"{"email": "a@b.co", "email": "a@b.co", "password": "x"}"#, &[("/email", "duplicate-field")]),
    ] {
        assert_invalid(&post("application/json; charset=utf-8", body.as_bytes()), errors);
    }
    let answer = client.send("PATCH", "/api/v2/sessions", &[], None);
    assert_problem(&answer, 405, "method-not-allowed");
    assert!(answer.header("allow").is_some_and(|allow| allow.contains("POST")));
}

/// JSON Schema: a number whose fraction is zero is an integer.
fn integers_are_integers_however_they_are_written(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    for (amount, stock) in [("1000.0", "5.0"), ("1e3", "5.0e0"), ("10.00E2", "50e-1"), ("1000", "5")] {
        let body =
            format!(r#"{{"name": "1.0", "price": {{"amount": {amount}, "currency": "USD"}}, "stock": {stock}}}"#);
        let product = api.post_text(PRODUCTS, &body).expect(201).json();
        assert_eq!(product["name"], "1.0");
        assert_eq!(product["price"]["amount"], 1_000, "{amount}");
        assert_eq!(product["variants"][0]["stock"]["on_hand"], 5, "{stock}");
    }
    let desk = on_sale(&api, 5);
    let adjustments = format!("{}/stock-adjustments", variant_path(&desk));
    api.post_text(&adjustments, r#"{"delta": -2.0, "reason": "lost"}"#).expect(201);
    let hold = |quantity: &str| {
        let line = format!(r#"{{"variant_id": "{}", "quantity": {quantity}}}"#, id(&desk));
        api.post_text(RESERVATIONS, &format!(r#"{{"lines": [{line}], "ttl_seconds": 6e2}}"#))
    };
    assert_eq!(hold("2.0").expect(201).json()["lines"][0]["quantity"], 2);
    assert_invalid(&hold("1e999999999"), &[("/lines/0/quantity", "value")]);
    for wrong in ["1.5", "1e-1", "1e19", "\"1.0\""] {
        assert_invalid(&hold(wrong), &[("/lines/0/quantity", "type")]);
    }
    assert_invalid(&hold("-1.0"), &[("/lines/0/quantity", "range")]);
}

/// What holds the fields of an object in their order is no object.
fn a_list_is_no_object(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let desk = id(&on_sale(&api, 5));
    for (path, body, pointer) in [
        (RESERVATIONS, format!(r#"{{"lines": [["{desk}", 1]], "ttl_seconds": 600}}"#), "/lines/0"),
        (RESERVATIONS, format!(r#"[[{{"variant_id": "{desk}", "quantity": 1}}], 600]"#), ""),
        (PRODUCTS, r#"{"name": "Lamp", "price": [1000, "USD"]}"#.into(), "/price"),
        ("/api/v2/sessions", r#"["a@b.co", "x"]"#.into(), ""),
        ("/api/v2/accounts", r#"["ada", "a@b.co", "correct horse"]"#.into(), ""),
    ] {
        let refused = api.post_text(path, &body);
        assert_invalid(&refused, &[(pointer, "type")]);
        assert!(refused.json()["errors"][0]["detail"].as_str().is_some_and(|detail| detail.contains("an object")));
    }
}

/// What people read of a refusal names what is expected, and what there is.
fn the_words_say_what_to_do(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let desk = on_sale(&api, 5);
    let hold = |lines: Value| api.post(RESERVATIONS, &json!({ "lines": lines, "ttl_seconds": 600 }));
    hold(json!([{ "variant_id": id(&desk), "quantity": 2 }])).expect(201);
    let adjustments = format!("{}/stock-adjustments", variant_path(&desk));
    let batch = |items: Value| api.post("/api/v2/batch/stock", &json!({ "mode": "all", "items": items }));
    for (answer, words) in [
        (api.get("/api/v2/nothing"), "no such path"),
        (api.get("/nothing"), "/api-docs"),
        (api.send("DELETE", PRODUCTS, &[], None), "the header Allow"),
        (api.get("/api/v2/products?ids=abc"), "1 to 100 UUIDs"),
        (api.post(PRODUCTS, &json!({ "name": "Lamp", "price": { "amount": 1, "currency": "usd" } })), "such as USD"),
        (hold(json!([{ "variant_id": "seven", "quantity": 1 }])), "expected a UUID"),
        (api.post(&adjustments, &json!({ "on_hand": 1, "reason": "counted" })), "5 are on hand, 2 of them reserved"),
        (batch(json!([{ "variant_id": id(&desk), "delta": 1 }])), "say why"),
    ] {
        let problem = answer.json();
        let told = format!("{} {}", problem["detail"], problem["errors"]);
        assert!(told.contains(words), "{words}: {problem}");
    }
}
