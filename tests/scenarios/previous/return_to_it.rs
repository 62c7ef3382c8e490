//! The release before comes back to a store that this one has served.

use serde_json::{Value, json};
use testkit::{Server, Topology, on_both};

use super::{Account, Releases, adjust, commit, hold, product, products, releases, sell, stop, variant};
use crate::selling::{PRODUCTS, RESERVATIONS, create, id, path, stock, usd, verified};
use crate::v1;
use crate::v2::patch;

on_both!(the_release_before_still_serves_it, the_release_before_serves_a_store_of_this_one);

fn the_release_before_still_serves_it(topology: Topology) {
    let Some(Releases { before, present }) = releases(topology) else { return };
    let old = before.clone().start();
    let early = Account::new(&old);
    stop(old);
    serve_in_turn(&Releases { before, present }, &early);
}

fn the_release_before_serves_a_store_of_this_one(topology: Topology) {
    let Some(Releases { before, present }) = releases(topology) else { return };
    let new = present.clone().start();
    let early = Account::new(&new);
    // Such a store may have a SKU more than once.
    for name in ["Twin", "Other twin"] {
        create(&early.at(&new), &json!({ "name": name, "price": usd(1), "sku": "TWIN", "status": "active" }));
    }
    stop(new);
    serve_in_turn(&Releases { before, present }, &early);
}

fn serve_in_turn(releases: &Releases, early: &Account) {
    let new = releases.present.clone().start();
    let young = Account::new(&new);
    Account::log_in(&new, &early.email);
    let seller = early.at(&new);
    let lamp = create(&seller, &lamp());
    create(&seller, &json!({ "name": "Digital", "status": "active", "price": usd(100), "inventory": "untracked" }));
    create(&seller, &json!({ "name": "Late", "status": "active", "price": usd(100), "stock": 1, "backorder": true }));
    create(&seller, &json!({ "name": "Counted", "status": "active", "price": usd(100), "stock": 5 }));
    let buyer = young.at(&new);
    hold(&buyer, &variant(&seller, "digital"), 2);
    let late = hold(&buyer, &variant(&seller, "late"), 3);
    assert_eq!(late["lines"][0]["backordered"], 2);
    let made = products(&seller);
    let secret = create(&seller, &json!({ "name": "Secret", "status": "unlisted", "price": usd(100) }));
    stop(new);

    let old = releases.before.clone().start();
    let newcomer = Account::new(&old);
    renamed_by_the_release_before(&old, early, &young, &lamp);
    for status in ["active", "draft"] {
        patch(&early.at(&old), &path(&secret), "*", &json!({ "status": status })).expect(200);
    }
    sell(&newcomer.at(&old), &variant(&early.at(&old), "counted"), 2);
    stop(old);

    let new = releases.present.clone().start();
    for person in [early, &young, &newcomer] {
        Account::log_in(&new, &person.email);
    }
    let (seller, buyer) = (early.at(&new), young.at(&new));
    for mut before in made {
        let handle = v1::text(&before["handle"]);
        let mut after = product(&seller, &handle);
        assert_eq!(after["name"], format!("{} of before", v1::text(&before["name"])));
        let changed = ["name", "version", "updated_at"].iter().chain((handle == "counted").then_some(&"variants"));
        for field in changed {
            before[*field] = Value::Null;
            after[*field] = Value::Null;
        }
        assert_eq!(after, before, "{handle}");
    }
    let counted = variant(&seller, "counted");
    assert_eq!(stock(&seller, &counted), [7, 0, 7], "5, 2 sold, 4 found");
    new.client().get(&path(&lamp)).expect(200);
    new.client().get(&path(&secret)).expect(404);
    assert_eq!(product(&seller, "secret")["status"], "draft", "what it was made last");
    verified(&new);
    assert_eq!(commit(&buyer, &late)["lines"], late["lines"]);
    assert_eq!(
        variant(&seller, "late")["stock"],
        json!({ "on_hand": 0, "reserved": 0, "available": 0, "backordered": 0 })
    );
    hold(&buyer, &variant(&seller, "digital"), 1_000);
    verified(&new);
}

/// An unlisted product that says all that the release before has no place for.
fn lamp() -> Value {
    json!({
        "name": "Lamp", "status": "unlisted", "category": "Lights", "category_path": "Home > Light",
        "seo_title": "Buy a lamp", "seo_description": "The best", "attributes": { "custom.material": "Brass" },
        "images": [{ "url": "https://x.example/lamp.jpg" }],
        "variants": [
            { "options": { "Size": "S" }, "price": usd(1_000), "compare_at_price": usd(500), "stock": 2, "sku": "L-S",
              "weight_grams": 453.59, "images": [{ "url": "https://x.example/s.jpg", "alt": "small" }] },
            { "options": { "Size": "M" }, "price": usd(1_100), "inventory": "untracked" },
            { "options": { "Size": "L" }, "price": usd(1_200), "backorder": true },
        ],
    })
}

/// It reads everything, and gives all products another name, through v2 and v1.
fn renamed_by_the_release_before(old: &Server, early: &Account, young: &Account, lamp: &Value) {
    let young = Account::log_in(old, &young.email);
    let (seller, form, buyer) = (early.at(old), early.through_v1(old), young.at(old));
    assert_eq!(product(&seller, "lamp")["status"], "draft");
    old.client().get(&path(lamp)).expect(404);
    old.client().get(PRODUCTS).expect(200);
    assert_eq!(buyer.get(RESERVATIONS).expect(200).json()["items"].as_array().map(Vec::len), Some(2));
    for (number, product) in products(&seller).iter().enumerate() {
        let name = json!({ "name": format!("{} of before", v1::text(&product["name"])) });
        form.get(&v1::path(product)).expect(200);
        for variant in product["variants"].as_array().expect("variants") {
            seller.get(&format!("/api/v2/variants/{}/stock-movements", id(variant))).expect(200);
        }
        match number % 2 {
            0 => patch(&seller, &path(product), "*", &name).expect(200),
            _ => form.put(&v1::path(product), &name).expect(200),
        };
    }
    adjust(&seller, &variant(&seller, "counted"), &json!({ "delta": 4, "reason": "found" }));
    // What it cannot know of, it refuses to promise.
    let of_digital = crate::selling::basket(&[(&id(&variant(&seller, "digital")), 1)]);
    assert_eq!(buyer.post(RESERVATIONS, &of_digital).status, 409);
}
