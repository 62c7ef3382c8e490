//! /api/v2/accounts

use serde_json::{Value, json};
use testkit::{Server, Topology, on_each};

use crate::people::{PASSWORD, register, unique};
use crate::v1::{keys, text};
use crate::v2::{assert_invalid, assert_problem, assert_taken, log_in, open};

on_each!(
    an_account_is_made,
    every_broken_rule_is_told,
    weak_passwords_are_refused,
    long_passwords_count_whole,
    nobody_learns_whose_address_is_known,
    a_taken_username_is_a_conflict,
    protected_fields_are_unknown,
);

const ACCOUNT: [&str; 10] = [
    "active",
    "created_at",
    "email",
    "email_verified",
    "id",
    "pending_email",
    "role",
    "updated_at",
    "username",
    "version",
];

fn account(username: &str, email: &str, password: &str) -> Value {
    json!({ "username": username, "email": email, "password": password })
}

fn an_account_is_made(topology: Topology) {
    let server = Server::start(topology);
    let answer = server.client().post("/api/v2/accounts", &account("ada", " Ada@Example.com ", PASSWORD)).expect(201);
    assert_eq!(answer.header("location"), Some("/api/v2/me"));
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    let made = answer.json();
    assert_eq!(keys(&made), ACCOUNT);
    assert_eq!((&made["username"], &made["email"]), (&json!("ada"), &json!("Ada@Example.com")));
    assert_eq!(
        (&made["role"], &made["active"], &made["email_verified"]),
        (&json!("user"), &json!(true), &json!(false))
    );
    let me = log_in(&server, "ada@example.com").get("/api/v2/me").expect(200).json();
    assert_eq!(me, made);
}

fn every_broken_rule_is_told(topology: Topology) {
    let server = Server::start(topology);
    let post = |body| server.client().post("/api/v2/accounts", &body);
    let broken = post(account("a-", "nobody", "short"));
    let expected =
        [("/username", "length"), ("/username", "characters"), ("/email", "format"), ("/password", "length")];
    assert_invalid(&broken, &expected);
    assert_invalid(&post(json!({ "username": "ada", "email": "ada@example.com" })), &[("/password", "required")]);
    let all = [("/username", "type"), ("/email", "required"), ("/password", "required")];
    assert_invalid(&post(json!({ "username": 1 })), &all);
    assert_invalid(&post(account("ada", "a\0@example.com", PASSWORD)), &[("/email", "format")]);
}

fn weak_passwords_are_refused(topology: Topology) {
    let server = Server::start(topology);
    let post = |password: &str| {
        server.client().post("/api/v2/accounts", &account("ada_lovelace", "ada@example.com", password))
    };
    for common in
        ["password", "PASSWORD1", "12345678", "Iloveyou1", "ada_lovelace", "ada@example.com", "ADA@example.com"]
    {
        assert_invalid(&post(common), &[("/password", "common")]);
    }
    for weak in ["Passw0rd!", "qwertyuiop99", "abcabcabcabc", "PrimeTrade-2026", "Lovelace99", &"\u{fc}".repeat(128)] {
        let refused = post(weak);
        assert_invalid(&refused, &[("/password", "weak")]);
        let advice = text(&refused.json()["errors"][0]["detail"]);
        assert!(advice.contains("too easy to guess") && advice.contains("Add another word"), "{advice}");
    }
    assert_invalid(&post(&"x".repeat(129)), &[("/password", "length")]);
    // v1 takes what it always took.
    let old = account("old_client", "old@example.com", "Passw0rd1");
    server.client().post("/api/v1/auth/register", &old).expect(201);
    post("no digit, no capital").expect(201);
}

fn long_passwords_count_whole(topology: Topology) {
    let server = Server::start(topology);
    let long = format!("correct horse battery staple {}end", "ü".repeat(96));
    server.client().post("/api/v2/accounts", &account("ada", "ada@example.com", &long)).expect(201);
    open(&server.client(), "ada@example.com", &long).expect(201);
    open(&server.client(), "ada@example.com", &long.replace("end", "enD")).expect(401);
}

fn nobody_learns_whose_address_is_known(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let told = |email: &str| {
        let username = unique("newcomer");
        let answer = server.client().post("/api/v2/accounts", &account(&username, email, PASSWORD)).expect(201);
        let mut body = answer.json();
        for changing in ["id", "username", "email", "created_at", "updated_at"] {
            body[changing] = Value::Null;
        }
        (body, answer.header("location").map(str::to_owned))
    };
    assert_eq!(told(&ada.email.to_uppercase()), told("unknown@example.com"));
    // Her account is as it was.
    let me = log_in(&server, &ada.email).get("/api/v2/me").expect(200).json();
    assert_eq!((&me["id"], &me["version"]), (&json!(ada.id), &json!(1)));
    let stranger = |email| open(&server.client(), email, "another password").json()["detail"].clone();
    assert_eq!(stranger(ada.email.as_str()), stranger("nobody@example.com"));
}

fn a_taken_username_is_a_conflict(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    for email in ["new@example.com", &ada.email] {
        let answer = server.client().post("/api/v2/accounts", &account(&ada.username, email, PASSWORD));
        assert_taken(&answer, "/username");
    }
}

fn protected_fields_are_unknown(topology: Topology) {
    let server = Server::start(topology);
    for field in ["id", "role", "active", "version", "created_at", "email_verified", "pending_email"] {
        let mut body = account("ada", "ada@example.com", PASSWORD);
        body[field] = json!("admin");
        let pointer = format!("/{field}");
        assert_invalid(&server.client().post("/api/v2/accounts", &body), &[(&pointer, "unknown-field")]);
    }
    assert_problem(&open(&server.client(), "ada@example.com", PASSWORD), 401, "unauthenticated");
}
