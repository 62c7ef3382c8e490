//! The writes as the gateway asks for them, on a store of their own. What clients see is told by the scenarios.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use auth::{Account, Accounts};
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use kernel::{Currency, Error, Principal, Role, SystemClock, Uuid};
use platform::Context;
use platform::db::{Database, DatabaseUrl, Limits};
use platform::http::caller::Caller;
use platform::http::v2::refusal;
use platform::tasks::WriteTasks;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{MIGRATIONS, Products};

struct NoAccounts;

#[async_trait]
impl Accounts for NoAccounts {
    async fn by_ids(&self, _: &[Uuid]) -> Result<Vec<Account>, Error> {
        Ok(Vec::new())
    }

    async fn get(&self, _: Uuid) -> Result<Option<Account>, Error> {
        Ok(None)
    }

    async fn by_email(&self, _: &str) -> Result<Option<Account>, Error> {
        Ok(None)
    }

    async fn page(&self, _: u64, _: u64) -> Result<(Vec<Account>, u64), Error> {
        Ok((Vec::new(), 0))
    }
}

struct App {
    router: axum::Router,
    folder: tempfile::TempDir,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    bytes: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        self
    }
}

impl App {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::Sqlite(folder.path().to_owned());
        let limits = Limits { pool_size: 2, shared_connections: 1 };
        let database = Database::open(&url, "products", limits).await.unwrap();
        database.migrate(&MIGRATIONS).await.unwrap();
        let tasks = WriteTasks::new(100, Duration::from_secs(30));
        let products = Products::new(database, Context::new(Arc::new(SystemClock)), tasks, Currency::USD);
        Self { router: crate::api(products, Arc::new(NoAccounts)).into(), folder }
    }

    /// Asks as the account of this number; `headers` are those beside the body's type.
    async fn send(&self, who: u128, method: &str, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
        let principal = Principal {
            account_id: Uuid::from_u128(who),
            session_id: Uuid::nil(),
            username: String::new(),
            email: String::new(),
            role: if who == ADMIN { Role::Admin } else { Role::User },
        };
        let mut request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = request.extension(Caller::Known(principal)).body(body).unwrap();
        let mut response = self.router.clone().oneshot(request).await.unwrap();
        if let Some(refusal) = refusal::of(&response) {
            response = refusal.explain(response, path, None);
        }
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 24).await.unwrap().to_vec();
        Answer { status: parts.status.as_u16(), headers: parts.headers, bytes }
    }

    async fn post(&self, path: &str, key: &str, body: Value) -> Answer {
        self.send(ADA, "POST", path, &[("idempotency-key", key)], Some(body)).await
    }

    async fn change(&self, method: &str, path: &str, etag: &str, body: Value) -> Answer {
        self.send(ADA, method, path, &[("if-match", etag)], Some(body)).await
    }
}

const ADA: u128 = 1;
const BOB: u128 = 2;
const ADMIN: u128 = 3;
const PRODUCTS: &str = "/api/v2/products";

fn usd(amount: i64) -> Value {
    json!({ "amount": amount, "currency": "USD" })
}

