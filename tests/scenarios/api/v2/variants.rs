//! /api/v2/products/{id}/variants and /api/v2/variants/{id}

use serde_json::{Value, json};
use testkit::{Client, Server, Topology, on_each};

use crate::selling::{administrator, create, path, plain, seller, shirt, tag, units, usd, variant_path};
use crate::v1::{NOBODY, text};
use crate::v2::{assert_invalid, assert_problem, delete, etag, patch};

on_each!(
    a_variant_is_added,
    added_variants_follow_the_rules,
    a_variant_is_seen_where_its_product_is,
    a_variant_is_patched,
    options_are_merged_with_the_present_ones,
    a_variant_is_deleted,
    variants_have_the_version_of_their_product,
    stock_is_adjusted,
    adjustments_follow_the_rules,
    adjustments_at_once_are_all_counted,
    only_those_who_manage_a_product_change_its_variants,
);

fn two_sizes(api: &Client) -> Value {
    create(
        api,
        &json!({ "name": "Shirt", "variants": [
            { "options": { "Size": "S" }, "price": usd(1_000), "sku": "S", "stock": 1 },
            { "options": { "Size": "L" }, "price": usd(900), "sku": "L", "stock": 2 },
        ] }),
    )
}

fn variants(product: &Value) -> String {
    format!("{}/variants", path(product))
}

fn adjustments(variant: &Value) -> String {
    format!("{}/stock-adjustments", variant_path(variant))
}

fn a_variant_is_added(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let product = two_sizes(&api);
    let body = json!({ "options": { "Size": "M" }, "price": usd(500), "compare_at_price": usd(600), "sku": "M",
        "barcode": "1", "stock": 3 });
    let answer = api.post(&variants(&product), &body).expect(201);
    let variant = answer.json();
    assert_eq!(answer.header("location"), Some(variant_path(&variant).as_str()));
    assert_eq!(api.get(&variant_path(&variant)).expect(200).json(), variant);
    assert_eq!(answer.header("etag"), Some(tag(2).as_str()));
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    for field in ["options", "price", "compare_at_price", "sku", "barcode"] {
        assert_eq!(variant[field], body[field], "{field}");
    }
    assert_eq!(variant["stock"], units(3));
    let after = api.get(&path(&product)).json();
    assert_eq!((&after["variants"][2], &after["price"], &after["version"]), (&variant, &usd(500), &json!(2)));
}

fn a_variant_is_seen_where_its_product_is(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob, admin, public) = (seller(&server), seller(&server), administrator(&server), server.client());
    let product = two_sizes(&ada);
    let sold = &product["variants"][1];
    let at = variant_path(sold);
    for manager in [&ada, &admin] {
        let answer = manager.get(&at).expect(200);
        assert_eq!((answer.json(), answer.header("etag")), (sold.clone(), Some(tag(1).as_str())));
        assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    }
    for absent in [at.as_str(), &format!("/api/v2/variants/{NOBODY}"), "/api/v2/variants/x"] {
        assert_problem(&public.get(absent), 404, "not-found");
        assert_problem(&bob.get(absent), 404, "not-found");
    }
    assert_problem(&public.with_token("nonsense").get(&at), 401, "unauthenticated");
    patch(&ada, &path(&product), &tag(1), &json!({ "status": "active" })).expect(200);
    let first = public.get(&at).expect(200);
    let mut shown = sold.clone();
    shown.as_object_mut().expect("a variant").remove("stock");
    assert_eq!((first.json(), bob.get(&at).expect(200).json()), (shown.clone(), shown));
    assert_eq!(first.header("cache-control"), Some("public, max-age=0, must-revalidate"));
    let asks = |tag: &str| public.send("GET", &at, &[("if-none-match", tag)], None);
    asks(&etag(&first)).expect(304);
    let all = json!({ "on_hand": 0, "reason": "sold" });
    ada.post(&adjustments(sold), &all).expect(201);
    let second = asks(&etag(&first)).expect(200);
    assert_eq!(second.json()["in_stock"], false);
    // It names the version that a change is based on.
    patch(&ada, &at, &etag(&second), &json!({ "barcode": "1" })).expect(200);
    asks(&etag(&second)).expect(200);
    assert_problem(&patch(&ada, &at, &etag(&second), &json!({ "barcode": "2" })), 412, "stale-version");
    delete(&ada, &at, "*").expect(204);
    assert_problem(&public.get(&at), 404, "not-found");
}

