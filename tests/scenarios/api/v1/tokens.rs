//! `Authorization: Bearer …`, on every route that asks for it.

use testkit::{Client, Deployment, Response, Server, Topology, eventually, on_each};

use crate::people::register;
use crate::v1::{BAD_TOKEN, ENDED_TOKEN, EXPIRED_TOKEN, NO_TOKEN, NOBODY, assert_failure};

on_each!(
    without_a_token_nothing_is_given,
    a_bad_token_is_told_so,
    an_expired_token_is_told_so,
    a_token_dies_with_its_account_or_session,
    tokens_outlive_a_restart,
    tokens_of_another_deployment_are_bad,
);

/// Every route of v1 that needs a caller.
fn protected() -> Vec<(&'static str, String)> {
    let product = format!("/api/v1/products/{NOBODY}");
    vec![
        ("GET", "/api/v1/auth/me".into()),
        ("GET", "/api/v1/products".into()),
        ("POST", "/api/v1/products".into()),
        ("GET", product.clone()),
        ("PUT", product.clone()),
        ("DELETE", product),
        ("GET", "/api/v1/users".into()),
        ("GET", format!("/api/v1/users/{NOBODY}")),
    ]
}

/// Asks every protected route with this header.
#[track_caller]
fn assert_everywhere(client: &Client, authorization: Option<&str>, message: &str) {
    for (method, path) in protected() {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(authorization.map(|value| ("authorization", value)));
        let body = matches!(method, "POST" | "PUT").then_some(&b"{}"[..]);
        let answer = client.send(method, &path, &headers, body);
        assert_failure(&answer, 401, message);
    }
}

fn without_a_token_nothing_is_given(topology: Topology) {
    let server = Server::start(topology);
    let client = server.client();
    let token = register(&server).token;
    assert_everywhere(&client, None, NO_TOKEN);
    for malformed in ["", "Bearer", "Basic YTpi", "Token", &token, &format!("Token {token}"), &format!("Bearer{token}")]
    {
        assert_everywhere(&client, Some(malformed), NO_TOKEN);
    }
}

fn a_bad_token_is_told_so(topology: Topology) {
    let server = Server::start(topology);
    let client = server.client();
    let token = register(&server).token;
    // A token of the monolith: HS256, and its users log in again.
    let monolith = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
        eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.\
        SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";
    let mut bad = vec!["x".to_owned(), "a.b.c".into(), "..".into(), monolith.into(), token.to_uppercase()];
    // One character changed, in each part of it.
    for eighth in 1..8 {
        let mut bytes = token.clone().into_bytes();
        let at = bytes.len() * eighth / 8;
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        bad.push(String::from_utf8(bytes).expect("ASCII"));
    }
    bad.push(token[..token.len() - 8].to_owned());
    bad.push(format!("{token}AAAA"));
    // The same claims without a signature: {"alg":"none","typ":"JWT"}.
    if let [_, claims, _] = token.split('.').collect::<Vec<_>>()[..] {
        bad.push(format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}."));
    }
    for token in bad {
        assert_everywhere(&client, Some(&format!("Bearer {token}")), BAD_TOKEN);
    }
    // An endless one is refused, whichever way.
    let answer = client.with_token(&"a".repeat(7_000)).get("/api/v1/auth/me");
    assert_failure(&answer, 401, BAD_TOKEN);
}

/// The answer once the token is no longer good.
#[track_caller]
fn refusal(api: &Client) -> Response {
    eventually("the token is refused", || {
        let answer = api.get("/api/v1/auth/me");
        (answer.status != 200).then_some(answer)
    })
}

fn an_expired_token_is_told_so(topology: Topology) {
    let server = Deployment::new(topology).set("AUTH__V1_TOKEN_LIFETIME", "1s").start();
    let ada = register(&server);
    assert_failure(&refusal(&ada.api), 401, EXPIRED_TOKEN);
    assert_everywhere(&server.client(), Some(&format!("Bearer {}", ada.token)), EXPIRED_TOKEN);
}

fn a_token_dies_with_its_account_or_session(topology: Topology) {
    let mut server = Server::start(topology);
    let off = match topology {
        Topology::Sqlite => "0",
        Topology::Postgres | Topology::Split => "false",
    };
    let bob = register(&server);
    let mut dead = Vec::new();
    for end in [
        format!("update accounts set active = {off} where username = '{{}}'"),
        "update sessions set ended_at = 1 where account_id = (select id from accounts where username = '{}')".into(),
        "delete from accounts where username = '{}'".into(),
    ] {
        let ada = register(&server);
        server.sql("auth", &end.replace("{}", &ada.username));
        // The change came from outside: the server may take a moment to notice.
        assert_failure(&refusal(&ada.api), 401, ENDED_TOKEN);
        dead.push(format!("Bearer {}", ada.token));
    }
    for header in &dead {
        assert_everywhere(&server.client(), Some(header), ENDED_TOKEN);
    }
    bob.api.get("/api/v1/auth/me").expect(200);
    server.restart();
    for header in &dead {
        assert_everywhere(&server.client(), Some(header), ENDED_TOKEN);
    }
}

fn tokens_outlive_a_restart(topology: Topology) {
    let mut server = Server::start(topology);
    let ada = register(&server);
    assert!(server.terminate().success());
    server.restart();
    let api = server.client().with_token(&ada.token);
    let me = api.get("/api/v1/auth/me").expect(200).json();
    assert_eq!(me["data"]["user"]["id"], ada.id.as_str());
    server.kill9();
    server.restart();
    server.client().with_token(&ada.token).get("/api/v1/auth/me").expect(200);
}

fn tokens_of_another_deployment_are_bad(topology: Topology) {
    let (here, there) = (Server::start(topology), Server::start(topology));
    let token = register(&there).token;
    assert_everywhere(&here.client(), Some(&format!("Bearer {token}")), BAD_TOKEN);
}
