//! Variants whose units are not counted, and variants that are sold beyond their stock.

use serde_json::{Value, json};
use testkit::{Client, Server, Topology, on_both};

use crate::selling::{self, RESERVATIONS, basket, create, id, on_sale, path, seller, usd, variant_path, verified};
use crate::v2::{assert_problem, patch};

on_both!(
    untracked_variants_are_always_in_stock,
    more_than_there_is_is_sold_on_backorder,
    a_variant_may_change_its_inventory_while_units_are_held,
    what_a_put_does_not_say_of_the_inventory_stays,
);

fn hold(api: &Client, variant: &Value, quantity: i64) -> Value {
    api.post(RESERVATIONS, &basket(&[(&id(variant), quantity)])).expect(201).json()
}

fn end(api: &Client, reservation: &Value, how: &str) {
    let path = format!("{RESERVATIONS}/{}", id(reservation));
    match how {
        "release" => drop(api.delete(&path).expect(204)),
        how => drop(api.post(&format!("{path}/{how}"), &json!({})).expect(200)),
    }
}

/// On hand, reserved, available and backordered.
fn stock(api: &Client, variant: &Value) -> [i64; 4] {
    let shown = api.get(&variant_path(variant)).expect(200).json()["stock"].clone();
    ["on_hand", "reserved", "available", "backordered"].map(|field| shown[field].as_i64().expect("a number"))
}

fn movements(api: &Client, variant: &Value) -> Vec<Value> {
    let page = api.get(&format!("{}/stock-movements", variant_path(variant))).expect(200).json();
    let of = |movement: &Value| {
        let deltas = ["on_hand_delta", "reserved_delta", "backordered_delta"].map(|field| movement[field].clone());
        json!([movement["kind"], deltas])
    };
    page["items"].as_array().expect("items").iter().map(of).collect()
}

fn untracked_variants_are_always_in_stock(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob) = (seller(&server), seller(&server));
    let file = json!({ "name": "Song", "price": usd(99), "inventory": "untracked", "status": "active" });
    let variant = create(&ada, &file)["variants"][0].clone();
    assert_eq!((&variant["inventory"], &variant["in_stock"]), (&json!("untracked"), &json!(true)));
    let held = hold(&bob, &variant, 5_000);
    assert_eq!(held["lines"][0]["untracked"], 5_000);
    assert_eq!(stock(&ada, &variant), [0, 0, 0, 0]);
    end(&bob, &held, "commit");
    end(&bob, &hold(&bob, &variant, 7), "release");
    assert_eq!((stock(&ada, &variant), movements(&ada, &variant)), ([0; 4], Vec::new()), "nothing moved");
    let public = server.client();
    assert_eq!(public.get("/api/v2/products?in_stock=true").expect(200).json()["items"][0]["in_stock"], true);
    // Units may be there all the same; they are not sold.
    let adjust = json!({ "on_hand": 4, "reason": "counted" });
    ada.post(&format!("{}/stock-adjustments", variant_path(&variant)), &adjust).expect(201);
    hold(&bob, &variant, 9);
    assert_eq!(stock(&ada, &variant), [4, 0, 4, 0]);
    verified(&server);
}

