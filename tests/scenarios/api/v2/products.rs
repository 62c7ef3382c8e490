//! /api/v2/products

use serde_json::{Value, json};
use testkit::{Client, Server, Topology, on_each};

use crate::catalogue::{APPAREL, HOME, all_active, import, page};
use crate::people::register;
use crate::v1::{NOBODY, create_named, keys, text};
use crate::v2::{pages, single};

on_each!(
    only_active_products_are_public,
    pages_follow_a_cursor_to_the_end,
    pages_stay_whole_while_products_come,
    a_category_narrows_the_list,
    a_product_is_shown_with_its_variants,
    stock_is_hidden_from_the_public,
    an_unchanged_product_is_not_sent_again,
    a_token_of_v1_is_none_of_v2,
    drafts_are_as_absent,
);

const PRODUCT: [&str; 23] = [
    "attributes",
    "category",
    "category_path",
    "created_at",
    "description",
    "description_text",
    "handle",
    "id",
    "images",
    "in_stock",
    "name",
    "owner_id",
    "price",
    "seller",
    "seo_description",
    "seo_title",
    "show_available",
    "status",
    "tags",
    "updated_at",
    "variants",
    "vendor",
    "version",
];
const VARIANT: [&str; 12] = [
    "backorder",
    "barcode",
    "compare_at_price",
    "id",
    "images",
    "in_stock",
    "inventory",
    "options",
    "price",
    "product_id",
    "sku",
    "weight_grams",
];

fn path(product: &Value) -> String {
    format!("/api/v2/products/{}", text(&product["id"]))
}

/// The product of this handle, from the list.
#[track_caller]
fn by_handle(client: &Client, handle: &str) -> Value {
    let found = all_active(client).into_iter().find(|product| product["handle"] == handle);
    found.expect("a product of this handle")
}

fn only_active_products_are_public(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    create_named(&ada.api, "a draft of v1");
    let answer = server.client().get("/api/v2/products").expect(200);
    assert_eq!(answer.json(), json!({ "items": [], "next_cursor": null }));
    import(&server, APPAREL, &ada.email).expect_code(0);
    // A command wrote: the server notices within a second.
    let products = all_active(&server.client());
    assert_eq!(products.len(), 20);
    for product in &products {
        assert_eq!(keys(&single(product.clone())), PRODUCT);
        assert_eq!(product["status"], "active");
        assert_eq!(product["owner_id"], ada.id.as_str());
    }
}

fn pages_follow_a_cursor_to_the_end(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    import(&server, APPAREL, &ada.email).expect_code(0);
    import(&server, HOME, &ada.email).expect_code(0);
    let client = server.client();
    let everything = all_active(&client);
    assert_eq!(everything.len(), 40);
    assert_eq!(page(&client, "")["items"].as_array().map(Vec::len), Some(20), "limit is 20 unless asked");
    for limit in [1, 7, 20, 39, 40, 100] {
        assert_eq!(keys(&page(&client, &format!("limit={limit}"))), ["items", "next_cursor"]);
        let pages = pages(&client, "/api/v2/products?", limit);
        let (_, full) = pages.split_last().expect("a page");
        assert!(full.iter().all(|items| items.len() == limit), "only the last page is short");
        assert_eq!(pages.concat(), everything, "{limit} at a time");
    }
}

fn pages_stay_whole_while_products_come(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob) = (register(&server), register(&server));
    import(&server, APPAREL, &ada.email).expect_code(0);
    let client = server.client();
    let before = all_active(&client);
    let first = page(&client, "limit=5");
    import(&server, HOME, &bob.email).expect_code(0);
    let rest = page(&client, &format!("limit=100&cursor={}", text(&first["next_cursor"])));
    let walked = [first["items"].as_array(), rest["items"].as_array()];
    let walked: Vec<Value> = walked.into_iter().flatten().flatten().cloned().collect();
    let old: Vec<&Value> = walked.iter().filter(|product| product["owner_id"] == ada.id.as_str()).collect();
    assert_eq!(old, before.iter().collect::<Vec<_>>(), "nothing is skipped or told twice");
}

fn a_category_narrows_the_list(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    import(&server, HOME, &ada.email).expect_code(0);
    let client = server.client();
    let outdoor: Vec<Value> =
        all_active(&client).into_iter().filter(|product| product["category"] == "Outdoor").collect();
    assert!(outdoor.len() > 1 && outdoor.len() < 20);
    assert_eq!(page(&client, "category=Outdoor&limit=100")["items"], json!(outdoor));
    assert_eq!(page(&client, "category=outdoor")["items"], json!([]));
    // A cursor is bound to its filters.
    let cursor = text(&page(&client, "category=Outdoor&limit=1")["next_cursor"]);
    client.get(&format!("/api/v2/products?category=Outdoor&limit=1&cursor={cursor}")).expect(200);
    for other in ["", "category=Indoor&"] {
        client.get(&format!("/api/v2/products?{other}limit=1&cursor={cursor}")).expect(422);
    }
}

