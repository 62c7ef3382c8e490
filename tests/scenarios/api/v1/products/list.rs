//! GET /api/v1/products: whose products, in which order and shape.

use serde_json::json;
use testkit::{Server, Topology, on_each};

use crate::people::{administrator, register};
use crate::v1::{create, create_named, keys, list, names, path};

on_each!(
    a_list_has_products_owners_and_pagination,
    the_newest_come_first,
    users_see_their_own_and_administrators_all,
    the_answer_belongs_to_the_caller_and_not_to_the_url,
    who_writes_sees_it_at_once,
);

fn a_list_has_products_owners_and_pagination(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let empty = ada.api.get("/api/v1/products").expect(200).json();
    let pagination = json!({ "page": 1, "limit": 10, "total": 0, "pages": 0 });
    let expected = json!({ "success": true, "data": { "products": [], "pagination": pagination } });
    assert_eq!(empty, expected);

    let mut product = create(
        &ada.api,
        &json!({ "name": "Lamp", "price": 1.5, "stock": 2, "category": "Light", "description": "warm" }),
    );
    product["owner"] = json!({ "id": ada.id, "username": ada.username, "email": ada.email });
    let answer = ada.api.get("/api/v1/products").expect(200).json();
    let pagination = json!({ "page": 1, "limit": 10, "total": 1, "pages": 1 });
    let expected = json!({ "success": true, "data": { "products": [product], "pagination": pagination } });
    assert_eq!(answer, expected);
    let read = ada.api.get(&path(&product)).expect(200).json();
    assert_eq!(keys(&read["data"]["product"]), keys(&product));
}

fn the_newest_come_first(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    for name in ["a", "c", "b", "d"] {
        create_named(&ada.api, name);
    }
    assert_eq!(names(&ada.api, ""), ["d", "b", "c", "a"]);
    // By creation, not by the last change.
    let second = list(&ada.api, "")["products"][2].clone();
    ada.api.put(&path(&second), &json!({ "name": "changed" })).expect(200);
    assert_eq!(names(&ada.api, ""), ["d", "b", "changed", "a"]);
}

fn users_see_their_own_and_administrators_all(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob, admin) = (register(&server), register(&server), administrator(&server));
    create_named(&ada.api, "of ada");
    create_named(&bob.api, "of bob");
    create_named(&admin.api, "of admin");
    assert_eq!(names(&ada.api, ""), ["of ada"]);
    assert_eq!(names(&bob.api, ""), ["of bob"]);
    assert_eq!(names(&admin.api, ""), ["of admin", "of bob", "of ada"]);
    // Nobody looks into another's list by asking for it.
    for query in [format!("userId={}", bob.id), format!("owner={0}&owner_id={0}", bob.id), "role=admin".into()] {
        assert_eq!(names(&ada.api, &query), ["of ada"], "{query}");
    }
    let data = list(&admin.api, "");
    let owners: Vec<_> =
        data["products"].as_array().expect("products").iter().map(|p| &p["owner"]["username"]).collect();
    assert_eq!(owners, [admin.username.as_str(), bob.username.as_str(), ada.username.as_str()]);
    assert_eq!(data["pagination"]["total"], 3);
}

fn the_answer_belongs_to_the_caller_and_not_to_the_url(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob) = (register(&server), register(&server));
    create_named(&ada.api, "of ada");
    for _ in 0..3 {
        assert_eq!(names(&ada.api, "limit=5"), ["of ada"]);
        assert!(names(&bob.api, "limit=5").is_empty());
        server.client().get("/api/v1/products?limit=5").expect(401);
    }
    let answer = ada.api.get("/api/v1/products");
    let cache = answer.header("cache-control").unwrap_or("no-store");
    assert!(cache.contains("no-store"), "{cache}");
}

fn who_writes_sees_it_at_once(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    for round in 0..20 {
        assert_eq!(list(&ada.api, "")["pagination"]["total"], 0);
        let product = create_named(&ada.api, &format!("round {round}"));
        assert_eq!(names(&ada.api, ""), [format!("round {round}")]);
        ada.api.put(&path(&product), &json!({ "name": "renamed" })).expect(200);
        assert_eq!(names(&ada.api, ""), ["renamed"]);
        ada.api.delete(&path(&product)).expect(200);
    }
}
