//! GET /health

use serde_json::json;
use testkit::{Server, Topology, on_each};

on_each!(anyone_sees_that_the_server_runs);

fn anyone_sees_that_the_server_runs(topology: Topology) {
    let server = Server::start(topology);
    let answer = server.client().get("/health").expect(200);
    assert_eq!(answer.json(), json!({ "status": "OK", "message": "Server is running" }));
    assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("application/json")));
}