fn a_product_is_shown_with_its_variants(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    import(&server, HOME, &ada.email).expect_code(0);
    let client = server.client();
    let pot = by_handle(&client, "clay-plant-pot");
    assert_eq!(client.get(&path(&pot)).expect(200).json(), single(pot.clone()), "alike on every page");
    assert_eq!(pot["name"], "Clay Plant Pot");
    assert_eq!(pot["vendor"], "Company 123");
    assert_eq!(pot["category"], "Outdoor");
    assert_eq!(pot["tags"], json!(["Pot", "Plants"]));
    assert_eq!(pot["description"], "<p>Classic blown clay pot for plants</p>");
    // Of several variants, the lowest price.
    assert_eq!(pot["price"], json!({ "amount": 999, "currency": "USD" }));
    assert_eq!(pot["in_stock"], true);
    assert_eq!(pot["images"].as_array().map(Vec::len), Some(2));
    let variants = pot["variants"].as_array().expect("variants");
    let shown: Vec<Value> = variants
        .iter()
        .map(|variant| json!([variant["options"], variant["price"]["amount"], variant["in_stock"]]))
        .collect();
    let expected = json!([[{ "Size": "Regular" }, 999, true], [{ "Size": "Large" }, 1599, true]]);
    assert_eq!(json!(shown), expected);
    assert!(variants.iter().all(|variant| keys(variant) == VARIANT));

    let lamp = by_handle(&client, "copper-light");
    assert_eq!(lamp["variants"].as_array().map(Vec::len), Some(1), "a plain product is one default variant");
    assert_eq!(lamp["variants"][0]["options"], json!({}));
    assert_eq!(lamp["variants"][0]["compare_at_price"], json!({ "amount": 7500, "currency": "USD" }));
    // The shop did not count its units.
    let armchair = by_handle(&client, "pink-armchair");
    assert_eq!((&armchair["in_stock"], &armchair["variants"][0]["inventory"]), (&json!(true), &json!("untracked")));
}

fn stock_is_hidden_from_the_public(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    import(&server, HOME, &ada.email).expect_code(0);
    let client = server.client();
    for answer in [page(&client, "limit=100"), client.get(&path(&by_handle(&client, "clay-plant-pot"))).json()] {
        for secret in ["stock\":", "on_hand", "reserved", "available", "email"] {
            let told = answer.to_string().replace("in_stock\":", "").replace("show_available", "");
            assert!(!told.contains(secret), "{secret}: {told}");
        }
    }
}

fn an_unchanged_product_is_not_sent_again(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    import(&server, HOME, &ada.email).expect_code(0);
    let client = server.client();
    // One whose units are counted.
    let plain = |product: &Value| {
        let variants = product["variants"].as_array().expect("variants");
        variants.len() == 1 && variants[0]["inventory"] == "tracked"
    };
    let id = text(&all_active(&client).into_iter().find(plain).expect("a plain product")["id"]);
    let (public, v1) = (format!("/api/v2/products/{id}"), format!("/api/v1/products/{id}"));
    let etag = || client.get(&public).expect(200).header("etag").expect("an ETag").to_owned();
    let asks = |tag: &str| client.send("GET", &public, &[("if-none-match", tag)], None);
    let first = etag();
    assert!(first.starts_with('"') && first.ends_with('"'), "strong: {first}");
    for tag in [first.as_str(), "*", &format!("\"0-x\", W/{first}")] {
        let answer = asks(tag).expect(304);
        assert!(answer.text().is_empty());
        assert_eq!(answer.header("etag"), Some(first.as_str()));
        assert_eq!(answer.header("cache-control"), Some("public, max-age=0, must-revalidate"));
    }
    ada.api.put(&v1, &json!({ "name": "Renamed" })).expect(200);
    assert_eq!(asks(&first).expect(200).json()["name"], "Renamed");
    ada.api.put(&v1, &json!({ "stock": 0 })).expect(200);
    let sold_out = etag();
    assert_eq!(client.get(&public).json()["in_stock"], false);
    ada.api.put(&v1, &json!({ "stock": 7 })).expect(200);
    asks(&sold_out).expect(200);
}

/// The audience of v1's tokens is v1 alone.
fn a_token_of_v1_is_none_of_v2(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    import(&server, HOME, &ada.email).expect_code(0);
    let pot = path(&by_handle(&server.client(), "clay-plant-pot"));
    for token in [ada.token.as_str(), "nonsense"] {
        for public in [pot.as_str(), "/api/v2/products"] {
            let answer = server.client().with_token(token).get(public).expect(401).json();
            assert_eq!(answer["code"], "unauthenticated");
        }
    }
}

fn drafts_are_as_absent(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let draft = path(&create_named(&ada.api, "a draft of v1"));
    let absent = format!("/api/v2/products/{NOBODY}");
    let same = |path: &str| {
        let mut problem = server.client().get(path).expect(404).json();
        let object = problem.as_object_mut().expect("a problem");
        object.remove("instance");
        object.remove("request_id");
        problem
    };
    assert_eq!(same(&draft), same(&absent));
    assert_eq!(same(&draft)["code"], "not-found");
}
