//! The walk through v2.

use serde_json::{Value, json};
use testkit::{Client, Topology, on_each};

use super::Walk;
use crate::api::v2::jobs::parked;
use crate::mails::{self, Mails};
use crate::people::{PASSWORD, administrator_named};
use crate::v1::{NOBODY, text};
use crate::v2::log_in;

on_each!(every_operation_of_v2_has_its_examples);

const ADA: &str = "ada@example.com";
const FIRST: &str = "correct horse battery staple";
const SECOND: &str = "incorrect zebra capacitor pin";

fn every_operation_of_v2_has_its_examples(topology: Topology) {
    let (server, mails) = mails::start(topology);
    administrator_named(&server, "root");
    for name in ["bob", "eve"] {
        let account = json!({ "username": name, "email": format!("{name}@example.com"), "password": PASSWORD });
        server.client().post("/api/v2/accounts", &account).expect(201);
    }
    let [root, bob] = ["root@example.com", "bob@example.com"].map(|email| log_in(&server, email));
    let mut walk = Walk::on(server, "v2");
    let nobody = walk.server.client();
    walk.ask(&nobody, "get_key_set", "", None);

    let ada = accounts(&mut walk, &nobody, &mails);
    let (lamp, variant) = products(&mut walk, &nobody, &ada);
    variants(&mut walk, &ada, &lamp, &variant);
    batches(&mut walk, &ada, &bob, &lamp, &variant);
    reservations(&mut walk, &ada, &bob, &variant);
    let ada_id = administration(&mut walk, &root, &ada);
    let job = jobs(&mut walk, &root);
    let ids = [
        ("/api/v2/products", &*lamp),
        ("/api/v2/variants", &*variant),
        ("/api/v2/users", &*ada_id),
        ("/api/v2/jobs", &*job),
    ];
    walk.hold(&root, &bob, &ids);
    passwords(&mut walk, &nobody, &ada, &mails);
    walk.end(topology);
}

/// Ada, with an account and logged in.
fn accounts(walk: &mut Walk, nobody: &Client, mails: &Mails) -> Client {
    let account = |username: &str, email: &str| json!({ "username": username, "email": email, "password": FIRST });
    walk.ask(nobody, "create_account", "", account("ada", ADA));
    walk.ask(nobody, "create_account", "", account("ada", "lovelace@example.com"));
    walk.ask(nobody, "create_account", "", account("ada!", "ada"));
    walk.ask(nobody, "log_in", "", json!({ "email": ADA, "password": SECOND }));
    walk.ask(nobody, "log_in", "", json!({ "email": ADA }));
    let tokens = walk.ask(nobody, "log_in", "", json!({ "email": ADA, "password": FIRST }));
    walk.ask(nobody, "refresh_session", "", json!({ "refresh_token": "guessed" }));
    walk.ask(nobody, "refresh_session", "", json!({ "token": "guessed" }));
    let tokens = walk.ask(nobody, "refresh_session", "", json!({ "refresh_token": tokens["refresh_token"] }));
    let ada = nobody.with_token(&text(&tokens["access_token"]));

    let mailed = mails.tokens(ADA, "confirm", 1).remove(0);
    walk.ask(nobody, "verify_email", "", json!({ "token": "guessed" }));
    walk.ask(nobody, "verify_email", "", json!({ "token": mailed }));
    walk.ask(&ada, "request_email_verification", "", None);
    walk.ask(&ada, "get_me", "", None);
    walk.ask(&ada, "update_me", "", json!({ "username": "bob" }));
    walk.ask(&ada, "update_me", "", json!({ "username": "ada!" }));
    walk.ask(&ada, "update_me", "", json!({ "username": "ada_l" }));
    walk.ask(&ada, "list_sessions", "", None);
    walk.ask(&ada, "list_sessions", "?limit=1", None);
    ada
}

fn usd(amount: i64) -> Value {
    json!({ "amount": amount, "currency": "USD" })
}