fn more_than_there_is_is_sold_on_backorder(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob) = (seller(&server), seller(&server));
    let variant = on_sale(&ada, 3);
    let refused = bob.post(RESERVATIONS, &basket(&[(&id(&variant), 5)]));
    assert_problem(&refused, 409, "insufficient-stock");
    patch(&ada, &variant_path(&variant), "*", &json!({ "backorder": true })).expect(200);
    let held = hold(&bob, &variant, 5);
    assert_eq!((&held["lines"][0]["quantity"], &held["lines"][0]["backordered"]), (&json!(5), &json!(2)));
    assert_eq!(stock(&ada, &variant), [3, 3, 0, 2]);
    let second = hold(&bob, &variant, 1);
    assert_eq!(stock(&ada, &variant), [3, 3, 0, 3]);
    assert_eq!(bob.get(&format!("{RESERVATIONS}/{}", id(&held))).expect(200).json(), held);
    // While a buyer waits, the variant stays.
    let mut two = json!({ "name": "Desk", "variants": [{ "options": { "Size": "S" }, "price": usd(1) }] });
    two["status"] = "active".into();
    let product = ada.get(&variant_path(&variant)).expect(200).json();
    assert_eq!(product["in_stock"], false, "what comes later is not in stock");
    end(&bob, &held, "commit");
    assert_eq!(stock(&ada, &variant), [0, 0, 0, 1]);
    let doomed = ada.get("/api/v2/me/products").expect(200).json()["items"][0].clone();
    assert_problem(&crate::v2::delete(&ada, &path(&doomed), "*"), 409, "conflict");
    end(&bob, &second, "release");
    assert_eq!(stock(&ada, &variant), [0, 0, 0, 0]);
    let expected = [
        json!(["release", [0, 0, -1]]),
        json!(["sale", [-3, -3, -2]]),
        json!(["hold", [0, 0, 1]]),
        json!(["hold", [0, 3, 2]]),
        json!(["opening", [3, 0, 0]]),
    ];
    assert_eq!(movements(&ada, &variant), expected);
    verified(&server);
    crate::v2::delete(&ada, &path(&doomed), "*").expect(204);
    verified(&server);
}

fn a_variant_may_change_its_inventory_while_units_are_held(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob) = (seller(&server), seller(&server));
    let variant = on_sale(&ada, 3);
    let counted = hold(&bob, &variant, 2);
    let say = |change: Value| patch(&ada, &variant_path(&variant), "*", &change).expect(200).json();
    assert_eq!(say(json!({ "inventory": "untracked" }))["in_stock"], true);
    let uncounted = hold(&bob, &variant, 10);
    say(json!({ "inventory": "tracked", "backorder": true }));
    let beyond = hold(&bob, &variant, 4);
    assert_eq!(stock(&ada, &variant), [3, 3, 0, 3]);
    say(json!({ "inventory": "untracked", "backorder": false }));
    for (reservation, how, expected) in
        [(&counted, "commit", [1, 1, 0, 3]), (&beyond, "release", [1, 0, 1, 0]), (&uncounted, "commit", [1, 0, 1, 0])]
    {
        end(&bob, reservation, how);
        assert_eq!(stock(&ada, &variant), expected, "{reservation}");
    }
    verified(&server);
}

fn what_a_put_does_not_say_of_the_inventory_stays(topology: Topology) {
    let server = Server::start(topology);
    let ada = seller(&server);
    let song =
        json!({ "name": "Song", "price": usd(99), "inventory": "untracked", "backorder": true, "weight_grams": 1.5 });
    let made = create(&ada, &song);
    let put = json!({ "name": "Song", "price": usd(88) });
    let after = crate::v2::change(&ada, "PUT", &path(&made), "*", &put).expect(200).json();
    let variant = &after["variants"][0];
    assert_eq!((&variant["inventory"], &variant["backorder"]), (&json!("untracked"), &json!(true)));
    assert_eq!(variant["weight_grams"], Value::Null, "what else is absent is cleared");
    let merged = json!({ "attributes": { "a": "1", "b": "2" }, "seo_title": "T" });
    patch(&ada, &selling::path(&made), "*", &merged).expect(200);
    let merged = json!({ "attributes": { "a": null, "c": "3" }, "seo_title": null });
    let after = patch(&ada, &selling::path(&made), "*", &merged).expect(200).json();
    assert_eq!((&after["attributes"], &after["seo_title"]), (&json!({ "b": "2", "c": "3" }), &Value::Null));
    let after = patch(&ada, &selling::path(&made), "*", &json!({ "attributes": null })).expect(200).json();
    assert_eq!(after["attributes"], json!({}));
}
