//! POST and PUT /api/v1/products: prices, exact to the last digit.

use serde_json::{Value, json};
use testkit::{Client, Response, Server, Topology, on_each};

use crate::people::register;
use crate::v1::{PRICE, assert_invalid, broken, create_named, list, path};

on_each!(prices_are_exact_decimals, prices_are_rounded_half_up, numbers_may_carry_exponents, other_prices_are_refused,);

/// Sends a price, exactly as written, with a creation and an update.
fn both(api: &Client, price: &str) -> [Response; 2] {
    let product = path(&create_named(api, "to be changed"));
    [
        api.post_text("/api/v1/products", &format!(r#"{{"name":"priced","price":{price}}}"#)),
        api.put_text(&product, &format!(r#"{{"price":{price}}}"#)),
    ]
}

#[track_caller]
fn assert_price(api: &Client, sent: &str, kept: &str) {
    for answer in both(api, sent) {
        assert!(answer.status < 300, "{sent:.80}: {}", answer.text());
        let product = answer.json()["data"]["product"].clone();
        assert_eq!(product["price"], kept, "{sent:.80}");
        let read = api.get(&path(&product)).expect(200).json();
        assert_eq!(read["data"]["product"]["price"], kept, "{sent:.80}");
    }
}

fn prices_are_exact_decimals(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    for (sent, kept) in [
        ("0", "0.00"),
        ("0.0", "0.00"),
        ("0.01", "0.01"),
        ("399.99", "399.99"),
        ("5", "5.00"),
        ("5.1", "5.10"),
        ("99999999.99", "99999999.99"),
        (r#""0""#, "0.00"),
        (r#""399.99""#, "399.99"),
        (r#""5""#, "5.00"),
        (r#""99999999.99""#, "99999999.99"),
        // 33554432.51 and its like have no exact binary float of 32 bits, nor have their cents.
        ("33554432.51", "33554432.51"),
        ("0.29", "0.29"),
        ("1.15", "1.15"),
        ("4.35", "4.35"),
    ] {
        assert_price(&api, sent, kept);
    }
    let data = list(&api, "limit=1");
    assert_eq!(data["products"][0]["price"], "4.35");
}

fn prices_are_rounded_half_up(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    for (sent, kept) in [
        ("0.004", "0.00"),
        ("0.005", "0.01"),
        ("0.0049999999999999999999999999", "0.00"),
        // As a float this is a little less than it says, and would be rounded down.
        ("1.005", "1.01"),
        ("2.675", "2.68"),
        ("8.345", "8.35"),
        ("19.995", "20.00"),
        ("0.125", "0.13"),
        ("0.135", "0.14"),
        (r#""1.005""#, "1.01"),
        (r#""1.0049""#, "1.00"),
        ("99999999.985", "99999999.99"),
        ("12.344999999999999999999999999999999", "12.34"),
        ("12.345000000000000000000000000000000", "12.35"),
    ] {
        assert_price(&api, sent, kept);
    }
}

fn numbers_may_carry_exponents(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    for (sent, kept) in [
        ("1e2", "100.00"),
        ("1E2", "100.00"),
        ("1e+2", "100.00"),
        ("12.345e1", "123.45"),
        ("5e-1", "0.50"),
        ("5e-3", "0.01"),
        ("4e-3", "0.00"),
        ("1e-400", "0.00"),
        ("1e-1000000000", "0.00"),
        ("0e1000000000", "0.00"),
        ("9999999999e-2", "99999999.99"),
        (r#""1e2""#, "100.00"),
        (r#""2.5E1""#, "25.00"),
    ] {
        assert_price(&api, sent, kept);
    }
}

fn other_prices_are_refused(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    let digits = "9".repeat(10_000);
    for sent in [
        "-0.01",
        "-1",
        "-1e-2",
        "100000000",
        "99999999.995",
        "1e8",
        "1e400",
        "1e1000000000",
        "1e99999999999999999999",
        &digits,
        r#""-1""#,
        r#""100000000""#,
        r#""1e400""#,
        r#""""#,
        r#"" ""#,
        r#""abc""#,
        r#""NaN""#,
        r#""Infinity""#,
        r#""-Infinity""#,
        r#""0x10""#,
        r#""1,50""#,
        r#""1 000""#,
        r#""1.2.3""#,
        r#""$5""#,
        r#""1e""#,
        r#"".""#,
        r#""5 EUR""#,
        r#""٣""#,
        "null",
        "true",
        "false",
        "{}",
        r#"{"amount":1}"#,
    ] {
        let value: Value = serde_json::from_str(sent).expect("JSON");
        for answer in both(&api, sent) {
            assert_invalid(&answer, &[broken("price", value.clone(), PRICE)]);
        }
    }
    // Lists were taken apart by the monolith's validator; here they may be refused, but break nothing.
    for odd in ["[]", "[1]", "[[1]]", r#"["1"]"#] {
        for answer in both(&api, odd) {
            assert!(answer.status < 500, "{odd}: {}", answer.text());
        }
    }
    assert_eq!(list(&api, "search=priced")["products"], json!([]), "what is refused leaves nothing");
}