/// The lamp, and its variant.
fn products(walk: &mut Walk, nobody: &Client, ada: &Client) -> (String, String) {
    let lamp = json!({
        "name": "Desk lamp", "handle": "desk-lamp", "category": "Lighting", "tags": ["led"], "vendor": "Lovelace & Co.",
        "status": "active",
        "images": [{ "url": "https://example.com/lamp.jpg", "alt": "The lamp on a desk" }],
        "price": usd(3_990), "sku": "LAMP-1", "stock": 5,
    });
    let made = walk.ask(ada, "create_product", "", lamp.clone());
    walk.ask(ada, "create_product", "", lamp);
    walk.ask(ada, "create_product", "", json!({ "name": "Desk lamp" }));
    let (lamp, by_handle) = (text(&made["id"]), format!("{}/desk-lamp", text(&made["owner_id"])));
    let seller = text(&made["owner_id"]);
    walk.ask(ada, "create_product", "", json!({ "name": "Floor lamp", "sku": "LAMP-2", "price": usd(8_990) }));

    let bad = nobody.with_token("nonsense");
    for (operation, at, wrong) in [
        ("list_products", "?count=exact", "?sort=beauty"),
        ("get_product", lamp.as_str(), lamp.as_str()),
        ("get_product_by_handle", by_handle.as_str(), by_handle.as_str()),
        ("list_variants", lamp.as_str(), lamp.as_str()),
        ("list_categories", "", "?sort=beauty"),
        ("get_seller", seller.as_str(), NOBODY),
    ] {
        walk.ask(nobody, operation, at, None);
        walk.ask(nobody, operation, wrong, None);
        walk.ask(&bad, operation, at, None);
    }
    walk.ask(ada, "list_products", "?status=draft", None);
    walk.ask(ada, "list_my_products", "?limit=1", None);
    walk.ask(ada, "list_my_products", "?status=sold", None);
    walk.ask(ada, "update_product", &lamp, json!({ "price": usd(4_990) }));
    walk.ask(ada, "update_product", &lamp, json!({ "price": null }));
    walk.ask(ada, "update_product", &lamp, json!({ "handle": "floor-lamp" }));
    let variant = |color: &str, sku: &str| json!({ "options": { "Color": color }, "price": usd(4_990), "sku": sku });
    let replacement = json!({
        "name": "Desk lamp", "category": "Lighting", "status": "active",
        "variants": [variant("Black", "LAMP-1"), variant("White", "LAMP-1-W")],
    });
    let replaced = walk.ask(ada, "replace_product", &lamp, replacement);
    walk.ask(ada, "replace_product", &lamp, json!({ "name": "" , "variants": [] }));
    walk.ask(
        ada,
        "replace_product",
        &lamp,
        json!({ "name": "Desk lamp", "price": usd(4_990), "handle": "floor-lamp" }),
    );
    (lamp, text(&replaced["variants"][0]["id"]))
}

fn variants(walk: &mut Walk, ada: &Client, lamp: &str, variant: &str) {
    let brass = json!({ "options": { "Color": "Brass" }, "price": usd(5_990), "sku": "LAMP-1-B", "stock": 2 });
    let made = walk.ask(ada, "create_variant", lamp, brass.clone());
    walk.ask(ada, "get_variant", &text(&made["id"]), None);
    walk.ask(ada, "create_variant", lamp, brass);
    walk.ask(ada, "create_variant", lamp, json!({ "options": { "Size": "S" }, "price": usd(5_990) }));
    walk.ask(ada, "update_variant", variant, json!({ "compare_at_price": usd(5_490) }));
    walk.ask(ada, "update_variant", variant, json!({ "options": { "Color": "Brass" } }));
    walk.ask(ada, "update_variant", variant, json!({ "stock": 7 }));
    walk.ask(ada, "adjust_stock", variant, json!({ "on_hand": 5, "reason": "Counted" }));
    walk.ask(ada, "adjust_stock", variant, json!({ "delta": -6, "reason": "Broken in the shop" }));
    walk.ask(ada, "adjust_stock", variant, json!({ "delta": 1, "on_hand": 6, "reason": "Found" }));
    let plain = ada.get("/api/v2/me/products").json();
    let plain = plain["items"].as_array().expect("items").iter().find(|product| product["handle"] == "floor-lamp");
    // As if somebody held all of them until they are paid.
    walk.server.sql("products", "update variants set reserved = on_hand, available = 0");
    walk.ask(ada, "delete_product", lamp, None);
    walk.server.sql("products", "update variants set reserved = 0, available = on_hand");
    walk.ask(ada, "delete_variant", &text(&plain.expect("the floor lamp")["variants"][0]["id"]), None);
}

