//! The ways between processes that an operator may choose, each walked once.

use serde_json::json;
use testkit::{Client, Deployment, Server, Topology, postgres};

use crate::people;
use crate::selling::{self, PRODUCTS, plain};
use crate::v1::text;
use crate::v2;

fn on_split(setting: &str, value: &str) {
    let server = Deployment::new(Topology::Split).set(setting, value).start();
    for gateway in server.urls() {
        walk(&server, gateway);
    }
}

/// A seller's hour: bodies of all sizes, answers of all kinds, a stream.
fn walk(server: &Server, gateway: &str) {
    let anonymous = Client::public(gateway);
    let email = v2::register(server);
    let tokens = v2::open(&anonymous, &email, people::PASSWORD).expect(201).json();
    let seller = anonymous.with_token(&text(&tokens["access_token"]));
    for number in 0..40 {
        let mut large = plain(&format!("Desk {number}"));
        large["description"] = "\u{fc}".repeat(20_000).into();
        large["status"] = "active".into();
        selling::create(&seller, &large);
    }
    let export = seller.get("/api/v2/me/export").expect(200);
    assert!(export.body.len() > 40 * 40_000, "{}", export.body.len());
    assert_eq!(export.json()["products"].as_array().map(Vec::len), Some(40));
    let listed = anonymous.get("/api/v2/products?limit=3").expect(200).json();
    let path = format!("{PRODUCTS}/{}", text(&listed["items"][0]["id"]));
    let etag = v2::etag(&anonymous.get(&path).expect(200));
    anonymous.send("GET", &path, &[("if-none-match", &etag)], None).expect(304);
    let head = anonymous.send("HEAD", &path, &[], None).expect(200);
    assert!(head.body.is_empty() && head.header("content-length").is_some_and(|length| length != "0"));
    let head = seller.send("HEAD", "/api/v2/me/export", &[], None).expect(200);
    assert!(head.body.is_empty() && head.header("content-length").is_none(), "how long it is nobody knows yet");
    // Refusals, each by another part.
    anonymous.get("/api/v2/me").expect(401);
    seller.get("/api/v2/users").expect(403);
    anonymous.get("/api/v2/products/nothing").expect(404);
    anonymous.send("DELETE", PRODUCTS, &[], None).expect(405);
    seller.post(PRODUCTS, &json!({ "name": "" })).expect(422);
    seller.post_text(PRODUCTS, "{").expect(400);
    seller.post_text(PRODUCTS, &"x".repeat(3 << 20)).expect(413);
    seller.send("PATCH", &path, &[("content-type", "application/json")], Some(b"{}")).expect(428);
    seller.delete("/api/v2/sessions/current").expect(204);
    seller.get("/api/v2/me").expect(401);
}

#[test]
fn over_http_2() {
    on_split("UPSTREAMS__PROTOCOL", "h2c");
}

#[test]
fn one_instance_after_the_other() {
    on_split("UPSTREAMS__BALANCE", "round-robin");
}

#[test]
fn always_the_same_instance() {
    on_split("UPSTREAMS__BALANCE", "sticky");
}

/// Two processes that ask each other: any roles may be together.
#[test]
fn a_gateway_may_have_services_of_its_own() {
    let inner = format!("127.0.0.1:{}", postgres::free_port());
    let outer = format!("127.0.0.1:{}", postgres::free_port());
    let flags = |flags: &[&str]| flags.iter().map(|flag| (*flag).to_owned()).collect::<Vec<_>>();
    let listen = format!("--http-listen={outer}");
    let upstream = format!("--upstreams-auth={inner}");
    let own = format!("--internal-listen={inner}");
    let (products, users) = (format!("--upstreams-products={outer}"), format!("--upstreams-users={outer}"));
    let server = Deployment::new(Topology::Split).start_as(&[
        ("gateway-auth", flags(&["--role=gateway,auth", &own, &products, &users])),
        ("services", flags(&["--role=products,users,notifications", &listen, &upstream])),
    ]);
    walk(&server, server.url());
    // What is in this process and what is passed on hold each other's ends alike, at once.
    let (admin, ada) = (people::administrator(&server), people::register(&server));
    let account = format!("/api/v2/users/{}", ada.id);
    v2::patch(&open(&server, &admin.email), &account, "*", &json!({ "active": false })).expect(200);
    ada.api.get("/api/v1/auth/me").expect(401);
}

fn open(server: &Server, email: &str) -> Client {
    let tokens = v2::open(&server.client(), email, people::PASSWORD).expect(201).json();
    server.client().with_token(&text(&tokens["access_token"]))
}
