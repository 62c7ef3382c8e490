//! What a cluster's processes are to each other and to strangers, and what holds while parts of it fail: two gateways and two
//! processes of each service on one PostgreSQL.

mod absent;
mod doors;
mod hangs;
mod kills;
mod load;
mod revocation;
mod rolling;
mod ways;

use std::time::Duration;

use testkit::metrics::Metrics;
use testkit::{Client, Deployment, Response, Server, Topology};

use crate::people::PASSWORD;
use crate::v1::text;
use crate::v2;

/// The services that answer the public, each with a read of its own, which needs an administrator's token at most.
const SERVICES: [(&str, &str); 3] =
    [("auth", "/api/v2/sessions"), ("products", "/api/v2/products?limit=5"), ("users", "/api/v2/users?limit=5")];

/// How long one who asks waits between two looks.
const PAUSE: Duration = Duration::from_millis(2);

/// A setting of the tests, for those who have more time than usual.
fn wanted(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(usual)
}

/// A cluster whose tokens outlast its test.
fn start() -> Server {
    Deployment::new(Topology::Split).set("AUTH__ACCESS_TOKEN_LIFETIME", "1 h").start()
}

/// The public listeners, to be asked while the server is changed.
fn gateways(server: &Server) -> Vec<String> {
    server.urls().into_iter().map(str::to_owned).collect()
}

/// A client of each gateway.
fn clients(server: &Server) -> Vec<Client> {
    server.urls().into_iter().map(Client::public).collect()
}

/// Opens a session of API v2, and returns its access token.
#[track_caller]
fn token(server: &Server, email: &str) -> String {
    let opened = v2::open(&server.client(), email, PASSWORD).expect(201).json();
    text(&opened["access_token"])
}

/// Both processes of a role.
fn pair(role: &str) -> [String; 2] {
    [1, 2].map(|number| format!("{role}-{number}"))
}

/// Requests that a member has answered since it was started.
fn answered(server: &Server, name: &str) -> f64 {
    let text = Client::plain(&server.member(name).admin_url).get("/metrics").expect(200).text();
    Metrics::read(&text).sum("http_server_request_duration_seconds_count", &[])
}

/// Asserts an answer for which something was missing: it says when to come back.
#[track_caller]
fn assert_unavailable(answer: &Response) {
    assert_eq!(answer.status, 503, "{}", answer.text());
    let wait: Option<u64> = answer.header("retry-after").and_then(|wait| wait.parse().ok());
    assert!(wait.is_some_and(|wait| (1..=10).contains(&wait)), "Retry-After: {wait:?}");
}
