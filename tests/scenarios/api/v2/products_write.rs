//! POST /api/v2/products

use serde_json::{Value, json};
use testkit::{Server, Topology, on_each};

use crate::people::register;
use crate::selling::{PRODUCTS, create, path, plain, seller, shirt, tag, units, usd};
use crate::v1::text;
use crate::v2::{assert_invalid, assert_problem, assert_taken, change, log_in, patch, walk};

on_each!(
    a_plain_product_is_created,
    a_product_with_variants_is_created,
    options_keep_the_order_in_which_they_were_sent,
    every_broken_rule_is_told_at_once,
    each_field_has_its_bounds,
    what_is_far_beyond_the_rules_is_refused_briefly,
    a_page_of_large_products_is_short,
    bodies_must_be_json_objects,
    handles_and_skus_are_unique_per_owner,
    v1_sees_what_v2_wrote,
);

fn a_plain_product_is_created(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let body = json!({
        "name": "  Desk lamp ", "description": "Bright", "category": "Lighting", "tags": ["desk", "brass"],
        "vendor": "Lumen", "status": "active", "images": [{ "url": "https://example.com/a.jpg", "alt": "A lamp" }],
        "price": usd(3_990), "compare_at_price": usd(4_990), "sku": "DL-1", "barcode": "4006381333931", "stock": 7
    });
    let answer = api.post(PRODUCTS, &body).expect(201);
    let product = answer.json();
    assert_eq!(answer.header("location"), Some(path(&product).as_str()));
    assert_eq!(answer.header("etag"), Some(tag(1).as_str()));
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    for field in ["description", "category", "tags", "vendor", "status", "images", "price"] {
        assert_eq!(product[field], body[field], "{field}");
    }
    assert_eq!(product["name"], "Desk lamp");
    assert_eq!(product["handle"], "desk-lamp");
    assert_eq!((&product["version"], &product["in_stock"]), (&json!(1), &json!(true)));
    let variant = &product["variants"][0];
    for field in ["price", "compare_at_price", "sku", "barcode"] {
        assert_eq!(variant[field], body[field], "{field}");
    }
    assert_eq!(variant["options"], json!({}));
    assert_eq!(variant["stock"], units(7));
    let read = api.get(&path(&product)).expect(200);
    assert_eq!((read.json(), read.header("etag")), (product.clone(), Some(tag(1).as_str())));
    let shown = server.client().get(&path(&product)).expect(200).json();
    assert_eq!(shown["variants"][0]["stock"], Value::Null, "the public sees no units");
}

fn a_product_with_variants_is_created(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let product = create(&api, &shirt());
    assert_eq!((&product["status"], &product["price"]), (&json!("draft"), &usd(900)));
    let variants = product["variants"].as_array().expect("variants");
    assert_eq!(variants.len(), 3);
    for (variant, sent) in variants.iter().zip(shirt()["variants"].as_array().expect("variants")) {
        assert_eq!((&variant["options"], &variant["price"]), (&sent["options"], &sent["price"]));
        assert_eq!(variant["stock"]["on_hand"], sent["stock"]);
    }
    // A single variant without options is a plain product.
    let single = json!({ "name": "Cap", "variants": [{ "options": {}, "price": usd(1) }] });
    assert_eq!(create(&api, &single)["variants"][0]["stock"]["on_hand"], 0);
}

