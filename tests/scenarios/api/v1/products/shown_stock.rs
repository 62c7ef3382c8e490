//! PUT /api/v1/products/:id from a form that posts back the stock that it was shown, while units are sold.

use serde_json::{Value, json};
use testkit::{Client, Server, Topology, on_each};

use crate::people::{Person, log_in, register};
use crate::selling::{self, shirt, verified};
use crate::v1::{assert_invalid, broken, create, list, path, text};
use crate::v2;

on_each!(
    a_stock_that_comes_back_as_it_was_shown_is_not_set,
    all_that_shows_a_stock_counts,
    another_stock_is_set,
    who_was_shown_nothing_sets_what_they_send,
    the_sum_of_several_variants_may_come_back,
);

const READ_ONLY: &str = "This product has several variants: its stock is read-only here";

fn lamp() -> Value {
    json!({ "name": "Lamp", "price": "9.90", "stock": 10 })
}

/// The form, as the old front end posts it back.
fn renamed(shown: &Value, name: &str) -> Value {
    json!({ "name": name, "price": shown["price"], "stock": shown["stock"].to_string(), "description": "", "category": "" })
}

/// Takes units of a product's first variant, as a sale does: past v1.
fn sell(v2: &Client, product: &Value, units: i64) {
    let variant = v2.get(&selling::path(product)).expect(200).json()["variants"][0].clone();
    let path = format!("{}/stock-adjustments", selling::variant_path(&variant));
    v2.post(&path, &json!({ "delta": -units, "reason": "sold" })).expect(201);
}

fn get(api: &Client, product: &Value) -> Value {
    api.get(&path(product)).expect(200).json()["data"]["product"].clone()
}

#[track_caller]
fn put(api: &Client, product: &Value, body: &Value) -> Value {
    api.put(&path(product), body).expect(200).json()["data"]["product"].clone()
}

fn seller(server: &Server) -> (Person, Client) {
    let ada = register(server);
    let v2 = v2::log_in(server, &ada.email);
    (ada, v2)
}

/// In a cluster some sessions would meet both processes of the catalogue, if they were not kept at one.
fn a_stock_that_comes_back_as_it_was_shown_is_not_set(topology: Topology) {
    let server = Server::start(topology);
    let (ada, v2) = seller(&server);
    let urls = server.urls();
    for number in 0..8 {
        let session = log_in(&server, &ada.email);
        let [here, there] = [urls[number % urls.len()], urls[(number + 1) % urls.len()]]
            .map(|url| Client::public(url).with_token(&session.token));
        let product = create(&ada.api, &lamp());
        let form = get(&here, &product);
        assert_eq!(form["stock"], 10);
        sell(&v2, &product, 4);
        let after = put(&there, &product, &renamed(&form, "Lantern"));
        assert_eq!((&after["name"], &after["stock"]), (&json!("Lantern"), &json!(6)), "session {number}");
        assert_eq!(get(&session.api, &product)["stock"], 6);
        // What the answer showed may come back too.
        sell(&v2, &product, 5);
        assert_eq!(put(&here, &product, &renamed(&after, "Lamp"))["stock"], 1);
    }
    verified(&server);
}

fn all_that_shows_a_stock_counts(topology: Topology) {
    let server = Server::start(topology);
    let (ada, v2) = seller(&server);
    let product = create(&ada.api, &lamp());
    // The answer of the creation.
    sell(&v2, &product, 1);
    let after = put(&ada.api, &product, &renamed(&product, "created"));
    assert_eq!(after["stock"], 9);
    // That of the change.
    sell(&v2, &product, 1);
    let after = put(&ada.api, &product, &renamed(&after, "changed"));
    assert_eq!(after["stock"], 8);
    // A list.
    sell(&v2, &product, 1);
    let listed = list(&ada.api, "")["products"][0].clone();
    assert_eq!(listed["stock"], 7);
    sell(&v2, &product, 1);
    let after = put(&ada.api, &product, &renamed(&listed, "listed"));
    assert_eq!(after["stock"], 6);
    // A creation that was repeated, in whose place its first answer comes.
    let repeat = |session: &Person| {
        let answer = session.api.post_with("/api/v1/products", ("idempotency-key", "lamp"), &lamp()).expect(201);
        answer.json()["data"]["product"].clone()
    };
    let product = repeat(&ada);
    sell(&v2, &product, 2);
    let other = log_in(&server, &ada.email);
    assert_eq!(repeat(&other), product);
    assert_eq!(put(&other.api, &product, &renamed(&product, "repeated"))["stock"], 8);
}

fn another_stock_is_set(topology: Topology) {
    let server = Server::start(topology);
    let (ada, v2) = seller(&server);
    let product = create(&ada.api, &lamp());
    sell(&v2, &product, 4);
    assert_eq!(put(&ada.api, &product, &json!({ "stock": 12 }))["stock"], 12);
    // Now 12 is what was shown, and 10 is a wish.
    assert_eq!(put(&ada.api, &product, &json!({ "stock": "10" }))["stock"], 10);
    sell(&v2, &product, 4);
    assert_eq!(put(&ada.api, &product, &json!({ "stock": 10, "name": "Lantern" }))["stock"], 6);
    assert_eq!(put(&ada.api, &product, &json!({ "stock": 0 }))["stock"], 0);
    verified(&server);
}

fn who_was_shown_nothing_sets_what_they_send(topology: Topology) {
    let server = Server::start(topology);
    let (ada, v2) = seller(&server);
    let product = create(&ada.api, &lamp());
    sell(&v2, &product, 4);
    let other = log_in(&server, &ada.email);
    assert_eq!(put(&other.api, &product, &renamed(&product, "Lantern"))["stock"], 10);
}

fn the_sum_of_several_variants_may_come_back(topology: Topology) {
    let server = Server::start(topology);
    let (ada, v2) = seller(&server);
    let product = selling::create(&v2, &shirt());
    let form = get(&ada.api, &product);
    assert_eq!((&form["stock"], &form["price"]), (&json!(3), &json!("9.00")));
    sell(&v2, &product, 1);
    let after = put(&ada.api, &product, &renamed(&form, "Blouse"));
    assert_eq!((&after["name"], &after["stock"]), (&json!("Blouse"), &json!(2)));
    // What was never shown to a session is a wish that this product cannot fulfil, unless it is so already.
    let other = log_in(&server, &ada.email);
    let refused = other.api.put(&path(&product), &json!({ "name": "Shirt", "stock": 3 }));
    assert_invalid(&refused, &[broken("stock", 3, READ_ONLY)]);
    assert_eq!(put(&other.api, &product, &json!({ "name": "Shirt", "stock": 2 }))["stock"], 2);
    assert_eq!(text(&get(&ada.api, &product)["name"]), "Shirt");
}
