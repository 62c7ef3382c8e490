//! Any sequence of calls gets the same answers on SQLite, on PostgreSQL and on a cluster, but for ids and times.
//!
//! The sequences are random, from seeds that stand in the message of a failure. `PRIMETRADE_TEST_SEQUENCES=100` runs more.

use serde_json::{Value, json};
use testkit::{Client, Response, Server, Topology};

use crate::people::{PASSWORD, administrator_named};
use crate::plain::Plain;
use crate::random::Random;
use crate::selling::usd;
use crate::v2::open;

const STEPS: usize = 120;

/// A call, the same for all worlds: `{account}7`, `{product}7`, `{variant}7` and `{reservation}7` in it stand for ids of each.
#[derive(Debug)]
struct Call {
    caller: usize,
    method: &'static str,
    path: String,
    body: Option<Value>,
    if_match: Option<String>,
    key: Option<String>,
}

/// Callers that log in; before them stands one who does not.
const PEOPLE: [&str; 4] = ["ada", "eve", "bob", "root"];

/// A server, and what its answers have told so far.
struct World {
    server: Server,
    callers: Vec<Client>,
    accounts: Vec<String>,
    products: Vec<String>,
    variants: Vec<String>,
    reservations: Vec<String>,
    /// What is called alike in all worlds.
    plain: Plain,
}

impl World {
    fn new(topology: Topology) -> Self {
        let server = Server::start(topology);
        let callers = vec![server.client()];
        let mut world = Self {
            server,
            callers,
            accounts: Vec::new(),
            products: Vec::new(),
            variants: Vec::new(),
            reservations: Vec::new(),
            plain: Plain::default(),
        };
        for name in PEOPLE {
            let email = email(name);
            match name {
                "root" => _ = administrator_named(&world.server, name),
                name => {
                    let account = json!({ "username": name, "email": email, "password": PASSWORD });
                    world.server.client().post("/api/v2/accounts", &account).expect(201);
                }
            }
            let tokens = open(&world.server.client(), &email, PASSWORD).expect(201).json();
            let caller = world.server.client().with_token(tokens["access_token"].as_str().expect("a token"));
            world.accounts.push(caller.get("/api/v2/me").expect(200).json()["id"].as_str().expect("an id").to_owned());
            world.callers.push(caller);
        }
        world
    }

    fn send(&mut self, call: &Call) -> (u16, Option<String>, Value) {
        let path = self.with_ids(&call.path);
        let body = call.body.as_ref().map(|body| self.with_ids(&body.to_string()));
        let client = &self.callers[call.caller % self.callers.len()];
        let patch = call.method == "PATCH" && call.if_match.is_some();
        let media_type = if patch { "application/merge-patch+json" } else { "application/json" };
        let key = call.key.as_deref().filter(|_| call.body.is_some() && call.if_match.is_none());
        let optional = [("if-match", call.if_match.as_deref()), ("idempotency-key", key)];
        let headers: Vec<(&str, &str)> = [("content-type", media_type)]
            .into_iter()
            .chain(optional.into_iter().filter_map(|(name, value)| Some((name, value?))))
            .collect();
        let answer = client.send(call.method, &path, &headers, body.as_deref().map(str::as_bytes));
        self.learn(call, &answer);
        let etag = answer.header("etag").map(str::to_owned);
        let body = if answer.body.is_empty() { Value::Null } else { answer.json() };
        (answer.status, etag, self.plain.of(body))
    }

    /// The text with this world's ids.
    fn with_ids(&self, text: &str) -> String {
        let known = [
            ("{account}", &self.accounts),
            ("{product}", &self.products),
            ("{variant}", &self.variants),
            ("{reservation}", &self.reservations),
        ];
        let mut text = text.to_owned();
        for (word, ids) in known {
            while let Some((before, rest)) = text.split_once(word) {
                let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
                let id = ids.get(number.parse::<usize>().unwrap_or(0) % ids.len().max(1));
                text = format!("{before}{}{after}", id.map_or("00000000-0000-4000-8000-000000000000", String::as_str));
            }
        }
        text
    }

