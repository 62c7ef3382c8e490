//! /api/v2/me

use serde_json::json;
use testkit::{Server, Topology, on_each};

use crate::people::{PASSWORD, register};
use crate::v1::text;
use crate::v2::{assert_invalid, assert_problem, assert_taken, delete, etag, log_in, open, patch};

on_each!(
    names_are_changed_under_their_version,
    taken_names_conflict,
    what_a_stolen_token_must_not_do_needs_a_recent_log_in,
    what_is_not_ones_own_is_unknown,
    a_new_password_ends_the_other_sessions,
    a_new_password_needs_the_present_one,
    everything_needs_a_token,
);

const ME: &str = "/api/v2/me";

fn names_are_changed_under_their_version(topology: Topology) {
    let server = Server::start(topology);
    let api = log_in(&server, &register(&server).email);
    let first = etag(&api.get(ME).expect(200));
    let answer = patch(&api, ME, &first, &json!({ "username": "countess" })).expect(200);
    let changed = answer.json();
    assert_eq!((&changed["username"], &changed["version"]), (&json!("countess"), &json!(2)));
    assert_eq!(api.get(ME).json(), changed);
    assert_problem(&patch(&api, ME, &first, &json!({ "username": "other" })), 412, "stale-version");
    assert_eq!(api.get(ME).json(), changed);
    // Nothing new is no new version.
    let same = patch(&api, ME, &etag(&answer), &json!({ "username": "countess" })).expect(200);
    assert_eq!(etag(&same), etag(&answer));
    patch(&api, ME, "*", &json!({})).expect(200);
    let bare = api.send("PATCH", ME, &[("content-type", "application/json")], Some(b"{}"));
    assert_problem(&bare, 428, "precondition-required");
}

fn what_a_stolen_token_must_not_do_needs_a_recent_log_in(topology: Topology) {
    let server = Server::start(topology);
    let eve = register(&server);
    let api = log_in(&server, &eve.email);
    server.sql("auth", "update sessions set created_at = created_at - 601000000");
    let moved = json!({ "email": "elsewhere@example.com" });
    for refused in [patch(&api, ME, "*", &moved), delete(&api, ME, "*")] {
        assert_problem(&refused, 401, "unauthenticated");
        let challenge = refused.header("www-authenticate").unwrap_or_default();
        assert!(challenge.contains("insufficient_user_authentication"), "{challenge}");
    }
    patch(&api, ME, "*", &json!({ "username": "renamed", "email": eve.email })).expect(200);
    let api = log_in(&server, &eve.email);
    patch(&api, ME, "*", &moved).expect(200);
    delete(&api, ME, "*").expect(204);
}

fn taken_names_conflict(topology: Topology) {
    let server = Server::start(topology);
    let (ada, eve) = (register(&server), register(&server));
    let api = log_in(&server, &eve.email);
    assert_taken(&patch(&api, ME, "*", &json!({ "username": ada.username })), "/username");
    // Not even with the username does a taken address make a difference.
    let both = json!({ "username": ada.username, "email": ada.email });
    assert_taken(&patch(&api, ME, "*", &both), "/username");
    assert_eq!(api.get(ME).expect(200).json()["version"], 1);
    // Writing one's own address in another way is no conflict.
    let answer = patch(&api, ME, "*", &json!({ "email": eve.email.to_uppercase() })).expect(200).json();
    assert_eq!(answer["email"], eve.email.to_uppercase());
    open(&server.client(), &eve.email, PASSWORD).expect(201);
}

fn what_is_not_ones_own_is_unknown(topology: Topology) {
    let server = Server::start(topology);
    let api = log_in(&server, &register(&server).email);
    let before = api.get(ME).json();
    for field in ["id", "role", "active", "version", "created_at", "email_verified", "pending_email", "password"] {
        let pointer = format!("/{field}");
        assert_invalid(&patch(&api, ME, "*", &json!({ (field): "admin" })), &[(&pointer, "unknown-field")]);
    }
    assert_invalid(&patch(&api, ME, "*", &json!({ "username": null })), &[("/username", "type")]);
    assert_invalid(&patch(&api, ME, "*", &json!({ "email": "x" })), &[("/email", "format")]);
    assert_eq!(api.get(ME).json(), before);
}

fn a_new_password_ends_the_other_sessions(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let (here, there) = (log_in(&server, &ada.email), log_in(&server, &ada.email));
    let change = json!({ "current_password": PASSWORD, "new_password": "incorrect zebra capacitor" });
    here.put("/api/v2/me/password", &change).expect(204);
    here.get(ME).expect(200);
    assert_problem(&there.get(ME), 401, "unauthenticated");
    ada.api.get("/api/v1/auth/me").expect(401);
    open(&server.client(), &ada.email, PASSWORD).expect(401);
    open(&server.client(), &ada.email, "incorrect zebra capacitor").expect(201);
}

fn a_new_password_needs_the_present_one(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let api = log_in(&server, &ada.email);
    let change = |current: &str, new: &str| {
        api.put("/api/v2/me/password", &json!({ "current_password": current, "new_password": new }))
    };
    assert_invalid(&change("Wrong1horse", "incorrect zebra"), &[("/current_password", "wrong")]);
    assert_invalid(&change(PASSWORD, "short"), &[("/new_password", "length")]);
    assert_invalid(&change(PASSWORD, "password1"), &[("/new_password", "common")]);
    assert_invalid(&change(PASSWORD, &ada.email), &[("/new_password", "common")]);
    assert_invalid(&change(PASSWORD, &format!("{}!1", ada.username)), &[("/new_password", "weak")]);
    open(&server.client(), &ada.email, PASSWORD).expect(201);
}

fn everything_needs_a_token(topology: Topology) {
    let server = Server::start(topology);
    let client = server.client();
    for answer in [
        client.get(ME),
        patch(&client, ME, "*", &json!({})),
        client.put("/api/v2/me/password", &json!({})),
        client.post("/api/v2/me/email-verification", &json!({})),
    ] {
        assert_problem(&answer, 401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert_eq!(text(&answer.json()["title"]), "Not authenticated");
    }
}
