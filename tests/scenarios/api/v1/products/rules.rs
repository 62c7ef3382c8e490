//! POST and PUT /api/v1/products: the rules of name, stock and category. Prices have a page of their own.

use serde_json::{Value, json};
use testkit::{Client, Response, Server, Topology, on_each};

use crate::people::register;
use crate::v1::{NAME, PRICE, STOCK, absent, assert_invalid, broken, create_named, path};

on_each!(
    every_broken_rule_is_told_in_order,
    names_have_1_to_200_characters,
    stock_is_a_whole_number_from_0_to_2147483647,
    categories_have_at_most_100_characters,
    descriptions_may_be_long,
);

/// Tries one field on a creation and on an update, which have the same rules.
fn both(api: &Client, field: &str, value: &str) -> [Response; 2] {
    let value: Value = serde_json::from_str(value).expect("JSON");
    let mut body = json!({ "name": "x", "price": 1 });
    body[field] = value.clone();
    let product = path(&create_named(api, "to be changed"));
    [api.post("/api/v1/products", &body), api.put(&product, &json!({ field: value }))]
}

/// Both answer with the field as `expected`.
#[track_caller]
fn assert_taken(api: &Client, field: &str, value: &str, expected: impl Into<Value>) {
    let expected = expected.into();
    for answer in both(api, field, value) {
        assert!(answer.status < 300, "{field} {value:.80}: {}", answer.text());
        assert_eq!(answer.json()["data"]["product"][field], expected, "{field} {value:.80}");
    }
}

/// Both refuse, with the value as it was sent.
#[track_caller]
fn assert_broken(api: &Client, field: &str, value: &str, message: &str) {
    for answer in both(api, field, value) {
        let sent: Value = serde_json::from_str(value).expect("JSON");
        assert_invalid(&answer, &[broken(field, sent, message)]);
    }
}

fn every_broken_rule_is_told_in_order(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    let post = |body: &str| api.post_text("/api/v1/products", body);
    assert_invalid(&post("{}"), &[absent("name", NAME), absent("price", PRICE)]);
    assert_invalid(
        &post(r#"{"stock":-1,"price":-1,"name":" "}"#),
        &[broken("name", " ", NAME), broken("price", -1, PRICE), broken("stock", -1, STOCK)],
    );
    let category = "c".repeat(101);
    let body = json!({ "category": category, "stock": "x", "price": "x", "name": "" });
    let errors = post(&body.to_string()).expect(400).json()["errors"].clone();
    let paths: Vec<&Value> = errors.as_array().expect("errors").iter().map(|error| &error["path"]).collect();
    assert_eq!(paths, ["name", "price", "stock", "category"]);
}

fn names_have_1_to_200_characters(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    assert_taken(&api, "name", r#""x""#, "x");
    assert_taken(&api, "name", r#"" \t x y \n ""#, "x y");
    // Characters, not bytes.
    for letter in ["x", "é", "語"] {
        let longest = letter.repeat(200);
        assert_taken(&api, "name", &format!("\"{longest}\""), longest.clone());
        assert_taken(&api, "name", &format!("\"  {longest}  \""), longest.clone());
        assert_broken(&api, "name", &format!("\"{longest}{letter}\""), NAME);
    }
    for bad in [r#""""#, r#""   ""#, r#""\t\n""#, "null", "[]", "{}", r#"{"a":"b"}"#] {
        assert_broken(&api, "name", bad, NAME);
    }
}

fn stock_is_a_whole_number_from_0_to_2147483647(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    for (sent, kept) in [
        ("0", 0),
        ("1", 1),
        ("2147483647", 2_147_483_647),
        (r#""0""#, 0),
        (r#""5""#, 5),
        (r#""2147483647""#, 2_147_483_647),
        // Numbers may carry exponents.
        ("1e2", 100),
        ("12E1", 120),
        ("2.5e1", 25),
        ("1E+3", 1000),
    ] {
        assert_taken(&api, "stock", sent, kept);
    }
    for bad in [
        "-1",
        "1.5",
        "5.00001",
        "2147483648",
        "1e10",
        "1e400",
        "1e-1",
        "-0.5",
        r#""-1""#,
        r#""1.5""#,
        r#""2147483648""#,
        r#""""#,
        r#"" ""#,
        r#""abc""#,
        r#""0x10""#,
        r#""1,000""#,
        r#""Infinity""#,
        r#""99999999999999999999""#,
        "null",
        "true",
        "{}",
        r#"{"a":1}"#,
        "99999999999999999999999999999999999999999999",
        "1e1000000000",
    ] {
        assert_broken(&api, "stock", bad, STOCK);
    }
    for odd in ["[]", "[1]", "[[1]]"] {
        for answer in both(&api, "stock", odd) {
            assert!(answer.status < 500, "{odd}: {}", answer.text());
        }
    }
}

fn categories_have_at_most_100_characters(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    assert_taken(&api, "category", "null", Value::Null);
    assert_taken(&api, "category", r#""""#, "");
    for letter in ["x", "é", "語"] {
        let longest = letter.repeat(100);
        assert_taken(&api, "category", &format!("\"{longest}\""), longest.clone());
        let long = format!("\"{longest}{letter}\"");
        for answer in both(&api, "category", &long) {
            // The contract gives this rule no words.
            let errors = answer.expect(400).json()["errors"].clone();
            let message = errors[0]["msg"].clone();
            assert!(message.as_str().is_some_and(|message| !message.is_empty()), "{errors}");
            let sent: Value = serde_json::from_str(&long).expect("JSON");
            let mut expected = broken("category", sent, "");
            expected["msg"] = message;
            assert_eq!(errors, json!([expected]));
        }
    }
}

fn descriptions_may_be_long(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    assert_taken(&api, "description", "null", Value::Null);
    assert_taken(&api, "description", r#""""#, "");
    let long = "語 ".repeat(16_000);
    assert_taken(&api, "description", &format!("\"{long}\""), long.clone());
}
