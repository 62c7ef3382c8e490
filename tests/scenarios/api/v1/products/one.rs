//! GET /api/v1/products/:id

use serde_json::json;
use testkit::{Server, Topology, on_each};

use crate::people::{administrator, register};
use crate::v1::{NOBODY, assert_failure, create, path};

on_each!(its_owner_and_administrators_see_a_product, others_are_refused, what_does_not_exist_is_not_found,);

const NOT_FOUND: &str = "Product not found";

fn its_owner_and_administrators_see_a_product(topology: Topology) {
    let server = Server::start(topology);
    let (ada, admin) = (register(&server), administrator(&server));
    let mut product = create(&ada.api, &json!({ "name": "Lamp", "price": 9.9, "stock": 1 }));
    product["owner"] = json!({ "id": ada.id, "username": ada.username, "email": ada.email });
    let expected = json!({ "success": true, "data": { "product": product } });
    for person in [&ada, &admin] {
        assert_eq!(person.api.get(&path(&product)).expect(200).json(), expected);
    }
    let upper = path(&product).replace("/api/v1/products/", "");
    let upper = format!("/api/v1/products/{}", upper.to_uppercase());
    assert_eq!(ada.api.get(&upper).expect(200).json(), expected, "hexadecimal digits have no case");
}

fn others_are_refused(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob) = (register(&server), register(&server));
    let product = create(&ada.api, &json!({ "name": "Lamp", "price": 9.9 }));
    let message = "Access denied. You can only view your own products.";
    assert_failure(&bob.api.get(&path(&product)), 403, message);
}

fn what_does_not_exist_is_not_found(topology: Topology) {
    let server = Server::start(topology);
    for person in [register(&server), administrator(&server)] {
        for id in [
            NOBODY,
            "1",
            "0",
            "-1",
            "lamp",
            "00000000-0000-4000-8000-00000000000g",
            "00000000-0000-4000-8000-0000000000000",
            "%00",
            "%ff",
            "%F0%9F%92%A1",
            "'%20or%201=1",
            "null",
            &"9".repeat(1000),
        ] {
            let path = format!("/api/v1/products/{id}");
            assert_failure(&person.api.get(&path), 404, NOT_FOUND);
            assert_failure(&person.api.put(&path, &json!({ "stock": 1 })), 404, NOT_FOUND);
            assert_failure(&person.api.delete(&path), 404, NOT_FOUND);
        }
    }
}