fn options_keep_the_order_in_which_they_were_sent(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let body = r#"{"name":"Shirt","variants":[
        {"options":{"Size":"S","Color":"Red"},"price":{"amount":1,"currency":"EUR"}},
        {"options":{"Color":"Red","Size":"L"},"price":{"amount":1,"currency":"EUR"}}]}"#;
    let answer = api.post_text(PRODUCTS, body).expect(201).text();
    for size in ["S", "L"] {
        assert!(answer.contains(&format!(r#"{{"Size":"{size}","Color":"Red"}}"#)), "{answer}");
    }
}

fn every_broken_rule_is_told_at_once(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let body = json!({
        "name": " ", "tags": ["", "a\u{0}"], "handle": "Not A Slug", "images": [{ "url": "x" }], "sku": "s",
        "variants": [
            { "options": { "Size": "S" }, "price": { "amount": -1, "currency": "USD" }, "sku": "A" },
            { "options": { "A/b": "S" }, "price": { "amount": 1, "currency": "EUR" }, "sku": "a", "stock": -1 },
        ]
    });
    let expected = [
        ("/name", "length"),
        ("/handle", "handle"),
        ("/tags/0", "length"),
        ("/tags/1", "character"),
        ("/images/0/url", "url"),
        ("/sku", "several-variants"),
        ("/variants/0/price/amount", "range"),
        ("/variants/1/price/currency", "currency"),
        ("/variants/1/stock", "range"),
        ("/variants/1/options/Size", "required"),
        ("/variants/1/options/A~1b", "unknown-option"),
    ];
    assert_invalid(&api.post(PRODUCTS, &body), &expected);
    // Neither a price nor variants.
    assert_invalid(&api.post(PRODUCTS, &json!({ "name": "" })), &[("/name", "length"), ("/price", "required")]);
}

fn each_field_has_its_bounds(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let long = |length: usize| json!("é".repeat(length));
    let many = |count: usize, item: Value| Value::Array(vec![item; count]);
    let image = |url: &str| json!([{ "url": url }]);
    let attributes =
        |count: usize| (0..count).map(|n| (n.to_string(), json!(""))).collect::<serde_json::Map<_, _>>().into();
    let tags = |count: usize| (0..count).map(|n| n.to_string()).collect::<Value>();
    let bounds: Vec<(&str, Value, Value, &str, &str)> = vec![
        ("name", long(255), long(256), "/name", "length"),
        ("description", long(32_768), long(32_769), "/description", "length"),
        ("category", long(255), long(256), "/category", "length"),
        ("vendor", long(255), long(256), "/vendor", "length"),
        ("tags", tags(250), tags(251), "/tags", "count"),
        ("tags", json!(["a", "A"]), json!(["a", "b", "a"]), "/tags/2", "duplicate"),
        ("tags", json!([long(255)]), json!([long(256)]), "/tags/0", "length"),
        ("handle", json!("ab-cd-3"), json!("ab--cd"), "/handle", "handle"),
        ("handle", json!("größe-7"), json!("-a"), "/handle", "handle"),
        (
            "images",
            many(250, json!({ "url": "http://a/b" })),
            many(251, json!({ "url": "http://a/b" })),
            "/images",
            "count",
        ),
        ("images", image("https://a"), image("ftp://a"), "/images/0/url", "url"),
        ("images", image("https://a/b?c#d"), image("https://a b"), "/images/0/url", "url"),
        ("price", usd(0), usd(-1), "/price/amount", "range"),
        ("price", usd(9_999_999_999), usd(10_000_000_000), "/price/amount", "range"),
        (
            "compare_at_price",
            usd(1),
            json!({ "amount": 1, "currency": "EUR" }),
            "/compare_at_price/currency",
            "currency",
        ),
        ("sku", long(255), long(256), "/sku", "length"),
        ("sku", Value::Null, json!(""), "/sku", "length"),
        ("barcode", long(255), long(256), "/barcode", "length"),
        ("barcode", json!("1"), json!("1\u{0}"), "/barcode", "character"),
        ("stock", json!(i32::MAX), json!(i64::from(i32::MAX) + 1), "/stock", "range"),
        ("stock", json!(0), json!(-1), "/stock", "range"),
        ("status", json!("archived"), json!("sold"), "/status", "value"),
        ("category_path", long(1_000), long(1_001), "/category_path", "length"),
        ("seo_title", long(255), long(256), "/seo_title", "length"),
        ("seo_description", long(5_000), long(5_001), "/seo_description", "length"),
        ("attributes", json!({ "a": "" }), json!({ "": "a" }), "/attributes/", "length"),
        ("attributes", attributes(250), attributes(251), "/attributes", "count"),
        (
            "attributes",
            json!({ "a": "x".repeat(262_143) }),
            json!({ "a": "x".repeat(262_144) }),
            "/attributes",
            "length",
        ),
        ("weight_grams", json!(1_000_000_000), json!(1_000_000_001), "/weight_grams", "value"),
        ("inventory", json!("untracked"), json!("counted"), "/inventory", "value"),
        ("backorder", json!(true), json!("yes"), "/backorder", "type"),
    ];
    for (field, good, bad, pointer, code) in bounds {
        let mut body = plain("bounded");
        body[field] = good;
        create(&api, &body);
        body[field] = bad;
        assert_invalid(&api.post(PRODUCTS, &body), &[(pointer, code)]);
    }
    let variant = |n: usize| json!({ "options": { "N": n.to_string() }, "price": usd(1) });
    let variants = |count| json!({ "name": "many", "variants": (0..count).map(variant).collect::<Vec<_>>() });
    create(&api, &variants(2_048));
    assert_invalid(&api.post(PRODUCTS, &variants(2_049)), &[("/variants", "count")]);
    assert_invalid(&api.post(PRODUCTS, &variants(0)), &[("/variants", "count")]);
    let options = |options: Value| json!({ "name": "one", "variants": [{ "options": options, "price": usd(1) }] });
    create(&api, &options(json!({ "A": "1", "B": "2", "C": "3" })));
    let four = options(json!({ "A": "1", "B": "2", "C": "3", "D": "4" }));
    assert_invalid(&api.post(PRODUCTS, &four), &[("/variants/0/options", "count")]);
    assert_invalid(&api.post(PRODUCTS, &options(json!({ "A": "" }))), &[("/variants/0/options/A", "length")]);
    // Control characters take six bytes each where they are stored, and an index bounds those.
    create(&api, &options(json!({ "A": "\u{1}".repeat(249) })));
    assert_invalid(
        &api.post(PRODUCTS, &options(json!({ "A": "\u{1}".repeat(250) }))),
        &[("/variants/0/options", "length")],
    );
}

fn what_is_far_beyond_the_rules_is_refused_briefly(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let many = |count: usize, one: &dyn Fn(usize) -> Value| (0..count).map(one).collect::<Value>();
    let options: Value = (0..60_000).map(|n| (format!("{n}"), json!("a"))).collect::<serde_json::Map<_, _>>().into();
    let variant = |n: usize| json!({ "options": { "Size": n.to_string() }, "price": usd(1), "sku": n.to_string() });
    for (body, code) in [
        (json!({ "name": "Many", "variants": [{ "options": options, "price": usd(1) }] }), "count"),
        (json!({ "name": "Many", "variants": many(9_000, &variant) }), "count"),
        (json!({ "name": "Many", "price": usd(1), "tags": many(200_000, &|_| json!("")) }), "count"),
    ] {
        let answer = api.post(PRODUCTS, &body);
        assert_problem(&answer, 422, "validation-failed");
        let errors = answer.json()["errors"].clone();
        assert!(errors.as_array().is_some_and(|errors| errors.iter().any(|error| error["code"] == code)), "{errors}");
        assert!(answer.body.len() < 20_000, "{} bytes", answer.body.len());
    }
    let query: Vec<String> = (0..2_000).map(|n| format!("q{n}=1")).collect();
    let answer = server.client().get(&format!("{PRODUCTS}?{}", query.join("&")));
    assert_problem(&answer, 422, "validation-failed");
    assert!(answer.body.len() < 20_000, "{} bytes", answer.body.len());
}

fn a_page_of_large_products_is_short(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let seller = log_in(&server, &ada.email);
    for n in 0..48 {
        let large = json!({ "name": format!("Large {n}"), "price": 1, "description": "a".repeat(65_536) });
        let made = ada.api.post("/api/v1/products", &large).expect(201).json();
        let path = path(&made["data"]["product"]);
        patch(&seller, &path, "*", &json!({ "status": "active" })).expect(200);
    }
    let first = server.client().get(&format!("{PRODUCTS}?limit=100")).expect(200);
    assert!(first.body.len() < 2_500_000, "{} bytes", first.body.len());
    let all = walk(&server.client(), "/api/v2/products?sort=newest", 100);
    assert_eq!(all.len(), 48);
}

fn bodies_must_be_json_objects(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    for (text, status, code) in [
        ("", 400, "malformed-body"),
        ("{", 400, "malformed-body"),
        ("[]", 422, "validation-failed"),
        (r#""text""#, 422, "validation-failed"),
        (r#"{"name":"a","name":"b","price":{"amount":1,"currency":"USD"}}"#, 422, "validation-failed"),
        (r#"{"name":"a","price":[1,"USD"]}"#, 422, "validation-failed"),
        (r#"{"name":"a","price":{"amount":1.5,"currency":"USD"}}"#, 422, "validation-failed"),
        (r#"{"name":"a","price":{"amount":1,"currency":"usd"}}"#, 422, "validation-failed"),
        (r#"{"name":"a","variants":{}}"#, 422, "validation-failed"),
        (r#"{"name":"a","variants":[["S"]]}"#, 422, "validation-failed"),
        (
            r#"{"name":"a","variants":[{"options":["S"],"price":{"amount":1,"currency":"USD"}}]}"#,
            422,
            "validation-failed",
        ),
        (r#"{"name":null,"price":{"amount":1,"currency":"USD"}}"#, 422, "validation-failed"),
    ] {
        let answer = api.post_text(PRODUCTS, text);
        assert_problem(&answer, status, code);
    }
    let body = plain("a").to_string();
    let merge_patch = [("content-type", "application/merge-patch+json")];
    assert_problem(&api.send("POST", PRODUCTS, &merge_patch, Some(body.as_bytes())), 415, "unsupported-media-type");
    assert_problem(&api.send("POST", PRODUCTS, &[], Some(body.as_bytes())), 415, "unsupported-media-type");
    let huge = json!({ "name": "a", "price": usd(1), "description": "x".repeat(2 << 20) });
    assert_problem(&api.post(PRODUCTS, &huge), 413, "payload-too-large");
}

fn handles_and_skus_are_unique_per_owner(topology: Topology) {
    let server = Server::start(topology);
    server.run(&["products", "unique-sku", "on"]).expect_code(0);
    let (ada, bob) = (seller(&server), seller(&server));
    let mut lamp = plain("Lamp");
    lamp["handle"] = json!("lamp");
    lamp["sku"] = json!("Lamp-1");
    create(&ada, &lamp);
    create(&bob, &lamp);
    let mut taken = plain("Other");
    taken["handle"] = json!("lamp");
    assert_taken(&ada.post(PRODUCTS, &taken), "/handle");
    taken["handle"] = Value::Null;
    taken["sku"] = json!("LAMP-1");
    assert_problem(&ada.post(PRODUCTS, &taken), 409, "conflict");
    // One that is derived from the name steps aside.
    let second = create(&ada, &plain("Lamp"));
    assert_eq!(second["handle"], "lamp-2");
    assert_eq!(create(&ada, &plain("Lamp!"))["handle"], "lamp-3");
    assert_eq!(create(&ada, &plain("★"))["handle"], "product");
    assert_eq!(create(&ada, &plain("☆"))["handle"], "product-2");
    for merged in [json!({ "handle": "lamp" }), json!({ "sku": "lamp-1" })] {
        assert_problem(&patch(&ada, &path(&second), "*", &merged), 409, "conflict");
    }
    assert_problem(&change(&ada, "PUT", &path(&second), "*", &lamp), 409, "conflict");
    assert_eq!(ada.get(&path(&second)).json(), second);
}

fn v1_sees_what_v2_wrote(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let api = log_in(&server, &ada.email);
    let product = create(&api, &shirt());
    let v1 = ada.api.get(&format!("/api/v1/products/{}", text(&product["id"]))).expect(200).json();
    let shown = &v1["data"]["product"];
    assert_eq!((&shown["price"], &shown["stock"], &shown["userId"]), (&json!("9.00"), &json!(3), &json!(ada.id)));
}