    /// Remembers what was made, under the same number in all worlds.
    fn learn(&mut self, call: &Call, answer: &Response) {
        if call.path == SESSIONS && answer.status == 201 {
            let tokens = answer.json();
            self.callers[call.caller] =
                self.server.client().with_token(tokens["access_token"].as_str().expect("a token"));
            return;
        }
        if answer.status != 201 || answer.header("idempotent-replayed").is_some() {
            return;
        }
        let made = answer.json();
        let id = |value: &Value| value["id"].as_str().map(str::to_owned);
        let product = if call.path.starts_with("/api/v1") { &made["data"]["product"] } else { &made };
        match call.path.rsplit('/').next() {
            Some("products") => {
                self.products.extend(id(product));
                self.variants.extend(product["variants"].as_array().into_iter().flatten().filter_map(id));
            }
            Some("variants") => self.variants.extend(id(&made)),
            Some("reservations") => self.reservations.extend(id(&made)),
            _ => {}
        }
    }
}

const SESSIONS: &str = "/api/v2/sessions";

fn email(name: &str) -> String {
    format!("{name}@example.com")
}

fn product(random: &mut Random) -> Value {
    let name = random.of(&["Lamp", "Größe 7", "lamp", "Ωmega", "Desk", "a", "Desk lamp", "  "]);
    let prices = [0, 1, 999, 1_000, 1_000, 5_000, 12_345, -1];
    let price = usd(prices[random.below(prices.len())]);
    let mut product = json!({ "name": name, "status": random.of(&["active", "active", "active", "draft", "draft", "archived", "sold"]) });
    if random.below(3) == 0 {
        let variant = |size: &str, stock: usize| {
            let sku = format!("{name}-{size}-{stock}");
            json!({ "options": { "Size": size }, "price": price, "stock": stock, "sku": sku })
        };
        let sizes = [random.of(&["S", "L"]), random.of(&["M", "L"])];
        product["variants"] = sizes.iter().map(|size| variant(size, random.below(3))).collect();
    } else {
        product["price"] = price;
        product["stock"] = json!(random.below(4));
    }
    if random.below(2) == 0 {
        product["category"] = json!(random.of(&["Light", "light", "Ünit", ""]));
    }
    if random.below(6) == 0 {
        product["handle"] = json!(random.of(&["lamp", "Not a slug", "desk"]));
    }
    if random.below(12) == 0 {
        product[random.of(&["id", "version", "owner_id", "in_stock"])] = json!(1);
    }
    product
}

fn list(random: &mut Random) -> String {
    let filters = [
        "category=Light",
        "category=%C3%9Cnit",
        "in_stock=true",
        "in_stock=false",
        "price_min=1",
        "price_max=1000",
        "price_min=5000&price_max=1",
        "sort=price",
        "sort=-price",
        "sort=name",
        "sort=newest",
        "sort=size",
        "limit=2",
        "limit=0",
        "count=exact",
        "count=estimated",
        "currency=EUR",
        "currency=XXX",
        "cursor=x",
        "status=draft",
        "q=1",
    ];
    let chosen: Vec<&str> = (0..random.below(4)).map(|_| random.of(&filters)).collect();
    chosen.join("&")
}

fn patch(random: &mut Random) -> Value {
    match random.below(12) {
        0 => json!({ "name": random.of(&["Renamed", "", "lamp"]) }),
        1 => json!({ "status": random.of(&["active", "archived", "gone"]) }),
        2 => json!({ "category": null }),
        3 => json!({ "category": random.of(&["Light", "Dark"]), "tags": ["a", "b"] }),
        4 => json!({ "price": usd(random.below(9_000) as i64) }),
        5 => json!({ "handle": random.of(&["lamp", "desk", "Not a slug"]) }),
        6 => json!({ "sku": random.of(&["A-1", "a-1"]), "barcode": "4006381333931" }),
        7 => json!({ "version": 9 }),
        8 => json!({ "price": { "amount": random.below(9_000) } }),
        9 => json!({ "compare_at_price": { "amount": 9_000, "currency": random.of(&["USD", "EUR"]) } }),
        10 => json!({ "tags": null, "price": { "currency": random.of(&["USD", "EUR"]) } }),
        _ => json!({}),
    }
}