#[tokio::test]
async fn a_product_is_created_changed_and_deleted() {
    let app = App::start().await;
    let body = json!({ "name": " Desk lamp ", "price": usd(3990), "stock": 3, "tags": ["a"], "sku": "L-1" });
    let created = app.post(PRODUCTS, "k", body.clone()).await.expect(201);
    let product = created.json();
    let path = format!("{PRODUCTS}/{}", product["id"].as_str().unwrap());
    assert_eq!(created.header("location"), path);
    assert_eq!(created.header("etag"), "\"1-managed\"");
    assert_eq!((&product["name"], &product["handle"]), (&json!("Desk lamp"), &json!("desk-lamp")));
    assert_eq!(product["variants"][0]["stock"], json!({ "on_hand": 3, "reserved": 0, "available": 3 }));
    let again = app.post(PRODUCTS, "k", body.clone()).await.expect(201);
    assert_eq!((&again.bytes, again.header("idempotent-replayed")), (&created.bytes, "true"));
    assert_eq!((again.header("location"), again.header("etag")), (path.as_str(), "\"1-managed\""));
    for _ in 0..2 {
        let conflict = app.post(PRODUCTS, "taken", body.clone()).await.expect(409);
        assert_eq!(conflict.header("content-type"), "application/problem+json");
        assert_eq!(conflict.json()["code"], "conflict");
    }
    let patch = json!({ "name": "Lamp", "tags": [], "compare_at_price": usd(5000), "sku": null });
    let patched = app.change("PATCH", &path, "\"1-managed\"", patch.clone()).await.expect(200);
    assert_eq!(patched.header("etag"), "\"2-managed\"");
    assert_eq!(patched.json()["variants"][0]["sku"], Value::Null);
    assert_eq!(patched.json()["variants"][0]["compare_at_price"], usd(5000));
    app.change("PATCH", &path, "\"1-managed\"", patch.clone()).await.expect(412);
    let unchanged = app.change("PATCH", &path, "*", patch).await.expect(200);
    assert_eq!((unchanged.header("etag"), &unchanged.bytes), ("\"2-managed\"", &patched.bytes));
    let lamps = json!({ "name": "Lamps", "status": "active", "variants": [
        { "id": product["variants"][0]["id"], "options": { "Size": "S" }, "price": usd(1) },
        { "options": { "Size": "L" }, "price": usd(2), "sku": "l" } ] });
    let replaced = app.change("PUT", &path, "\"2-managed\"", lamps.clone()).await.expect(200).json();
    assert_eq!(replaced["variants"][0]["id"], product["variants"][0]["id"]);
    assert_eq!(replaced["variants"][0]["stock"]["on_hand"], 3);
    assert_eq!(replaced["handle"], "desk-lamp");
    let refused = app.change("PATCH", &path, "*", json!({ "price": usd(3), "sku": "x" })).await.expect(422).json();
    assert_eq!(refused["errors"][1]["code"], "several-variants");
    assert_eq!(app.change("PUT", &path, "*", lamps).await.expect(200).json()["version"], 3);
    for (who, status) in [(BOB, 403), (ADMIN, 204)] {
        app.send(who, "DELETE", &path, &[("if-match", "*")], None).await.expect(status);
    }
    app.send(ADA, "DELETE", &path, &[("if-match", "*")], None).await.expect(404);
}

#[tokio::test]
async fn variants_and_stock_are_changed_one_by_one() {
    let app = App::start().await;
    let body =
        json!({ "name": "Shirt", "variants": [{ "options": { "Size": "S", "Color": "Red" }, "price": usd(1) }] });
    let product = app.post(PRODUCTS, "k", body).await.expect(201).json();
    let path = format!("{PRODUCTS}/{}/variants", product["id"].as_str().unwrap());
    let large = json!({ "options": { "Color": "Red", "Size": "L" }, "price": usd(2), "stock": 1, "sku": "X" });
    let created = app.post(&path, "k", large.clone()).await.expect(201);
    let variant = created.json();
    assert_eq!(variant["options"], large["options"]);
    let at = format!("/api/v2/variants/{}", variant["id"].as_str().unwrap());
    assert_eq!((created.header("location"), created.header("etag")), (at.as_str(), "\"2-managed\""));
    assert_eq!(app.post(&path, "k", large.clone()).await.expect(201).bytes, created.bytes);
    app.post(&path, "k2", large).await.expect(409);
    app.post(&path, "k3", json!({ "options": { "Size": "M" }, "price": usd(2) })).await.expect(422);
    let patched = app.change("PATCH", &at, "\"2-managed\"", json!({ "price": usd(9) })).await.expect(200);
    assert_eq!((patched.header("etag"), &patched.json()["price"]), ("\"3-managed\"", &usd(9)));
    app.change("PATCH", &at, "*", json!({ "options": { "Size": "S", "Color": "Red" } })).await.expect(409);
    app.change("PATCH", &at, "*", json!({ "price": { "amount": 1, "currency": "EUR" } })).await.expect(422);
    let adjustments = format!("{at}/stock-adjustments");
    let more = json!({ "delta": 4, "reason": "found" });
    let adjusted = app.post(&adjustments, "k", more.clone()).await.expect(201);
    let stock = json!({ "on_hand": 5, "reserved": 0, "available": 5 });
    assert_eq!(adjusted.json(), json!({ "variant_id": variant["id"], "stock": stock }));
    assert_eq!(app.post(&adjustments, "k", more).await.expect(201).bytes, adjusted.bytes);
    app.post(&adjustments, "k2", json!({ "delta": -6, "reason": "lost" })).await.expect(409);
    app.post(&adjustments, "k3", json!({ "delta": -6, "on_hand": 1, "reason": "" })).await.expect(422);
    app.send(BOB, "PATCH", &at, &[("if-match", "*")], Some(json!({}))).await.expect(404);
    app.change("DELETE", &at, "\"3-managed\"", json!(null)).await.expect(204);
    let last = format!("/api/v2/variants/{}", product["variants"][0]["id"].as_str().unwrap());
    app.change("DELETE", &last, "*", json!(null)).await.expect(409);
}

