//! POST /api/v1/products

use serde_json::{Value, json};
use testkit::{Server, Topology, on_each};

use crate::people::register;
use crate::v1::{assert_time, assert_uuid, create, keys, path};

on_each!(
    a_product_is_answered_as_it_was_made,
    absent_fields_have_defaults,
    empty_texts_come_back_as_sent,
    protected_fields_are_ignored,
    ids_are_unique_and_ascend,
    any_number_may_have_the_same_name,
);

const PATH: &str = "/api/v1/products";

fn a_product_is_answered_as_it_was_made(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let body = json!({
        "name": "  Desk lamp ", "description": " warm <b>light</b> & more ", "price": 399.99, "stock": 12,
        "category": "Lighting",
    });
    let answer = ada.api.post(PATH, &body).expect(201).json();
    assert_eq!(keys(&answer), ["data", "message", "success"]);
    assert_eq!(answer["success"], true);
    assert_eq!(answer["message"], "Product created successfully");
    assert_eq!(keys(&answer["data"]), ["product"]);
    let product = &answer["data"]["product"];
    // The owner is shown only where the contract says so.
    assert_eq!(
        keys(product),
        ["category", "createdAt", "description", "id", "name", "price", "stock", "updatedAt", "userId"]
    );
    assert_uuid(&product["id"]);
    assert_eq!(product["name"], "Desk lamp");
    assert_eq!(product["description"], body["description"]);
    assert_eq!(product["price"], "399.99");
    assert_eq!(product["stock"], 12);
    assert_eq!(product["category"], "Lighting");
    assert_eq!(product["userId"], ada.id.as_str());
    assert_time(&product["createdAt"]);
    assert_eq!(product["createdAt"], product["updatedAt"]);

    let mut read = ada.api.get(&path(product)).expect(200).json()["data"]["product"].clone();
    read.as_object_mut().expect("a product").remove("owner");
    assert_eq!(&read, product);
}

fn absent_fields_have_defaults(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let product = create(&ada.api, &json!({ "name": "x", "price": 0 }));
    assert_eq!(product["price"], "0.00");
    assert_eq!(product["stock"], 0);
    assert_eq!(product["category"], Value::Null);
    assert_eq!(product["description"], Value::Null);
    let nulls = json!({ "name": "x", "price": 0, "category": null, "description": null });
    let product = create(&ada.api, &nulls);
    assert_eq!(product["category"], Value::Null);
    assert_eq!(product["description"], Value::Null);
}

/// HTML forms post every field as a string, and what was left out as an empty one.
fn empty_texts_come_back_as_sent(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let product =
        create(&ada.api, &json!({ "name": "x", "price": "12", "stock": "34", "category": "", "description": "" }));
    assert_eq!(product["price"], "12.00");
    assert_eq!(product["stock"], 34);
    assert_eq!(product["category"], "");
    assert_eq!(product["description"], "");
    let read = ada.api.get(&path(&product)).expect(200).json();
    assert_eq!(read["data"]["product"]["category"], "");
    assert_eq!(read["data"]["product"]["description"], "");
}

fn protected_fields_are_ignored(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob) = (register(&server), register(&server));
    let other = create(&bob.api, &json!({ "name": "of bob", "price": 1 }));
    let product = create(
        &ada.api,
        &json!({
            "name": "x", "price": 1, "userId": bob.id, "id": other["id"], "role": "admin", "status": "active",
            "createdAt": "2001-01-01T00:00:00.000Z", "updatedAt": "2001-01-01T00:00:00.000Z", "owner": { "id": bob.id },
            "version": 99, "unknown": [1, { "two": 3 }],
        }),
    );
    assert_eq!(product["userId"], ada.id.as_str());
    assert_ne!(product["id"], other["id"]);
    for time in ["createdAt", "updatedAt"] {
        assert!(!product[time].as_str().expect("a time").starts_with("2001"));
    }
    bob.api.get(&path(&product)).expect(403);
}

fn ids_are_unique_and_ascend(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let ids: Vec<String> = (0..20).map(|_| path(&create(&ada.api, &json!({ "name": "x", "price": 1 })))).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
}

/// Handles are unique per seller and follow names; that is no reason to refuse a name.
fn any_number_may_have_the_same_name(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..10).for_each(|_| drop(create(&ada.api, &json!({ "name": "Lamp", "price": 1 })))));
        }
    });
    let listed = ada.api.get("/api/v1/products?limit=1").expect(200).json();
    assert_eq!(listed["data"]["pagination"]["total"], 80);
    let handles = server.sql("products", "select count(distinct handle) from products");
    assert_eq!(handles, [["80"]]);
}
