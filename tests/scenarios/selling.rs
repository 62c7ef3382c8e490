//! Products through API v2, as their sellers write them.

use serde_json::{Value, json};
use testkit::{Client, Response, Server};

use crate::people;
use crate::v1::text;
use crate::v2::{log_in, register};

pub const PRODUCTS: &str = "/api/v2/products";
pub const REPLAYED: &str = "idempotent-replayed";

/// Somebody new, who acts through v2.
#[track_caller]
pub fn seller(server: &Server) -> Client {
    log_in(server, &register(server))
}

/// An administrator, who acts through v2.
#[track_caller]
pub fn administrator(server: &Server) -> Client {
    log_in(server, &people::administrator(server).email)
}

/// US dollars, in cents.
pub fn usd(amount: i64) -> Value {
    json!({ "amount": amount, "currency": "USD" })
}

/// A plain product of this name.
pub fn plain(name: &str) -> Value {
    json!({ "name": name, "price": usd(1_000) })
}

/// A product of three variants.
pub fn shirt() -> Value {
    json!({ "name": "Shirt", "variants": [
        { "options": { "Color": "Red", "Size": "S" }, "price": usd(1_000), "sku": "R-S", "stock": 1 },
        { "options": { "Color": "Red", "Size": "L" }, "price": usd(900), "sku": "R-L", "stock": 2 },
        { "options": { "Color": "Blue", "Size": "S" }, "price": usd(1_100), "sku": "B-S", "stock": 0 },
    ] })
}

/// Creates a product and returns it.
#[track_caller]
pub fn create(api: &Client, product: &Value) -> Value {
    api.post(PRODUCTS, product).expect(201).json()
}

pub fn path(product: &Value) -> String {
    format!("{PRODUCTS}/{}", text(&product["id"]))
}

pub fn variant_path(variant: &Value) -> String {
    format!("/api/v2/variants/{}", text(&variant["id"]))
}

/// The validator of what a manager sees of a product in this version.
pub fn tag(version: i64) -> String {
    format!("\"{version}-managed\"")
}

/// Posts with an `Idempotency-Key`.
#[track_caller]
pub fn post_once(api: &Client, path: &str, key: &str, body: &Value) -> Response {
    api.post_with(path, ("idempotency-key", key), body)
}

pub const RESERVATIONS: &str = "/api/v2/reservations";

/// What is asked to be held, for ten minutes.
pub fn basket(lines: &[(&str, i64)]) -> Value {
    let lines: Vec<_> =
        lines.iter().map(|(variant, quantity)| json!({ "variant_id": variant, "quantity": quantity })).collect();
    json!({ "lines": lines, "ttl_seconds": 600 })
}

/// An active product with so many units of one variant; the variant.
pub fn on_sale(api: &Client, stock: i64) -> Value {
    let mut product = plain("Desk");
    (product["status"], product["stock"]) = ("active".into(), stock.into());
    create(api, &product)["variants"][0].clone()
}

pub fn id(of: &Value) -> String {
    text(&of["id"])
}

/// So many units, of which nothing is promised.
pub fn units(on_hand: i64) -> Value {
    json!({ "on_hand": on_hand, "reserved": 0, "available": on_hand, "backordered": 0 })
}

/// Units on hand, reserved and available, as the seller sees them.
pub fn stock(api: &Client, variant: &Value) -> [i64; 3] {
    let shown = api.get(&variant_path(variant)).expect(200).json()["stock"].clone();
    let [on_hand, reserved, available] =
        ["on_hand", "reserved", "available"].map(|field| shown[field].as_i64().expect("a number"));
    assert_eq!(on_hand, reserved + available);
    [on_hand, reserved, available]
}

/// The ledger agrees with all stock.
#[track_caller]
pub fn verified(server: &Server) {
    let verified = server.run(&["stock", "verify"]).expect_code(0);
    assert!(verified.stdout.contains("is what their ledgers and reservations say"), "{}", verified.stdout);
}