/// Ada changes much at once.
fn batches(walk: &mut Walk, ada: &Client, bob: &Client, lamp: &str, variant: &str) {
    let items = [
        ("batch_prices", "variant_id", variant, json!({ "price": usd(4_490), "compare_at_price": usd(4_990) })),
        ("batch_stock", "variant_id", variant, json!({ "delta": 12, "reason": "Delivery of Monday" })),
        ("batch_status", "product_id", lamp, json!({ "status": "active" })),
    ];
    for (operation, named, id, item) in items {
        let item = |id: &str, if_match: Option<&str>| {
            let mut item = item.clone();
            item[named] = id.into();
            if let Some(if_match) = if_match {
                item["if_match"] = if_match.into();
            }
            item
        };
        let batch = |mode: &str, items: &[Value]| json!({ "mode": mode, "items": items });
        walk.ask(ada, operation, "", batch("each", &[item(id, None), item(NOBODY, None)]));
        walk.ask(ada, operation, "", batch("all", &[item(id, None), item(NOBODY, None)]));
        walk.ask(bob, operation, "", batch("all", &[item(id, None)]));
        walk.ask(ada, operation, "", batch("all", &[item(id, Some("\"1-managed\""))]));
        walk.ask(ada, operation, "", batch("all", &[item(id, None), item(id, None)]));
        walk.ask(ada, operation, "", batch("all", &[item(id, Some("\"1-managed\"")), item(NOBODY, None)]));
        let lost = json!({ "variant_id": variant, "delta": -90, "reason": "Lost" });
        walk.ask(ada, "batch_stock", "", batch("all", &[lost]));
    }
}

/// Bob buys of Ada.
fn reservations(walk: &mut Walk, ada: &Client, bob: &Client, variant: &str) {
    let basket =
        |quantity: i64| json!({ "lines": [{ "variant_id": variant, "quantity": quantity }], "ttl_seconds": 900 });
    walk.ask(ada, "set_low_stock_threshold", variant, json!({ "threshold": 3 }));
    walk.ask(ada, "set_low_stock_threshold", variant, json!({ "threshold": -1 }));
    walk.ask(ada, "get_low_stock_threshold", variant, None);
    walk.ask(bob, "get_low_stock_threshold", variant, None);
    walk.ask(bob, "set_low_stock_threshold", variant, json!({ "threshold": 1 }));
    let held = text(&walk.ask(bob, "hold_stock", "", basket(2))["id"]);
    walk.ask(bob, "hold_stock", "", basket(200));
    walk.ask(bob, "hold_stock", "", basket(0));
    walk.ask(bob, "hold_stock", "", json!({ "lines": [{ "variant_id": NOBODY, "quantity": 1 }], "ttl_seconds": 900 }));
    walk.ask(bob, "get_reservation", &held, None);
    walk.ask(ada, "list_my_holds", "", None);
    walk.ask(ada, "list_my_holds", "?limit=0", None);
    walk.ask(bob, "list_reservations", "?state=held", None);
    walk.ask(bob, "list_reservations", "?state=lost", None);
    walk.ask(ada, "get_reservation", &held, None);
    walk.ask(bob, "extend_reservation", &held, json!({ "ttl_seconds": 1_800 }));
    walk.ask(bob, "extend_reservation", &held, json!({ "ttl_seconds": 4_000 }));
    walk.ask(bob, "commit_reservation", &held, json!({}));
    walk.ask(bob, "commit_reservation", &held, json!({ "ttl_seconds": 4_000 }));
    walk.ask(bob, "extend_reservation", &held, None);
    walk.ask(bob, "release_reservation", &held, None);
    let other = text(&walk.ask(bob, "hold_stock", "", basket(1))["id"]);
    walk.ask(bob, "release_reservation", &other, None);
    walk.ask(bob, "commit_reservation", &other, None);
    walk.ask(ada, "list_stock_movements", variant, None);
    walk.ask(ada, "list_stock_movements", &format!("{variant}?limit=0"), None);
    walk.ask(bob, "list_stock_movements", variant, None);
}