fn added_variants_follow_the_rules(topology: Topology) {
    let server = Server::start(topology);
    server.run(&["products", "unique-sku", "on"]).expect_code(0);
    let api = seller(&server);
    let at = variants(&two_sizes(&api));
    for (body, errors) in [
        (json!({ "options": { "Size": "M" } }), &[("/price", "required")][..]),
        (json!({ "price": usd(1) }), &[("/options/Size", "required")]),
        (
            json!({ "options": { "Color": "M" }, "price": usd(1) }),
            &[("/options/Size", "required"), ("/options/Color", "unknown-option")],
        ),
        (
            json!({ "options": { "Size": "M" }, "price": { "amount": 1, "currency": "EUR" } }),
            &[("/price/currency", "currency")],
        ),
        (
            json!({ "options": { "Size": "M" }, "price": usd(-1), "stock": -1 }),
            &[("/price/amount", "range"), ("/stock", "range")],
        ),
        (json!({ "options": { "Size": 1 }, "price": usd(1) }), &[("/options/Size", "type")]),
        (json!({ "options": { "Size": "M" }, "price": usd(1), "id": NOBODY }), &[("/id", "unknown-field")]),
        (
            json!({ "options": { "Size": "M" }, "price": usd(1), "product_id": NOBODY }),
            &[("/product_id", "unknown-field")],
        ),
    ] {
        assert_invalid(&api.post(&at, &body), errors);
    }
    for taken in [
        json!({ "options": { "Size": "S" }, "price": usd(1) }),
        json!({ "options": { "Size": "M" }, "price": usd(1), "sku": "s" }),
    ] {
        assert_problem(&api.post(&at, &taken), 409, "conflict");
    }
    let lamp = create(&api, &plain("Lamp"));
    assert_problem(&api.post(&variants(&lamp), &json!({ "price": usd(1) })), 409, "conflict");
    let all: Vec<Value> = (0..2_048).map(|n| json!({ "options": { "N": n.to_string() }, "price": usd(1) })).collect();
    let full = create(&api, &json!({ "name": "Full", "variants": all }));
    let one_more = json!({ "options": { "N": "more" }, "price": usd(1) });
    assert_problem(&api.post(&variants(&full), &one_more), 409, "conflict");
}

fn a_variant_is_patched(topology: Topology) {
    let server = Server::start(topology);
    server.run(&["products", "unique-sku", "on"]).expect_code(0);
    let api = seller(&server);
    let product = two_sizes(&api);
    let small = &product["variants"][0];
    let at = variant_path(small);
    let new = json!({ "options": { "Size": "XS" }, "price": usd(1), "compare_at_price": usd(2), "sku": null,
        "barcode": "b" });
    let answer = patch(&api, &at, &tag(1), &new).expect(200);
    assert_eq!(answer.header("etag"), Some(tag(2).as_str()));
    let patched = answer.json();
    for field in ["options", "price", "compare_at_price", "sku", "barcode"] {
        assert_eq!(patched[field], new[field], "{field}");
    }
    assert_eq!((&patched["id"], &patched["stock"]), (&small["id"], &small["stock"]));
    assert_eq!(api.get(&path(&product)).json()["variants"][0], patched);
    let same = patch(&api, &at, &tag(2), &new).expect(200);
    assert_eq!(same.header("etag"), Some(tag(2).as_str()), "nothing changed");
    for (change, pointer, code) in [
        (json!({ "price": null }), "/price", "type"),
        (json!({ "options": null }), "/options", "type"),
        (json!({ "price": { "amount": 1, "currency": "EUR" } }), "/price/currency", "currency"),
        (json!({ "sku": "" }), "/sku", "length"),
        (json!({ "stock": 1 }), "/stock", "unknown-field"),
        (json!({ "stock": { "reserved": 0 } }), "/stock", "unknown-field"),
        (json!({ "id": NOBODY }), "/id", "unknown-field"),
    ] {
        assert_invalid(&patch(&api, &at, "*", &change), &[(pointer, code)]);
    }
    for taken in [json!({ "options": { "Size": "L" } }), json!({ "sku": "l" })] {
        assert_problem(&patch(&api, &at, "*", &taken), 409, "conflict");
    }
}

