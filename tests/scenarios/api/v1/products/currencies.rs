//! /api/v1/products in a shop of several currencies: each product is shown and changed in its own.

use serde_json::{Value, json};
use testkit::{Client, Deployment, Server, Topology, on_each};

use crate::people::{Person, administrator, register};
use crate::selling;
use crate::v1::{PRICE, assert_invalid, broken, create, list, path, text};
use crate::v2::log_in;

on_each!(
    prices_are_shown_with_the_decimals_of_their_currency,
    a_form_that_comes_back_changes_no_price,
    a_price_is_read_in_the_currency_of_the_product,
    prices_stay_below_a_hundred_million,
    a_new_price_is_in_the_currency_of_the_shop,
);

/// Amounts in minor units, as v1 shows them.
const PRICES: [(&str, i64, &str); 5] = [
    ("USD", 150_000, "1500.00"),
    ("JPY", 1_500, "1500"),
    ("KWD", 12_350, "12.350"),
    ("CLF", 123_456, "12.3456"),
    ("JPY", 99_999_999, "99999999"),
];

/// A product with a price in some currency, made through v2.
fn priced(person: &Person, server: &Server, currency: &str, amount: i64) -> Value {
    let price = json!({ "amount": amount, "currency": currency });
    let body = json!({ "name": currency, "price": price, "stock": 3 });
    selling::create(&log_in(server, &person.email), &body)
}

fn shown(api: &Client, product: &Value) -> Value {
    api.get(&path(product)).expect(200).json()["data"]["product"].clone()
}

/// What v2 says of the price.
fn amount(api: &Client, product: &Value) -> (String, i64) {
    let price = api.get(&selling::path(product)).expect(200).json()["price"].clone();
    (text(&price["currency"]), price["amount"].as_i64().expect("a number"))
}

fn prices_are_shown_with_the_decimals_of_their_currency(topology: Topology) {
    let server = Server::start(topology);
    let (ada, admin) = (register(&server), administrator(&server));
    let mut expected = Vec::new();
    for (currency, amount, price) in PRICES {
        let product = priced(&ada, &server, currency, amount);
        assert_eq!(shown(&ada.api, &product)["price"], price, "{currency}");
        expected.insert(0, price);
    }
    let prices = |products: &Value| -> Vec<String> {
        products.as_array().expect("products").iter().map(|product| text(&product["price"])).collect()
    };
    assert_eq!(prices(&list(&ada.api, "")["products"]), expected);
    let user = admin.api.get(&format!("/api/v1/users/{}", ada.id)).expect(200).json();
    assert_eq!(prices(&user["data"]["user"]["products"]), expected);
}

fn a_form_that_comes_back_changes_no_price(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let v2 = log_in(&server, &ada.email);
    for (currency, cents, price) in PRICES {
        let product = priced(&ada, &server, currency, cents);
        let form = shown(&ada.api, &product);
        let renamed = json!({
            "name": "Renamed", "price": form["price"], "stock": form["stock"].to_string(), "description": "", "category": "",
        });
        let answer = ada.api.put(&path(&product), &renamed).expect(200).json()["data"]["product"].clone();
        assert_eq!((&answer["name"], &answer["price"]), (&json!("Renamed"), &json!(price)));
        assert_eq!(amount(&v2, &product), (currency.to_owned(), cents));
        // Alone, it is no edit at all.
        let version = |product: &Value| v2.get(&selling::path(product)).expect(200).json()["version"].clone();
        let before = version(&product);
        ada.api.put(&path(&product), &json!({ "price": price })).expect(200);
        assert_eq!(version(&product), before);
    }
}

fn a_price_is_read_in_the_currency_of_the_product(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let v2 = log_in(&server, &ada.email);
    for (currency, sent, price, cents) in [
        ("JPY", json!(1500), "1500", 1_500),
        ("JPY", json!("1499.5"), "1500", 1_500),
        ("JPY", json!("1499.49"), "1499", 1_499),
        ("KWD", json!("12.35"), "12.350", 12_350),
        ("KWD", json!("0.0005"), "0.001", 1),
        ("CLF", json!(12.3456), "12.3456", 123_456),
        ("CLF", json!("1e-4"), "0.0001", 1),
        ("USD", json!("12.345"), "12.35", 1_235),
    ] {
        let product = priced(&ada, &server, currency, 7);
        let answer = ada.api.put(&path(&product), &json!({ "price": sent })).expect(200).json();
        assert_eq!(answer["data"]["product"]["price"], price, "{sent} {currency}");
        assert_eq!(amount(&v2, &product), (currency.to_owned(), cents), "{sent}");
    }
}

fn prices_stay_below_a_hundred_million(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    for (currency, highest, above) in [
        ("JPY", "99999999.4", "99999999.5"),
        ("USD", "99999999.994", "99999999.995"),
        ("KWD", "99999999.9994", "99999999.9995"),
        ("CLF", "99999999.99994", "99999999.99995"),
    ] {
        let product = priced(&ada, &server, currency, 7);
        ada.api.put(&path(&product), &json!({ "price": highest })).expect(200);
        for sent in [json!(above), json!(100_000_000), json!("1e400"), json!(-1), json!("a lot")] {
            let refused = ada.api.put(&path(&product), &json!({ "price": sent, "name": "dear" }));
            assert_invalid(&refused, &[broken("price", sent, PRICE)]);
        }
        assert_eq!(shown(&ada.api, &product)["name"], currency, "what is refused changes nothing");
    }
}

fn a_new_price_is_in_the_currency_of_the_shop(topology: Topology) {
    for (currency, sent, price) in
        [("JPY", "1499.5", "1500"), ("KWD", "12.3505", "12.351"), ("CLF", "12.3456", "12.3456")]
    {
        let server = Deployment::new(topology).set("PRODUCTS__CURRENCY", currency).start();
        let ada = register(&server);
        let product = create(&ada.api, &json!({ "name": "Lamp", "price": sent }));
        assert_eq!(product["price"], price);
        assert_eq!(shown(&ada.api, &product)["price"], price);
        assert_eq!(amount(&log_in(&server, &ada.email), &product).0, currency);
        let refused = ada.api.post("/api/v1/products", &json!({ "name": "Lamp", "price": "99999999.99999" }));
        assert_invalid(&refused, &[broken("price", "99999999.99999", PRICE)]);
        // A product of another currency keeps it.
        let foreign = priced(&ada, &server, "USD", 1_000);
        let answer = ada.api.put(&path(&foreign), &json!({ "price": "12.345" })).expect(200).json();
        assert_eq!(answer["data"]["product"]["price"], "12.35");
    }
}
