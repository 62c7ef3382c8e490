//! GET /api/v1/products: `category` and `search`.

use serde_json::json;
use testkit::{Client, Server, Topology, on_each};

use crate::people::{administrator, register};
use crate::v1::{create, create_named, list, names};

on_each!(
    category_is_exact,
    search_finds_parts_of_names_in_any_case,
    search_takes_every_character_literally,
    filters_narrow_the_pagination_too,
    filters_never_cross_owners,
);

/// Encodes text for a query string.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The names that a search finds, in alphabetical order.
#[track_caller]
fn found(api: &Client, search: &str) -> Vec<String> {
    let mut found = names(api, &format!("limit=100&search={}", encoded(search)));
    found.sort_unstable();
    found
}

fn category_is_exact(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    for (name, category) in [
        ("upper", json!("Home")),
        ("lower", json!("home")),
        ("longer", json!("Home & Garden")),
        ("accent", json!("Höme")),
        ("percent", json!("H%")),
        ("none", json!(null)),
    ] {
        create(&api, &json!({ "name": name, "price": 1, "category": category }));
    }
    for (category, expected) in [
        ("Home", &["upper"][..]),
        ("home", &["lower"]),
        ("HOME", &[]),
        ("Hom", &[]),
        ("Home & Garden", &["longer"]),
        ("Höme", &["accent"]),
        ("H%", &["percent"]),
        ("H_me", &[]),
        ("null", &[]),
        ("' or '1'='1", &[]),
    ] {
        assert_eq!(names(&api, &format!("category={}", encoded(category))), expected, "{category}");
    }
    assert_eq!(names(&api, "category=Home+%26+Garden"), ["longer"]);
    assert_eq!(names(&api, "").len(), 6);
}

fn search_finds_parts_of_names_in_any_case(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    for name in ["Desk Lamp", "LAMPSHADE", "clamp", "Éclair", "ΣΊΣΥΦΟΣ", "Тёплый свет", "日本語"] {
        create_named(&api, name);
    }
    // Only names are searched.
    create(&api, &json!({ "name": "Chair", "price": 1, "description": "lamp", "category": "lamp" }));
    for search in ["lamp", "LAMP", "lAmP", "amp"] {
        assert_eq!(found(&api, search), ["Desk Lamp", "LAMPSHADE", "clamp"], "{search}");
    }
    for (search, expected) in [
        ("desk lamp", &["Desk Lamp"][..]),
        ("k L", &["Desk Lamp"]),
        ("lamp desk", &[]),
        ("éclair", &["Éclair"]),
        ("ÉCL", &["Éclair"]),
        ("σίσ", &["ΣΊΣΥΦΟΣ"]),
        ("ТЁПЛ", &["Тёплый свет"]),
        ("本", &["日本語"]),
        ("zzz", &[]),
    ] {
        assert_eq!(found(&api, search), expected, "{search}");
    }
    assert_eq!(found(&api, "").len(), 8, "everything contains nothing");
}

fn search_takes_every_character_literally(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    for name in ["100% cotton", "100 cotton", "snake_case", "snakeXcase", "back\\slash", "it's", "a*b?c", "[x]"] {
        create_named(&api, name);
    }
    for (search, expected) in [
        ("%", &["100% cotton"][..]),
        ("0% c", &["100% cotton"]),
        ("1%n", &[]),
        ("_", &["snake_case"]),
        ("e_c", &["snake_case"]),
        ("\\", &["back\\slash"]),
        ("k\\s", &["back\\slash"]),
        ("\\%", &[]),
        ("'", &["it's"]),
        ("' or 1=1 --", &[]),
        ("*", &["a*b?c"]),
        ("?", &["a*b?c"]),
        ("[x]", &["[x]"]),
        ("[a-z]", &[]),
        (".", &[]),
    ] {
        assert_eq!(found(&api, search), expected, "{search}");
    }
    assert_eq!(found(&api, &"x".repeat(2_000)), [""; 0]);
}

fn filters_narrow_the_pagination_too(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    for number in 0..5 {
        create(&api, &json!({ "name": format!("Red {number}"), "price": 1, "category": "A" }));
        create(&api, &json!({ "name": format!("Red {number}"), "price": 1, "category": "B" }));
        create(&api, &json!({ "name": format!("Blue {number}"), "price": 1, "category": "A" }));
    }
    let data = list(&api, "category=A&search=red&limit=2&page=3");
    assert_eq!(data["pagination"], json!({ "page": 3, "limit": 2, "total": 5, "pages": 3 }));
    assert_eq!(data["products"].as_array().map(Vec::len), Some(1));
    assert_eq!(data["products"][0]["name"], "Red 0");
    assert_eq!(list(&api, "category=A")["pagination"]["total"], 10);
    assert_eq!(list(&api, "search=red")["pagination"]["total"], 10);
}

fn filters_never_cross_owners(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob, admin) = (register(&server), register(&server), administrator(&server));
    for person in [&ada, &bob] {
        create(&person.api, &json!({ "name": person.username, "price": 1, "category": "shared" }));
    }
    for query in ["category=shared", "search=user", "category=shared&search=user"] {
        assert_eq!(names(&ada.api, query), [ada.username.as_str()], "{query}");
        assert_eq!(names(&admin.api, query), [bob.username.clone(), ada.username.clone()], "{query}");
    }
}