fn options_are_merged_with_the_present_ones(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let variant = |size: &str| json!({ "options": { "Color": "Red", "Size": size }, "price": usd(1_000) });
    let product = create(&api, &json!({ "name": "Shirt", "variants": [variant("S"), variant("L")] }));
    let at = variant_path(&product["variants"][0]);
    let merge = |options: Value| patch(&api, &at, "*", &json!({ "options": options }));
    let merged = merge(json!({ "Size": "M" })).expect(200).json();
    assert_eq!(merged["options"], json!({ "Color": "Red", "Size": "M" }));
    // Nothing is changed, or there is nothing to take away.
    for options in [json!({}), json!({ "Fabric": null })] {
        assert_eq!(merge(options).expect(200).json(), merged);
    }
    for (options, pointer, code) in [
        (json!({ "Size": null }), "/options/Size", "required"),
        (json!({ "Fabric": "Wool" }), "/options/Fabric", "unknown-option"),
        (json!({ "Size": 1 }), "/options/Size", "type"),
    ] {
        assert_invalid(&merge(options), &[(pointer, code)]);
    }
    let twice = br#"{"options":{"Size":"A","Size":"B"}}"#;
    let headers = [("content-type", "application/merge-patch+json"), ("if-match", "*")];
    assert_invalid(&api.send("PATCH", &at, &headers, Some(twice)), &[("/options/Size", "duplicate-field")]);
    assert_problem(&merge(json!({ "Size": "L" })), 409, "conflict");
    let cheaper = patch(&api, &at, "*", &json!({ "price": { "amount": 900 } })).expect(200).json();
    assert_eq!((&cheaper["price"], &cheaper["options"]), (&usd(900), &merged["options"]));
}

fn a_variant_is_deleted(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let product = create(&api, &shirt());
    let [first, second, third] = [0, 1, 2].map(|position| variant_path(&product["variants"][position]));
    // Each answer names the version that the next change is based on.
    let deleted = delete(&api, &second, &tag(1)).expect(204);
    assert_eq!(deleted.header("etag"), Some(tag(2).as_str()));
    assert_problem(&delete(&api, &second, "*"), 404, "not-found");
    delete(&api, &third, &etag(&deleted)).expect(204);
    let after = api.get(&path(&product)).json();
    assert_eq!((&after["variants"].as_array().map(Vec::len), &after["price"]), (&Some(1), &usd(1_000)));
    assert_problem(&delete(&api, &first, &tag(3)), 409, "conflict");
}