#[tokio::test]
async fn every_broken_rule_is_told_at_once() {
    let app = App::start().await;
    let body = json!({ "name": " ", "tags": ["", "a\u{0}"], "handle": "Not A Slug", "images": [{ "url": "x" }], "sku": "s",
        "variants": [
            { "options": { "Size": "S" }, "price": { "amount": -1, "currency": "USD" }, "sku": "A" },
            { "options": { "Größe": "S" }, "price": { "amount": 1, "currency": "EUR" }, "sku": "a", "stock": -1 }] });
    let problem = app.post(PRODUCTS, "k", body).await.expect(422).json();
    let told: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    let expected = [
        "/name",
        "/tags/0",
        "/tags/1",
        "/images/0/url",
        "/handle",
        "/sku",
        "/variants/0/price/amount",
        "/variants/1/price/currency",
        "/variants/1/stock",
        "/variants/1/options/Size",
        "/variants/1/options/Größe",
        "/variants/1/sku",
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_variant_stays_while_units_of_it_are_reserved() {
    let app = App::start().await;
    let variant = |size: &str| json!({ "options": { "Size": size }, "price": usd(1), "stock": 2 });
    let body = json!({ "name": "Shirt", "variants": [variant("S"), variant("L")] });
    let product = app.post(PRODUCTS, "k", body).await.expect(201).json();
    let file = rusqlite::Connection::open(app.folder.path().join("products.db")).unwrap();
    file.execute_batch("update variants set reserved = 1, available = 1").unwrap();
    let path = format!("{PRODUCTS}/{}", product["id"].as_str().unwrap());
    let one = json!({ "name": "Shirt", "variants": [{ "options": { "Size": "S" }, "price": usd(1) }] });
    app.change("PUT", &path, "*", one).await.expect(409);
    let small = format!("/api/v2/variants/{}", product["variants"][0]["id"].as_str().unwrap());
    app.change("DELETE", &small, "*", json!(null)).await.expect(409);
    let adjustments = format!("{small}/stock-adjustments");
    app.post(&adjustments, "k", json!({ "on_hand": 0, "reason": "lost" })).await.expect(409);
    let stock = app.post(&adjustments, "k2", json!({ "on_hand": 1, "reason": "lost" })).await.expect(201).json();
    assert_eq!(stock["stock"], json!({ "on_hand": 1, "reserved": 1, "available": 0 }));
    assert_eq!(app.send(ADA, "GET", &path, &[], None).await.json()["variants"].as_array().map(Vec::len), Some(2));
}
