//! The walk through v1.

use serde_json::json;
use testkit::{Server, Topology, on_each};

use super::Walk;
use crate::people::administrator_named;
use crate::v1::{NOBODY, text};

on_each!(every_operation_of_v1_has_its_examples);

fn every_operation_of_v1_has_its_examples(topology: Topology) {
    let mut walk = Walk::on(Server::start(topology), "v1");
    let nobody = walk.server.client();
    walk.ask(&nobody, "v1_health", "", None);
    let newcomer = json!({ "username": "ada", "email": "ada@example.com", "password": "Secret1" });
    let registered = walk.ask(&nobody, "v1_register", "", newcomer.clone());
    walk.ask(&nobody, "v1_register", "", newcomer);
    walk.ask(&nobody, "v1_register", "", json!({ "username": "ada!", "email": "ada", "password": "secret" }));
    walk.ask(&nobody, "v1_log_in", "", json!({ "email": "ada@example.com", "password": "Secret1" }));
    walk.ask(&nobody, "v1_log_in", "", json!({ "email": "ada@example.com", "password": "Secret2" }));
    walk.ask(&nobody, "v1_log_in", "", json!({ "email": "ada@example.com" }));
    let ada = nobody.with_token(&text(&registered["data"]["token"]));
    walk.ask(&ada, "v1_me", "", None);

    let lamp = json!({ "name": "Desk lamp", "price": "39.90", "stock": 5, "category": "Lighting" });
    let lamp = walk.ask(&ada, "v1_create_product", "", lamp);
    let lamp = text(&lamp["data"]["product"]["id"]);
    walk.ask(&ada, "v1_create_product", "", json!({ "name": "Desk lamp", "price": "free" }));
    walk.ask(&ada, "v1_products", "", None);
    walk.ask(&ada, "v1_products", "?page=0", None);
    walk.ask(&ada, "v1_product", &lamp, None);
    walk.ask(&ada, "v1_update_product", &lamp, json!({ "price": "49.90" }));
    walk.ask(&ada, "v1_update_product", &lamp, json!({ "stock": -1 }));

    let root = administrator_named(&walk.server, "root").api;
    let ada_id = text(&registered["data"]["user"]["id"]);
    walk.ask(&root, "v1_users", "", None);
    walk.ask(&root, "v1_users", "?limit=0", None);
    walk.ask(&ada, "v1_users", "", None);
    walk.ask(&root, "v1_user", &ada_id, None);
    walk.ask(&root, "v1_user", NOBODY, None);
    walk.ask(&ada, "v1_user", &ada_id, None);

    let newcomer = json!({ "username": "bob", "email": "bob@example.com", "password": "Secret1" });
    nobody.post("/api/v1/auth/register", &newcomer).expect(201);
    let bob =
        nobody.with_token(&text(&crate::v1::log_in(&nobody, "bob@example.com", "Secret1").json()["data"]["token"]));
    for operation in ["v1_product", "v1_update_product", "v1_delete_product"] {
        walk.ask(&bob, operation, &lamp, None);
        walk.ask(&bob, operation, NOBODY, None);
    }
    // As if somebody held all of them until they are paid.
    walk.server.sql("products", "update variants set reserved = on_hand, available = 0");
    walk.ask(&ada, "v1_update_product", &lamp, json!({ "stock": 1 }));
    walk.ask(&ada, "v1_delete_product", &lamp, None);
    walk.server.sql("products", "update variants set reserved = 0, available = on_hand");
    walk.hold(&root, &bob, &[]);
    walk.ask(&ada, "v1_delete_product", &lamp, None);
    walk.end(topology);
}
