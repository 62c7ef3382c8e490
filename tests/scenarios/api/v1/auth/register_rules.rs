//! POST /api/v1/auth/register: the rules of its fields.

use serde_json::{Value, json};
use testkit::{Client, Response, Server, Topology, on_each};

use crate::people::{PASSWORD, unique};
use crate::v1::{
    EMAIL, PASSWORD_LENGTH, PASSWORD_MIX, USERNAME_LENGTH, USERNAME_LETTERS, absent, assert_invalid, broken,
};

on_each!(
    every_broken_rule_is_told_in_order,
    usernames_have_3_to_50_of_certain_characters,
    email_addresses_are_valid_and_short,
    passwords_are_long_and_mixed,
    values_of_other_types_are_refused,
);

const PATH: &str = "/api/v1/auth/register";

fn every_broken_rule_is_told_in_order(topology: Topology) {
    let server = Server::start(topology);
    let client = server.client();
    assert_invalid(
        &client.post(PATH, &json!({})),
        &[
            absent("username", USERNAME_LENGTH),
            absent("username", USERNAME_LETTERS),
            absent("email", EMAIL),
            absent("password", PASSWORD_LENGTH),
            absent("password", PASSWORD_MIX),
        ],
    );
    // The order is that of the rules, whatever the order in the body.
    let body = r#"{"password":"abc","email":"nobody","username":"a!"}"#;
    assert_invalid(
        &client.post_text(PATH, body),
        &[
            broken("username", "a!", USERNAME_LENGTH),
            broken("username", "a!", USERNAME_LETTERS),
            broken("email", "nobody", EMAIL),
            broken("password", "abc", PASSWORD_LENGTH),
            broken("password", "abc", PASSWORD_MIX),
        ],
    );
    assert_invalid(
        &client.post(PATH, &json!({ "username": "", "email": "", "password": "" })),
        &[
            broken("username", "", USERNAME_LENGTH),
            broken("username", "", USERNAME_LETTERS),
            broken("email", "", EMAIL),
            broken("password", "", PASSWORD_LENGTH),
            broken("password", "", PASSWORD_MIX),
        ],
    );
}

fn with(client: &Client, field: &str, value: &Value) -> Response {
    let name = unique("rules");
    let mut body = json!({ "username": name, "email": format!("{name}@example.com"), "password": PASSWORD });
    body[field] = value.clone();
    client.post(PATH, &body)
}

fn usernames_have_3_to_50_of_certain_characters(topology: Topology) {
    let server = Server::start(topology);
    let client = server.client();
    let fifty = "x".repeat(50);
    for good in ["abc", "A_9", "___", "123", &fifty, " pad "] {
        let answer = with(&client, "username", &json!(good)).expect(201).json();
        assert_eq!(answer["data"]["user"]["username"], good.trim());
    }
    let long = "x".repeat(51);
    for bad in ["ab", &long] {
        assert_invalid(&with(&client, "username", &json!(bad)), &[broken("username", bad, USERNAME_LENGTH)]);
    }
    for bad in ["a b", "a-b", "a.b", "ünï", "日本語", "abc!", "abc\u{0}", "a\nb"] {
        assert_invalid(&with(&client, "username", &json!(bad)), &[broken("username", bad, USERNAME_LETTERS)]);
    }
    // Trimmed first, then counted, and shown as it was sent.
    assert_invalid(&with(&client, "username", &json!("  ab  ")), &[broken("username", "  ab  ", USERNAME_LENGTH)]);
}

fn email_addresses_are_valid_and_short(topology: Topology) {
    let server = Server::start(topology);
    let client = server.client();
    let longest = format!("{}@{}.example.com", "a".repeat(60), "b".repeat(27));
    assert_eq!(longest.len(), 100);
    for good in ["a@example.com", "a.b+c_d-e@sub.example.co", "O'Neil@example.com", " pad@example.com ", &longest] {
        with(&client, "email", &json!(good)).expect(201);
    }
    let long = format!("a{longest}");
    for bad in [
        "plain",
        "@example.com",
        "a@",
        "a@b@example.com",
        "a b@example.com",
        "a@exam ple.com",
        "a@.com",
        "a@example..com",
        "a..b@example.com",
        "a@-example.com",
        ".a@example.com",
        "a@example.com\u{0}",
        &long,
    ] {
        assert_invalid(&with(&client, "email", &json!(bad)), &[broken("email", bad, EMAIL)]);
    }
}

fn passwords_are_long_and_mixed(topology: Topology) {
    let server = Server::start(topology);
    let client = server.client();
    let long = format!("Aa1{}", "x".repeat(125));
    for good in ["Aa1bcd", "1aA   ", "Pässw0rd", "Aa1!@#$%^&*()", &long] {
        with(&client, "password", &json!(good)).expect(201);
    }
    for bad in ["Aa1bc", "aA1"] {
        assert_invalid(&with(&client, "password", &json!(bad)), &[broken("password", bad, PASSWORD_LENGTH)]);
    }
    for bad in ["abcdef1", "ABCDEF1", "Abcdefg", "1234567", "ÄÖÜäöü12"] {
        assert_invalid(&with(&client, "password", &json!(bad)), &[broken("password", bad, PASSWORD_MIX)]);
    }
}

/// Every rule of the field is broken then, and the value comes back as it was sent.
fn values_of_other_types_are_refused(topology: Topology) {
    let server = Server::start(topology);
    let client = server.client();
    for value in [json!(null), json!([]), json!({}), json!({ "$ne": "" }), json!([{ "a": 1 }])] {
        let both = |field: &str, first: &str, second: &str| {
            [broken(field, value.clone(), first), broken(field, value.clone(), second)]
        };
        let answer = with(&client, "username", &value);
        assert_invalid(&answer, &both("username", USERNAME_LENGTH, USERNAME_LETTERS));
        let answer = with(&client, "email", &value);
        assert_invalid(&answer, &[broken("email", value.clone(), EMAIL)]);
        let answer = with(&client, "password", &value);
        assert_invalid(&answer, &both("password", PASSWORD_LENGTH, PASSWORD_MIX));
    }
    for value in [json!(true), json!(7), json!(1e300)] {
        assert!(with(&client, "email", &value).expect(400).json()["errors"].is_array());
        assert!(with(&client, "password", &value).expect(400).json()["errors"].is_array());
    }
}
