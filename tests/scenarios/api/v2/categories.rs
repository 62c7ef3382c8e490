//! /api/v2/categories

use serde_json::{Value, json};
use testkit::{Server, Topology, on_each};

use crate::catalogue::{Row, import_rows};
use crate::people::register;
use crate::selling::{create, usd};
use crate::v1::text;
use crate::v2::{assert_invalid, log_in, walk};

on_each!(categories_come_with_the_number_of_their_active_products, bad_queries_of_categories_are_refused);

const PLAIN: Row<'_> = Row { handle: "", title: "A", category: "", status: "active", price: "1", stock: 1 };

fn categories_come_with_the_number_of_their_active_products(topology: Topology) {
    let server = Server::start(topology);
    let client = server.client();
    assert_eq!(client.get("/api/v2/categories").expect(200).json(), json!({ "items": [], "next_cursor": null }));
    let ada = register(&server);
    let rows = [
        Row { handle: "a", category: "Light", ..PLAIN },
        Row { handle: "b", category: "light", ..PLAIN },
        Row { handle: "c", category: "Möbel", ..PLAIN },
        Row { handle: "d", category: "Light", stock: 0, ..PLAIN },
        Row { handle: "e", category: "Light", status: "draft", ..PLAIN },
        Row { handle: "f", category: "Secret", status: "archived", ..PLAIN },
        Row { handle: "g", ..PLAIN },
    ];
    import_rows(&server, &ada.email, "USD", &rows);
    // No text is a category too, other than none.
    let unnamed = json!({ "name": "a", "price": usd(1), "status": "active", "category": "" });
    create(&log_in(&server, &ada.email), &unnamed);
    let expected = json!([
        { "name": "", "count": 1 }, { "name": "Light", "count": 2 }, { "name": "Möbel", "count": 1 }, { "name": "light", "count": 1 },
    ]);
    let answer = client.get("/api/v2/categories").expect(200);
    assert_eq!(answer.header("cache-control"), Some("public, max-age=0, must-revalidate"));
    assert_eq!(answer.json(), json!({ "items": expected, "next_cursor": null }));
    for limit in [1, 2, 3, 4, 100] {
        assert_eq!(json!(walk(&client, "/api/v2/categories?", limit)), expected, "{limit} at a time");
    }
    let first = client.get("/api/v2/categories?limit=1").json();
    assert_eq!(first["items"].as_array().map(Vec::len), Some(1));
    assert!(first["next_cursor"].is_string());
}

fn bad_queries_of_categories_are_refused(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let rows = [Row { handle: "a", category: "A", ..PLAIN }, Row { handle: "b", category: "B", ..PLAIN }];
    import_rows(&server, &ada.email, "USD", &rows);
    let client = server.client();
    let of_products = text(&client.get("/api/v2/products?limit=1").json()["next_cursor"]);
    let foreign = format!("cursor={of_products}");
    for (query, pointer, code) in [
        ("limit=0", "/limit", "value"),
        ("limit=101", "/limit", "value"),
        ("cursor=x", "/cursor", "invalid-cursor"),
        (&foreign, "/cursor", "invalid-cursor"),
        ("name=A", "/name", "unknown-parameter"),
    ] {
        assert_invalid(&client.get(&format!("/api/v2/categories?{query}")), &[(pointer, code)]);
    }
    let _: Value = client.with_token("nonsense").get("/api/v2/categories").expect(401).json();
}
