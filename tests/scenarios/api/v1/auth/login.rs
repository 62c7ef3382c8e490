//! POST /api/v1/auth/login

use serde_json::json;
use testkit::{Server, Topology, eventually, on_each};

use crate::people::{PASSWORD, register};
use crate::v1::{EMAIL, PASSWORD_REQUIRED, absent, assert_failure, assert_invalid, broken, keys, log_in};

on_each!(
    a_log_in_answers_with_the_user_and_a_token,
    wrong_credentials_are_refused_alike,
    a_deactivated_account_is_told_so,
    every_broken_rule_is_told_in_order,
);

const PATH: &str = "/api/v1/auth/login";
const WRONG: &str = "Invalid email or password";

fn a_log_in_answers_with_the_user_and_a_token(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let client = server.client();
    let answer = log_in(&client, &ada.email, PASSWORD).expect(200).json();
    assert_eq!(keys(&answer), ["data", "message", "success"]);
    assert_eq!(answer["success"], true);
    assert_eq!(answer["message"], "Login successful");
    assert_eq!(keys(&answer["data"]), ["token", "user"]);
    let me = ada.api.get("/api/v1/auth/me").expect(200).json();
    assert_eq!(answer["data"]["user"], me["data"]["user"]);

    let token = answer["data"]["token"].as_str().expect("a token");
    client.with_token(token).get("/api/v1/auth/me").expect(200);
    // The first session goes on.
    ada.api.get("/api/v1/auth/me").expect(200);

    log_in(&client, &ada.email.to_uppercase(), PASSWORD).expect(200);
    log_in(&client, &format!("  {}  ", ada.email), PASSWORD).expect(200);
    client.post_form(PATH, &format!("email={}&password={PASSWORD}", ada.email)).expect(200);
}

fn wrong_credentials_are_refused_alike(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let client = server.client();
    let tail = format!("{PASSWORD}x");
    let lower = PASSWORD.to_lowercase();
    for wrong in ["x", &tail, &lower, " ", &PASSWORD[1..]] {
        assert_failure(&log_in(&client, &ada.email, wrong), 401, WRONG);
    }
    assert_failure(&log_in(&client, "nobody@example.com", PASSWORD), 401, WRONG);
    // Passwords are not trimmed.
    assert_failure(&log_in(&client, &ada.email, &format!(" {PASSWORD} ")), 401, WRONG);
    // A very long one is hashed like any other, not an error.
    assert_failure(&log_in(&client, &ada.email, &"A1a".repeat(10_000)), 401, WRONG);
    log_in(&client, &ada.email, PASSWORD).expect(200);
}

fn a_deactivated_account_is_told_so(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let active = |active: &str| server.sql("auth", &format!("update accounts set active = {active}"));
    let (off, on) = match topology {
        Topology::Sqlite => ("0", "1"),
        Topology::Postgres | Topology::Split => ("false", "true"),
    };
    active(off);
    let message = "Account is deactivated. Please contact administrator.";
    // The change came from outside: the server may take a moment to notice.
    let answer = eventually("the account is deactivated", || {
        let answer = log_in(&server.client(), &ada.email, PASSWORD);
        (answer.status != 200).then_some(answer)
    });
    assert_failure(&answer, 401, message);
    // Who does not know the password does not learn it.
    assert_failure(&log_in(&server.client(), &ada.email, "Wrong1pass"), 401, WRONG);
    active(on);
    eventually("the account is active again", || {
        (log_in(&server.client(), &ada.email, PASSWORD).status == 200).then_some(())
    });
}

fn every_broken_rule_is_told_in_order(topology: Topology) {
    let server = Server::start(topology);
    let client = server.client();
    assert_invalid(&client.post(PATH, &json!({})), &[absent("email", EMAIL), absent("password", PASSWORD_REQUIRED)]);
    assert_invalid(
        &client.post(PATH, &json!({ "password": "", "email": "x" })),
        &[broken("email", "x", EMAIL), broken("password", "", PASSWORD_REQUIRED)],
    );
    // The rules of registration are not asked: an old password may be short.
    assert_failure(&log_in(&client, "nobody@example.com", "x"), 401, WRONG);
    for value in [json!(null), json!([]), json!({}), json!({ "$gt": "" })] {
        assert_invalid(
            &client.post(PATH, &json!({ "email": "a@example.com", "password": value })),
            &[broken("password", value.clone(), PASSWORD_REQUIRED)],
        );
        assert_invalid(
            &client.post(PATH, &json!({ "email": value, "password": "x" })),
            &[broken("email", value.clone(), EMAIL)],
        );
    }
}