/// Ada's id.
fn administration(walk: &mut Walk, root: &Client, ada: &Client) -> String {
    let [me, boss] = [ada, root].map(|caller| text(&caller.get("/api/v2/me").json()["id"]));
    let users = walk.ask(root, "list_users", "?limit=2", None);
    walk.ask(root, "list_users", "?limit=0", None);
    walk.ask(root, "get_user", &me, None);
    walk.ask(root, "list_user_products", &format!("{me}?limit=1"), None);
    walk.ask(root, "list_user_products", &format!("{me}?limit=0"), None);
    walk.ask(root, "list_user_sessions", &me, None);
    walk.ask(root, "list_user_sessions", &format!("{me}?limit=1"), None);
    walk.ask(root, "end_user_sessions", NOBODY, None);
    walk.ask(root, "erase_me", "", None);
    walk.ask(root, "update_user", &boss, json!({ "active": false }));
    walk.ask(root, "update_user", &boss, json!({ "role": "queen" }));
    walk.ask(root, "update_user", &text(&users["items"][1]["id"]), json!({ "role": "admin" }));
    me
}

/// A job that is parked.
fn jobs(walk: &mut Walk, root: &Client) -> String {
    let (first, second) = (parked(&walk.server, "products"), parked(&walk.server, "products"));
    walk.ask(root, "list_jobs", "?state=parked&limit=1", None);
    walk.ask(root, "list_jobs", "?state=done", None);
    walk.ask(root, "get_job", &first, None);
    walk.ask(root, "replay_job", &first, None);
    let periodic = text(&root.get("/api/v2/jobs?queue=sweep-sessions").expect(200).json()["items"][0]["id"]);
    walk.ask(root, "replay_job", &periodic, None);
    walk.ask(root, "discard_job", &second, None);
    walk.ask(root, "discard_job", &periodic, None);
    periodic
}

fn passwords(walk: &mut Walk, nobody: &Client, ada: &Client, mails: &Mails) {
    walk.ask(ada, "export_me", "", None);
    walk.ask(ada, "change_password", "", json!({ "current_password": "guessed", "new_password": SECOND }));
    walk.ask(ada, "change_password", "", json!({ "current_password": FIRST, "new_password": SECOND }));
    let wanted = "countess@example.com";
    walk.ask(ada, "update_me", "", json!({ "email": wanted }));
    let mailed = mails.tokens(wanted, "confirm", 1).remove(0);
    let quicker = json!({ "username": "countess", "email": wanted, "password": FIRST });
    nobody.post("/api/v2/accounts", &quicker).expect(201);
    walk.ask(nobody, "verify_email", "", json!({ "token": mailed }));
    walk.ask(nobody, "request_password_reset", "", json!({ "email": "ada" }));
    walk.ask(nobody, "request_password_reset", "", json!({ "email": ADA }));
    let mailed = mails.tokens(ADA, "another password", 1).remove(0);
    walk.ask(nobody, "reset_password", "", json!({ "token": "guessed", "password": FIRST }));
    walk.ask(nobody, "reset_password", "", json!({ "token": mailed, "password": FIRST }));
}