fn call(random: &mut Random) -> Call {
    let id = random.below(40);
    let etags = ["*", "*", "*", "\"1-managed\"", "\"2-managed\"", "W/\"1-managed\"", "x"];
    let if_match = (random.below(8) > 0).then(|| random.of(&etags).to_owned());
    let key = (random.below(3) == 0).then(|| format!("key-{}", random.below(6)));
    let (method, path, body, if_match) = match random.below(26) {
        0..=2 => ("POST", "/api/v2/products".to_owned(), Some(product(random)), None),
        3 => {
            let price = random.of(&["1", "39.90", "x", "-1", "5.005"]);
            let body = json!({ "name": random.of(&["Old lamp", ""]), "price": price, "stock": random.below(5) });
            ("POST", "/api/v1/products".to_owned(), Some(body), None)
        }
        4 => ("PUT", format!("/api/v2/products/{{product}}{id}"), Some(product(random)), if_match),
        5 | 6 => ("PATCH", format!("/api/v2/products/{{product}}{id}"), Some(patch(random)), if_match),
        7 => ("DELETE", format!("/api/v2/products/{{product}}{id}"), None, if_match),
        8 => {
            let body =
                json!({ "options": { "Size": random.of(&["S", "XL"]) }, "price": usd(5), "stock": random.below(3) });
            ("POST", format!("/api/v2/products/{{product}}{id}/variants"), Some(body), None)
        }
        9 => {
            let body = match random.below(3) {
                0 => json!({ "price": usd(random.below(99) as i64), "sku": random.of(&["B-1", "B-2"]) }),
                1 => json!({ "price": { "amount": random.below(99) }, "options": { "Size": null } }),
                _ => json!({ "options": { "Size": random.of(&["S", "XXL"]) } }),
            };
            ("PATCH", format!("/api/v2/variants/{{variant}}{id}"), Some(body), if_match)
        }
        10 => {
            let body = match random.below(3) {
                0 => json!({ "delta": random.below(7) as i64 - 3, "reason": "counted" }),
                1 => json!({ "on_hand": random.below(4), "reason": "counted" }),
                _ => json!({ "delta": 1, "on_hand": 1 }),
            };
            ("POST", format!("/api/v2/variants/{{variant}}{id}/stock-adjustments"), Some(body), None)
        }
        11 => ("GET", format!("/api/v2/products/{{product}}{id}"), None, None),
        12 => ("GET", format!("/api/v1/products/{{product}}{id}"), None, None),
        13 => ("GET", format!("/api/v2/products?{}", list(random)), None, None),
        14 => ("GET", format!("/api/v2/me/products?{}", list(random)), None, None),
        17 | 18 => return session(random),
        19 => return administration(random, if_match),
        21..=25 => return reservation(random, key),
        20 => {
            let names = ["ada", "eve", "renamed", "x", "root"];
            ("PATCH", "/api/v2/me".to_owned(), Some(json!({ "username": random.of(&names) })), if_match)
        }
        15 => (["GET", "GET", "DELETE"][random.below(3)], format!("/api/v2/variants/{{variant}}{id}"), None, if_match),
        _ => {
            ("GET", random.of(&["/api/v2/categories", "/api/v2/me", "/api/v1/products?limit=3"]).to_owned(), None, None)
        }
    };
    // Mostly one seller, so that most calls are about something of their own.
    let caller = [1, 1, 1, 1, 1, 2, 3, 0][random.below(8)];
    Call { caller, method, path, body, if_match, key }
}

/// Logging in and out: what comes after has to know. Mostly in, or too little would be allowed.
fn session(random: &mut Random) -> Call {
    let caller = [1, 1, 1, 2, 3, 4][random.below(6)];
    let plain = |method, path: &str| Call { caller, method, path: path.into(), body: None, if_match: None, key: None };
    match random.below(12) {
        0 => plain("DELETE", "/api/v2/sessions/current"),
        1 => plain("DELETE", SESSIONS),
        2 => plain("GET", SESSIONS),
        other => {
            let password = if other == 3 { "Wrong-1-horse" } else { PASSWORD };
            let credentials = json!({ "email": email(PEOPLE[caller - 1]), "password": password });
            Call { body: Some(credentials), ..plain("POST", SESSIONS) }
        }
    }
}

