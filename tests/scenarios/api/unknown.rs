//! Routes that do not exist.

use serde_json::json;
use testkit::{Server, Topology, on_each};

use crate::people::register;
use crate::v1::{create_named, text};
use crate::v2::assert_problem;

on_each!(
    an_unknown_route_is_told_with_its_path_as_sent,
    an_unknown_method_of_a_known_path_is_an_unknown_route,
    a_slash_at_the_end_of_a_path_makes_no_difference,
    only_v1_answers_in_the_shape_of_v1,
    operators_pages_are_not_on_the_public_listener,
);

fn only_v1_answers_in_the_shape_of_v1(topology: Topology) {
    let server = Server::start(topology);
    for path in
        ["/nothing", "/api", "/api/", "/api/nothing", "/api/v3/products", "/api/v11", "/openapi/v3.json", "/api-docs/x"]
    {
        for method in ["GET", "POST", "DELETE"] {
            assert_problem(&server.client().send(method, path, &[], None), 404, "not-found");
        }
    }
    for path in ["/openapi/v2.json", "/api-docs", "/.well-known/jwks.json", "/confirm-email"] {
        let answer = server.client().send("POST", path, &[], None);
        assert_problem(&answer, 405, "method-not-allowed");
        assert!(answer.header("allow").is_some_and(|allow| allow.contains("GET")), "{path}");
    }
}

fn an_unknown_route_is_told_with_its_path_as_sent(topology: Topology) {
    let server = Server::start(topology);
    let client = server.client();
    let api = register(&server).api;
    for path in [
        "/api/v1",
        "/api/v1/",
        "/api/v1/nothing/at/all",
        "/api/v1/caf%C3%A9/%20%2F/%3Cscript%3E",
        "/api/v1/PRODUCTS",
        "/api/v1/products/1/2/3",
        "/api/v1/%ff%fe",
    ] {
        for (method, body) in [("GET", None), ("POST", Some(&b"{}"[..])), ("DELETE", None)] {
            for client in [&client, &api] {
                let answer = client.send(method, path, &[], body).expect(404).json();
                let expected = json!({ "success": false, "message": "Route not found", "path": path });
                assert_eq!(answer, expected, "{method} {path}");
            }
        }
    }
}

fn a_slash_at_the_end_of_a_path_makes_no_difference(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let id = create_named(&ada.api, "slash")["id"].clone();
    for path in ["/api/v1/auth/me", "/api/v1/products", &format!("/api/v1/products/{}", text(&id))] {
        let plain = ada.api.get(path).expect(200).json();
        assert_eq!(ada.api.get(&format!("{path}/")).expect(200).json(), plain, "{path}");
    }
}

/// The monolith's router knew pairs of method and path, so any other pair was no route.
fn an_unknown_method_of_a_known_path_is_an_unknown_route(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    for (method, path) in [
        ("PATCH", "/api/v1/products"),
        ("DELETE", "/api/v1/products"),
        ("PATCH", "/api/v1/products/1"),
        ("GET", "/api/v1/auth/login"),
        ("POST", "/api/v1/auth/me"),
        ("POST", "/api/v1/users"),
    ] {
        let answer = api.send(method, path, &[], None).expect(404).json();
        let expected = json!({ "success": false, "message": "Route not found", "path": path });
        assert_eq!(answer, expected, "{method} {path}");
    }
}

fn operators_pages_are_not_on_the_public_listener(topology: Topology) {
    let server = Server::start(topology);
    for path in ["/livez", "/readyz", "/startupz", "/metrics"] {
        server.client().get(path).expect(404);
    }
}
