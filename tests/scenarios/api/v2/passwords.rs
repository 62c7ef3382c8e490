//! Passwords are compared in one form, however a keyboard writes them (RFC 8265, OpaqueString).

use serde_json::{Value, json};
use testkit::{Client, Response, Server, Topology, eventually, on_each};

use crate::mails;
use crate::people::unique;
use crate::v1;
use crate::v2::{assert_invalid, log_in, open, register};

on_each!(
    a_password_is_one_however_it_is_written,
    it_is_changed_and_reset_in_any_way,
    one_that_was_hashed_as_sent_is_good_and_hashed_anew,
    what_nobody_sees_is_in_no_new_password,
);

/// An é of one character, and a plain space.
const COMPOSED: &str = "Caf\u{e9} Noir 12";
/// An é of two, and a space that breaks no line.
const DECOMPOSED: &str = "Cafe\u{301}\u{a0}Noir 12";
const ANY: [&str; 3] = [COMPOSED, DECOMPOSED, "Caf\u{e9}\u{3000}Noir\u{2009}12"];

fn account(password: &str) -> (String, Value) {
    let name = unique("user");
    let email = format!("{name}@example.com");
    (email.clone(), json!({ "username": name, "email": email, "password": password }))
}

/// Each way to write the password logs in, through both versions; one without the accent does not.
#[track_caller]
fn assert_good(client: &Client, email: &str) {
    for password in ANY {
        open(client, email, password).expect(201);
        v1::log_in(client, email, password).expect(200);
    }
    open(client, email, "Cafe Noir 12").expect(401);
}

fn a_password_is_one_however_it_is_written(topology: Topology) {
    let server = Server::start(topology);
    let client = server.client();
    for password in ANY {
        let (email, body) = account(password);
        client.post("/api/v2/accounts", &body).expect(201);
        assert_good(&client, &email);
        let (email, body) = account(password);
        client.post("/api/v1/auth/register", &body).expect(201);
        assert_good(&client, &email);
        let name = unique("admin");
        let email = format!("{name}@example.com");
        let command = ["admin", "create", "--username", &name, "--email", &email, "--password-stdin"];
        server.run_with_input(&command, &format!("{password}\n")).expect_code(0);
        assert_good(&client, &email);
    }
    // Eight characters and sixteen, of which seven, and eight, are left.
    let (_, seven) = account(&"e\u{301}".repeat(7));
    assert_invalid(&client.post("/api/v2/accounts", &seven), &[("/password", "length")]);
    let (_, eight) = account("e\u{301}e\u{301}kX9#mQ");
    client.post("/api/v2/accounts", &eight).expect(201);
}

fn it_is_changed_and_reset_in_any_way(topology: Topology) {
    let (server, mails) = mails::start(topology);
    let client = server.client();
    let email = register(&server);
    let api = log_in(&server, &email);
    let change = |present: &str, new: &str| {
        api.put("/api/v2/me/password", &json!({ "current_password": present, "new_password": new }))
    };
    change(crate::people::PASSWORD, DECOMPOSED).expect(204);
    assert_good(&client, &email);
    change(COMPOSED, "incorrect zebra").expect(204);
    assert_invalid(&change("incorrect zebra", "with a nul\0"), &[("/new_password", "characters")]);
    client.post("/api/v2/password-resets", &json!({ "email": email })).expect(202);
    let token = mails.tokens(&email, "another password", 1).remove(0);
    let reset = |password: &str| {
        client.post("/api/v2/password-resets/confirm", &json!({ "token": token, "password": password }))
    };
    assert_invalid(&reset("with a tab\t"), &[("/password", "characters")]);
    reset(DECOMPOSED).expect(204);
    assert_good(&client, &email);
}

/// Of [`DECOMPOSED`] as it is: what the release before stored.
const HASH_AS_SENT: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$apZ4EAL+twSnqrOAslPRXgBGNoRCBZ96UGU4GhTkexs";

fn one_that_was_hashed_as_sent_is_good_and_hashed_anew(topology: Topology) {
    let server = Server::start(topology);
    let client = server.client();
    let email = register(&server);
    server.sql("auth", &format!("update accounts set password_hash = '{HASH_AS_SENT}'"));
    let stored = || server.sql("auth", "select password_hash from accounts")[0][0].clone();
    // The change came from outside: the server may take a moment to notice.
    let log_in = |password: &str| -> Response { v1::log_in(&client, &email, password) };
    eventually("the new password is known", || (log_in(DECOMPOSED).status == 200).then_some(()));
    eventually("it is hashed anew", || (stored() != HASH_AS_SENT).then_some(()));
    assert_good(&client, &email);
}

fn what_nobody_sees_is_in_no_new_password(topology: Topology) {
    let server = Server::start(topology);
    let client = server.client();
    for unseen in ["with a tab\t", "with a nul\0", "with a line\n", "a hidden\u{200b}space", "next line\u{85}"] {
        let (_, body) = account(unseen);
        assert_invalid(&client.post("/api/v2/accounts", &body), &[("/password", "characters")]);
    }
    // v1 takes what it always took, and every log-in does.
    for unseen in ["Secret1\t", "Secret1\0", "Secret1\u{85}\u{200b}"] {
        let (email, body) = account(unseen);
        client.post("/api/v1/auth/register", &body).expect(201);
        v1::log_in(&client, &email, unseen).expect(200);
        open(&client, &email, unseen).expect(201);
        open(&client, &email, "Secret1").expect(401);
    }
}