/// What is kept for a buyer. All have time enough, or it would be chance who is late.
fn reservation(random: &mut Random, key: Option<String>) -> Call {
    let caller = [2, 2, 2, 3, 1, 4, 0][random.below(7)];
    let id = random.below(40);
    let reservation = format!("/api/v2/reservations/{{reservation}}{id}");
    let (method, path, body) = match random.below(12) {
        0 => ("GET", reservation, None),
        1 | 2 => ("POST", format!("{reservation}/commit"), None),
        3 | 4 => ("DELETE", reservation, None),
        5 => {
            let ttl = [60, 3_600, 0][random.below(3)];
            ("POST", format!("{reservation}/extend"), Some(json!({ "ttl_seconds": ttl })))
        }
        6 => ("GET", format!("/api/v2/variants/{{variant}}{id}/stock-movements?limit=5"), None),
        7 => {
            let threshold = [json!(0), json!(2), json!(null), json!(-1)][random.below(4)].clone();
            let path = format!("/api/v2/variants/{{variant}}{id}/low-stock-threshold");
            ("PUT", path, Some(json!({ "threshold": threshold })))
        }
        _ => {
            let line = |random: &mut Random| {
                let quantity = [1, 1, 1, 2, 3, 0][random.below(6)];
                json!({ "variant_id": format!("{{variant}}{}", random.below(40)), "quantity": quantity })
            };
            let lines: Vec<Value> = (0..1 + random.below(3) / 2).map(|_| line(random)).collect();
            ("POST", "/api/v2/reservations".into(), Some(json!({ "lines": lines, "ttl_seconds": 3_600 })))
        }
    };
    Call { caller, method, path, body, if_match: None, key }
}

/// What an administrator does, or somebody who is none.
fn administration(random: &mut Random, if_match: Option<String>) -> Call {
    let caller = [4, 4, 4, 1][random.below(4)];
    let account = format!("/api/v2/users/{{account}}{}", random.below(PEOPLE.len()));
    let (method, path, body) = match random.below(7) {
        0 => ("GET", account, None),
        1 => ("GET", format!("{account}/products"), None),
        2 => ("GET", format!("{account}/sessions"), None),
        3 => {
            let filters = ["", "&role=admin", "&active=false", "&q=E", "&role=king"];
            ("GET", format!("/api/v2/users?limit=3{}", random.of(&filters)), None)
        }
        4 => ("GET", account.replace("v2", "v1"), None),
        // Nobody would come back from more deactivations than activations.
        5 => ("PATCH", account, Some(json!({ "active": random.below(3) > 0 }))),
        _ => ("PATCH", account, Some(json!({ "role": random.of(&["user", "admin", "king"]) }))),
    };
    Call { caller, method, path, body, if_match, key: None }
}

#[test]
fn sequences_of_calls_are_answered_alike_on_all_topologies() {
    let asked = std::env::var("PRIMETRADE_TEST_SEQUENCES").ok();
    let sequences: u64 = asked.and_then(|number| number.parse().ok()).unwrap_or(4);
    let (mut calls, mut succeeded) = (0, 0);
    for seed in 1..=sequences {
        let mut random = Random::new(seed);
        let mut worlds = [Topology::Sqlite, Topology::Postgres, Topology::Split].map(World::new);
        for step in 0..STEPS {
            let call = call(&mut random);
            let [sqlite, postgres, split] = worlds.each_mut().map(|world| world.send(&call));
            assert_eq!(sqlite, postgres, "PostgreSQL, seed {seed}, step {step}: {call:?}");
            assert_eq!(sqlite, split, "a cluster, seed {seed}, step {step}: {call:?}");
            calls += 1;
            succeeded += usize::from(sqlite.0 < 300);
        }
    }
    assert!(succeeded > calls / 5, "only {succeeded} of {calls} calls succeeded: too few to tell");
}
