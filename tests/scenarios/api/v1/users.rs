//! /api/v1/users

use serde_json::{Value, json};
use testkit::{Server, Topology, on_each};

use crate::people::{administrator, register};
use crate::v1::{LIMIT, NOBODY, PAGE, assert_failure, assert_invalid, broken_query, create, create_named, keys, text};

on_each!(
    an_administrator_lists_everyone,
    pages_of_users_follow_the_rules,
    an_administrator_sees_a_user_with_their_products,
    others_are_refused,
    who_does_not_exist_is_not_found,
);

const ADMINS_ONLY: &str = "Access denied. Admin privileges required.";
const NOT_FOUND: &str = "User not found";
const USER: [&str; 7] = ["createdAt", "email", "id", "isActive", "role", "updatedAt", "username"];

fn an_administrator_lists_everyone(topology: Topology) {
    let server = Server::start(topology);
    let (admin, ada) = (administrator(&server), register(&server));
    let answer = admin.api.get("/api/v1/users").expect(200).json();
    assert_eq!(keys(&answer), ["data", "success"]);
    assert_eq!(answer["success"], true);
    assert_eq!(keys(&answer["data"]), ["pagination", "users"]);
    let pagination = json!({ "page": 1, "limit": 10, "total": 2, "pages": 1 });
    assert_eq!(answer["data"]["pagination"], pagination);
    let users = answer["data"]["users"].as_array().expect("users");
    for user in users {
        assert_eq!(keys(user), USER);
    }
    let mut ids: Vec<String> = users.iter().map(|user| text(&user["id"])).collect();
    let mut expected = vec![admin.id, ada.id];
    ids.sort_unstable();
    expected.sort_unstable();
    assert_eq!(ids, expected);
    let me = ada.api.get("/api/v1/auth/me").expect(200).json();
    assert!(users.contains(&me["data"]["user"]), "alike on every page");
}

fn pages_of_users_follow_the_rules(topology: Topology) {
    let server = Server::start(topology);
    let admin = administrator(&server);
    let mut everybody: Vec<String> = (0..6).map(|_| register(&server).id).collect();
    everybody.push(admin.id);
    let get = |query: &str| admin.api.get(&format!("/api/v1/users?{query}"));
    let mut seen = Vec::new();
    for (page, size) in [(1, 3), (2, 3), (3, 1), (4, 0)] {
        let data = get(&format!("page={page}&limit=3")).expect(200).json()["data"].clone();
        let pagination = json!({ "page": page, "limit": 3, "total": 7, "pages": 3 });
        assert_eq!(data["pagination"], pagination);
        let users = data["users"].as_array().expect("users");
        assert_eq!(users.len(), size, "page {page}");
        seen.extend(users.iter().map(|user| text(&user["id"])));
    }
    seen.sort_unstable();
    everybody.sort_unstable();
    assert_eq!(seen, everybody);
    let limit = |query: &str| get(query).expect(200).json()["data"]["pagination"]["limit"].clone();
    assert_eq!(limit("limit=1000"), 1000);
    assert_eq!(limit("limit=5000"), 1000);
    assert_invalid(&get("page=0&limit=x"), &[broken_query("page", "0", PAGE), broken_query("limit", "x", LIMIT)]);
}

fn an_administrator_sees_a_user_with_their_products(topology: Topology) {
    let server = Server::start(topology);
    let (admin, ada, bob) = (administrator(&server), register(&server), register(&server));
    create_named(&bob.api, "of somebody else");
    let product = create(
        &ada.api,
        &json!({ "name": "Lamp", "price": "12.5", "stock": 3, "category": "Light", "description": "not shown" }),
    );
    let answer = admin.api.get(&format!("/api/v1/users/{}", ada.id)).expect(200).json();
    assert_eq!(keys(&answer), ["data", "success"]);
    let mut user = answer["data"]["user"].clone();
    let brief = json!({ "id": product["id"], "name": "Lamp", "price": "12.50", "stock": 3, "category": "Light" });
    assert_eq!(user["products"], json!([brief]));
    user.as_object_mut().expect("a user").remove("products");
    let me = ada.api.get("/api/v1/auth/me").expect(200).json();
    assert_eq!(user, me["data"]["user"]);

    let own = admin.api.get(&format!("/api/v1/users/{}", admin.id)).expect(200).json();
    assert_eq!(own["data"]["user"]["products"], Value::Array(Vec::new()));
}

fn others_are_refused(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let own = format!("/api/v1/users/{}", ada.id);
    for path in ["/api/v1/users", "/api/v1/users?page=0", &own, "/api/v1/users/1", &format!("/api/v1/users/{NOBODY}")] {
        assert_failure(&ada.api.get(path), 403, ADMINS_ONLY);
    }
}

fn who_does_not_exist_is_not_found(topology: Topology) {
    let server = Server::start(topology);
    let admin = administrator(&server);
    for id in [NOBODY, "1", "nobody", "%00", "%ff", "00000000-0000-4000-8000-00000000000g", "'", &"9".repeat(1000)] {
        assert_failure(&admin.api.get(&format!("/api/v1/users/{id}")), 404, NOT_FOUND);
    }
}
