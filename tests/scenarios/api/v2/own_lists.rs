//! /api/v2/me/products and /api/v2/users/{id}/products: products of every status, with their stock.

use serde_json::{Value, json};
use testkit::{Server, Topology, on_each};

use crate::catalogue::{Row, all_active, import_rows};
use crate::people::{administrator, register};
use crate::v1::{NOBODY, text};
use crate::v2::{assert_invalid, log_in, walk};

on_each!(
    own_lists_are_for_those_who_have_logged_in,
    sellers_see_their_own_products_with_stock,
    administrators_see_the_products_of_an_account,
);

const PLAIN: Row<'_> = Row { handle: "", title: "A", category: "A", status: "active", price: "1", stock: 0 };

/// Two active products, a draft and an archived one.
fn rows() -> [Row<'static>; 4] {
    [
        Row { handle: "a", title: "c", price: "3", ..PLAIN },
        Row { handle: "b", title: "b", price: "1", stock: 7, ..PLAIN },
        Row { handle: "c", title: "a", price: "2", status: "draft", category: "B", ..PLAIN },
        Row { handle: "d", title: "d", price: "4", status: "archived", stock: 1, ..PLAIN },
    ]
}

#[track_caller]
fn handles(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["handle"].as_str().expect("a handle")).collect()
}

fn own_lists_are_for_those_who_have_logged_in(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    for path in ["/api/v2/me/products".to_owned(), format!("/api/v2/users/{}/products", ada.id)] {
        for client in [server.client(), server.client().with_token(&ada.token)] {
            assert_eq!(client.get(&path).expect(401).json()["code"], "unauthenticated");
        }
    }
}

fn sellers_see_their_own_products_with_stock(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob) = (register(&server), register(&server));
    import_rows(&server, &ada.email, "USD", &rows());
    import_rows(&server, &bob.email, "USD", &[Row { handle: "x", ..PLAIN }]);
    let api = log_in(&server, &ada.email);
    let answer = api.get("/api/v2/me/products?count=exact&sort=name").expect(200);
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    let page = answer.json();
    assert_eq!(page["count"], 4);
    assert_eq!(handles(page["items"].as_array().expect("items")), ["c", "b", "a", "d"]);
    assert_eq!(page["items"][1]["variants"][0]["stock"], crate::selling::units(7));
    for (query, expected) in [
        ("status=draft", &["c"][..]),
        ("status=active&sort=name", &["b", "a"]),
        ("status=archived", &["d"]),
        ("sort=name", &["c", "b", "a", "d"]),
        ("sort=price", &["b", "c", "a", "d"]),
        ("sort=-price&status=active", &["a", "b"]),
        ("category=A&in_stock=true&sort=name", &["b", "d"]),
        ("price_min=200&price_max=300&sort=price", &["c", "a"]),
        ("currency=EUR", &[]),
    ] {
        for limit in [1, 3] {
            let walked = walk(&api, &format!("/api/v2/me/products?{query}"), limit);
            assert_eq!(handles(&walked), expected, "{query}");
        }
    }
    assert_invalid(
        &api.get("/api/v2/me/products?status=gone&owner_id=1"),
        &[("/owner_id", "unknown-parameter"), ("/status", "value")],
    );
    // A cursor of one seller leads into no list of another.
    let cursor = text(&api.get("/api/v2/me/products?limit=1").json()["next_cursor"]);
    let bobs = log_in(&server, &bob.email).get(&format!("/api/v2/me/products?limit=1&cursor={cursor}"));
    assert_invalid(&bobs, &[("/cursor", "invalid-cursor")]);
    assert_eq!(all_active(&server.client()).len(), 3, "drafts stay hidden");
}

fn administrators_see_the_products_of_an_account(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob, root) = (register(&server), register(&server), administrator(&server));
    import_rows(&server, &ada.email, "USD", &rows());
    let path = format!("/api/v2/users/{}/products", ada.id);
    let api = log_in(&server, &root.email);
    let answer = api.get(&path).expect(200);
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    assert_eq!(answer.json()["items"], log_in(&server, &ada.email).get("/api/v2/me/products").json()["items"]);
    assert_eq!(handles(&walk(&api, &format!("{path}?status=active&sort=name"), 1)), ["b", "a"]);
    let none = api.get(&format!("/api/v2/users/{}/products", bob.id)).expect(200).json();
    assert_eq!(none, json!({ "items": [], "next_cursor": null }));
    for absent in [NOBODY, "x"] {
        assert_eq!(api.get(&format!("/api/v2/users/{absent}/products")).expect(404).json()["code"], "not-found");
    }
    for person in [&ada, &bob] {
        assert_eq!(log_in(&server, &person.email).get(&path).expect(403).json()["code"], "forbidden");
    }
}