fn variants_have_the_version_of_their_product(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let product = two_sizes(&api);
    let at = variant_path(&product["variants"][0]);
    let body = Some(&br#"{"sku":"x"}"#[..]);
    let json_type = ("content-type", "application/json");
    assert_problem(&api.send("PATCH", &at, &[json_type], body), 428, "precondition-required");
    assert_problem(&api.delete(&at), 428, "precondition-required");
    patch(&api, &path(&product), &tag(1), &json!({ "name": "Blouse" })).expect(200);
    assert_problem(&patch(&api, &at, &tag(1), &json!({ "sku": "x" })), 412, "stale-version");
    assert_problem(&delete(&api, &at, &tag(1)), 412, "stale-version");
    patch(&api, &at, &tag(2), &json!({ "sku": "x" })).expect(200);
}

fn stock_is_adjusted(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let product = two_sizes(&api);
    let small = &product["variants"][0];
    let adjust = |body: Value| api.post(&adjustments(small), &body).expect(201).json();
    let expected = |on_hand: i64| json!({ "variant_id": small["id"], "stock": units(on_hand) });
    assert_eq!(adjust(json!({ "delta": 4, "reason": "found" })), expected(5));
    assert_eq!(adjust(json!({ "delta": -5, "reason": "lost" })), expected(0));
    assert_eq!(api.get(&path(&product)).json()["variants"][0]["in_stock"], false);
    assert_eq!(adjust(json!({ "on_hand": 7, "reason": "counted" })), expected(7));
    let after = api.get(&path(&product)).json();
    assert_eq!((&after["version"], &after["variants"][0]["stock"]["on_hand"]), (&json!(1), &json!(7)), "no edit");
    for (delta, told) in [(-8, "below zero"), (i32::MAX, "beyond 2147483647")] {
        let refused = api.post(&adjustments(small), &json!({ "delta": delta, "reason": "counted" }));
        assert_problem(&refused, 409, "conflict");
        assert!(text(&refused.json()["detail"]).contains(told), "{}", refused.text());
    }
    // An edit leaves the units as they are.
    patch(&api, &variant_path(small), &tag(1), &json!({ "sku": "x" })).expect(200);
    assert_eq!(api.get(&path(&product)).json()["variants"][0]["stock"]["on_hand"], 7);
}

fn adjustments_follow_the_rules(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let at = adjustments(&two_sizes(&api)["variants"][0]);
    for (body, errors) in [
        (json!({ "delta": 1 }), &[("/reason", "required")][..]),
        (json!({ "reason": "r" }), &[("/delta", "required")]),
        (json!({ "delta": 1, "on_hand": 1, "reason": "r" }), &[("/on_hand", "exclusive")]),
        (json!({ "on_hand": -1, "reason": "r" }), &[("/on_hand", "range")]),
        (json!({ "on_hand": 2_147_483_648_i64, "reason": "r" }), &[("/on_hand", "range")]),
        (json!({ "delta": -2_147_483_648_i64, "reason": "r" }), &[("/delta", "range")]),
        (json!({ "delta": 1.5, "reason": "r" }), &[("/delta", "type")]),
        (json!({ "delta": "1", "reason": "r" }), &[("/delta", "type")]),
        (json!({ "delta": 2_147_483_648_i64, "reason": "" }), &[("/reason", "length"), ("/delta", "range")]),
        (json!({ "delta": 0, "reason": "r" }), &[("/delta", "range")]),
        (json!({ "delta": 1, "reason": " \n" }), &[("/reason", "length")]),
        (json!({ "delta": 1, "reason": "r".repeat(201) }), &[("/reason", "length")]),
        (json!({ "delta": 1, "reason": "\u{0}" }), &[("/reason", "character")]),
        (json!({ "delta": 1, "reason": "r", "reserved": 1 }), &[("/reserved", "unknown-field")]),
    ] {
        assert_invalid(&api.post(&at, &body), errors);
    }
    api.post(&at, &json!({ "delta": 1, "reason": "é".repeat(200) })).expect(201);
}

fn adjustments_at_once_are_all_counted(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let product = two_sizes(&api);
    let at = adjustments(&product["variants"][0]);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| api.post(&at, &json!({ "delta": 1, "reason": "found" })).expect(201));
        }
    });
    assert_eq!(api.get(&path(&product)).json()["variants"][0]["stock"]["on_hand"], 21);
}

fn only_those_who_manage_a_product_change_its_variants(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob, admin) = (seller(&server), seller(&server), administrator(&server));
    let product = two_sizes(&ada);
    let tries = |api: &Client, product: &str, variant: &str, status: u16, code: &str| {
        let body = json!({ "options": { "Size": "M" }, "price": usd(1) });
        assert_problem(&api.post(&format!("/api/v2/products/{product}/variants"), &body), status, code);
        let at = format!("/api/v2/variants/{variant}");
        assert_problem(&patch(api, &at, "*", &json!({ "sku": "x" })), status, code);
        assert_problem(&delete(api, &at, "*"), status, code);
        let adjustment = json!({ "delta": 1, "reason": "r" });
        assert_problem(&api.post(&format!("{at}/stock-adjustments"), &adjustment), status, code);
    };
    let (id, small) = (text(&product["id"]), text(&product["variants"][0]["id"]));
    tries(&server.client(), &id, &small, 401, "unauthenticated");
    tries(&bob, &id, &small, 404, "not-found");
    tries(&ada, NOBODY, NOBODY, 404, "not-found");
    tries(&ada, "1", "%00", 404, "not-found");
    assert_eq!(ada.get(&path(&product)).json(), product);
    patch(&ada, &path(&product), "*", &json!({ "status": "active" })).expect(200);
    tries(&bob, &id, &small, 403, "forbidden");
    let at = format!("/api/v2/variants/{small}");
    patch(&admin, &at, &tag(2), &json!({ "sku": "by admin" })).expect(200);
    admin.post(&format!("{at}/stock-adjustments"), &json!({ "delta": 1, "reason": "by admin" })).expect(201);
    let body = json!({ "options": { "Size": "M" }, "price": usd(1) });
    admin.post(&variants(&product), &body).expect(201);
    delete(&admin, &at, &tag(4)).expect(204);
}
