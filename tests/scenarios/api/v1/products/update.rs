//! PUT /api/v1/products/:id

use serde_json::{Value, json};
use testkit::{Server, Topology, on_each};

use crate::people::{administrator, register};
use crate::v1::{NAME, NOBODY, PRICE, assert_failure, assert_invalid, assert_time, broken, create, keys, path};

on_each!(
    any_subset_of_the_fields_changes,
    an_update_of_nothing_changes_nothing,
    protected_fields_are_ignored,
    administrators_change_what_others_own,
    others_are_refused,
    an_invalid_body_is_refused_before_the_id_is_looked_at,
    simultaneous_updates_all_arrive,
);

fn lamp() -> Value {
    json!({ "name": "Lamp", "description": "warm", "price": "10.00", "stock": 5, "category": "Light" })
}

fn any_subset_of_the_fields_changes(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let mut expected = create(&ada.api, &lamp());
    for change in [
        json!({ "name": "Lantern" }),
        json!({ "price": "12.34" }),
        json!({ "stock": 0 }),
        json!({ "category": null }),
        json!({ "description": "" }),
        json!({ "category": "", "description": null }),
        json!({ "stock": 7, "name": "Lamp", "price": "0.10", "category": "Light", "description": "cold" }),
    ] {
        let answer = ada.api.put(&path(&expected), &change).expect(200).json();
        assert_eq!(keys(&answer), ["data", "message", "success"]);
        assert_eq!(answer["success"], true);
        assert_eq!(answer["message"], "Product updated successfully");
        assert_eq!(keys(&answer["data"]), ["product"]);
        let product = &answer["data"]["product"];
        for (field, value) in change.as_object().expect("an object") {
            expected[field] = value.clone();
        }
        assert_time(&product["updatedAt"]);
        assert!(product["updatedAt"].as_str() >= expected["updatedAt"].as_str(), "time goes on");
        expected["updatedAt"] = product["updatedAt"].clone();
        assert_eq!(product, &expected, "{change}");
        let mut read = ada.api.get(&path(product)).expect(200).json()["data"]["product"].clone();
        read.as_object_mut().expect("a product").remove("owner");
        assert_eq!(read, expected, "{change}");
    }
}

fn an_update_of_nothing_changes_nothing(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let mut product = create(&ada.api, &lamp());
    for body in ["{}", "", r#"{"unknown":1}"#] {
        let answer = ada.api.put_text(&path(&product), body).expect(200).json();
        product["updatedAt"] = answer["data"]["product"]["updatedAt"].clone();
        assert_eq!(answer["data"]["product"], product, "{body}");
    }
}

/// The monolith let a user give a product away, or take one.
fn protected_fields_are_ignored(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob, admin) = (register(&server), register(&server), administrator(&server));
    let product = create(&ada.api, &lamp());
    let body = json!({
        "userId": bob.id, "id": NOBODY, "createdAt": "2001-01-01T00:00:00.000Z", "updatedAt": "2001-01-01T00:00:00.000Z",
        "role": "admin", "status": "active", "version": 9, "owner": { "id": bob.id }, "stock": 6,
    });
    for person in [&ada, &admin] {
        let changed = person.api.put(&path(&product), &body).expect(200).json()["data"]["product"].clone();
        for field in ["id", "userId", "createdAt"] {
            assert_eq!(changed[field], product[field], "{field}");
        }
        assert!(!changed["updatedAt"].as_str().expect("a time").starts_with("2001"));
        assert_eq!(changed["stock"], 6);
    }
    bob.api.get(&path(&product)).expect(403);
    let me = ada.api.get("/api/v1/auth/me").expect(200).json();
    assert_eq!(me["data"]["user"]["role"], "user");
}

fn administrators_change_what_others_own(topology: Topology) {
    let server = Server::start(topology);
    let (ada, admin) = (register(&server), administrator(&server));
    let product = create(&ada.api, &lamp());
    let answer = admin.api.put(&path(&product), &json!({ "name": "Moderated" })).expect(200).json();
    assert_eq!(answer["data"]["product"]["userId"], ada.id.as_str());
    let read = ada.api.get(&path(&product)).expect(200).json();
    assert_eq!(read["data"]["product"]["name"], "Moderated");
}

fn others_are_refused(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob) = (register(&server), register(&server));
    let product = create(&ada.api, &lamp());
    let message = "Access denied. You can only update your own products.";
    for body in [json!({ "name": "mine" }), json!({}), json!({ "userId": bob.id })] {
        assert_failure(&bob.api.put(&path(&product), &body), 403, message);
    }
    let read = ada.api.get(&path(&product)).expect(200).json();
    assert_eq!(read["data"]["product"]["name"], "Lamp");
}

fn an_invalid_body_is_refused_before_the_id_is_looked_at(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob) = (register(&server), register(&server));
    let product = path(&create(&ada.api, &lamp()));
    let body = json!({ "price": -1, "name": "" });
    let errors = [broken("name", "", NAME), broken("price", -1, PRICE)];
    for path in [&product, "/api/v1/products/1", &format!("/api/v1/products/{NOBODY}")] {
        assert_invalid(&bob.api.put(path, &body), &errors);
    }
    assert_invalid(&ada.api.put(&product, &body), &errors);
    // What depends on the product is too, for those who do not know it.
    let body = json!({ "price": 100_000_000, "name": "n".repeat(201) });
    let errors = [broken("name", "n".repeat(201), NAME), broken("price", 100_000_000, PRICE)];
    for path in [&product, "/api/v1/products/1", &format!("/api/v1/products/{NOBODY}")] {
        assert_invalid(&bob.api.put(path, &body), &errors);
    }
    assert_invalid(&ada.api.put(&product, &body), &errors);
}

fn simultaneous_updates_all_arrive(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let product = create(&ada.api, &lamp());
    let update = |body: Value| ada.api.put(&path(&product), &body).expect(200);
    std::thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(move || update(json!({ "stock": number })));
            scope.spawn(move || update(json!({ "name": format!("Lamp {number}") })));
        }
    });
    let read = ada.api.get(&path(&product)).expect(200).json()["data"]["product"].clone();
    assert!(read["name"].as_str().is_some_and(|name| name.starts_with("Lamp ")), "{read}");
    assert!(read["stock"].as_u64().is_some_and(|stock| stock < 8), "{read}");
    assert_eq!(read["price"], "10.00");
}
