//! /api/v2/batch/prices, /stock and /status

use serde_json::{Value, json};
use testkit::{Client, Response, Server, Topology, eventually, on_each};

use crate::selling::{
    PRODUCTS, REPLAYED, administrator, create, id, path, plain, post_once, seller, shirt, stock, tag, usd,
    variant_path, verified,
};
use crate::v1::{NOBODY, text};
use crate::v2::{assert_errors, assert_invalid, assert_problem, etag, patch};

on_each!(
    units_of_many_variants_change_in_one_transaction,
    prices_change_with_one_new_version_of_each_product,
    products_are_put_on_sale_together,
    all_means_that_nothing_is_done,
    each_means_that_the_others_are_done,
    items_may_name_the_version_that_they_are_based_on,
    items_follow_the_rules,
    a_batch_is_repeated_whole,
    administrators_change_what_is_of_several_sellers,
    a_batch_holds_five_hundred_items,
);

const STOCK: &str = "/api/v2/batch/stock";
const PRICES: &str = "/api/v2/batch/prices";
const STATUS: &str = "/api/v2/batch/status";

fn batch(mode: &str, items: &[Value]) -> Value {
    json!({ "mode": mode, "reason": "counted", "items": items })
}

fn delta(variant: &Value, delta: i64) -> Value {
    json!({ "variant_id": variant["id"], "delta": delta })
}

/// Statuses of the items, and the codes of their problems.
fn outcomes(response: &Response) -> Vec<(u64, String)> {
    let body = response.json();
    let results = body["results"].as_array().expect("results").iter();
    let outcome = |result: &Value| {
        let code = result["problem"]["code"].as_str().unwrap_or_default().to_owned();
        (result["status"].as_u64().expect("a status"), code)
    };
    results.map(outcome).collect()
}

fn done() -> (u64, String) {
    (200, String::new())
}

fn refused(status: u64, code: &str) -> (u64, String) {
    (status, code.to_owned())
}

fn movements(api: &Client, variant: &Value) -> Vec<Value> {
    let movements = api.get(&format!("{}/stock-movements", variant_path(variant))).expect(200).json();
    movements["items"].as_array().expect("items").clone()
}

fn units_of_many_variants_change_in_one_transaction(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let (shirt, desk) = (create(&api, &shirt()), create(&api, &plain("Desk")));
    let [small, large, blue] = [0, 1, 2].map(|place| shirt["variants"][place].clone());
    let plain = desk["variants"][0].clone();
    let items = [
        delta(&small, 4),
        json!({ "variant_id": large["id"], "on_hand": 7, "reason": "found" }),
        delta(&blue, 2),
        delta(&plain, 9),
    ];
    let answer = api.post(STOCK, &batch("all", &items)).expect(200);
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    assert_eq!(outcomes(&answer), vec![done(); 4]);
    let results = answer.json()["results"].clone();
    for (place, variant) in [&small, &large, &blue, &plain].into_iter().enumerate() {
        assert_eq!((&results[place]["id"], &results[place]["etag"]), (&variant["id"], &json!(tag(1))));
    }
    assert_eq!([&small, &large, &blue, &plain].map(|variant| stock(&api, variant)[0]), [5, 7, 2, 9]);
    // It is a movement for each, with its reason, and no edit of a product.
    let newest = |variant| movements(&api, variant).swap_remove(0);
    assert_eq!(
        (newest(&small)["reason"].clone(), newest(&large)["reason"].clone()),
        (json!("counted"), json!("found"))
    );
    let after = api.get(&path(&shirt)).expect(200).json();
    assert_eq!((&after["version"], &after["variants"][2]["in_stock"]), (&json!(1), &json!(true)));
    if topology != Topology::Sqlite {
        let transactions = "select count(distinct xmin::text) from stock_movements where kind = 'adjustment'";
        assert_eq!(server.sql("products", transactions), [["1"]]);
    }
    let logged = || server.sql("products", "select count(*) from events where type = 'stock.changed'") == [["4"]];
    eventually("each change has its event", || logged().then_some(()));
    verified(&server);
}

fn prices_change_with_one_new_version_of_each_product(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let (shirt, desk) = (create(&api, &shirt()), create(&api, &plain("Desk")));
    let [small, large, _] = [0, 1, 2].map(|place| shirt["variants"][place].clone());
    let items = [
        json!({ "variant_id": small["id"], "price": usd(2_000), "compare_at_price": usd(2_500) }),
        json!({ "variant_id": large["id"], "price": { "amount": 800 } }),
        json!({ "variant_id": desk["variants"][0]["id"], "price": usd(1_000) }),
    ];
    let answer = api.post(PRICES, &batch_of("each", &items)).expect(200);
    assert_eq!(outcomes(&answer), vec![done(); 3]);
    let etags: Vec<_> =
        answer.json()["results"].as_array().expect("results").iter().map(|result| text(&result["etag"])).collect();
    // What changes nothing makes no version.
    assert_eq!(etags, [tag(2), tag(2), tag(1)]);
    let after = api.get(&path(&shirt)).expect(200);
    assert_eq!(etag(&after), tag(2));
    let after = after.json();
    let prices = [0, 1, 2].map(|place| after["variants"][place]["price"]["amount"].clone());
    assert_eq!(prices, [2_000, 800, 1_100].map(Value::from));
    assert_eq!((&after["price"], &after["variants"][0]["compare_at_price"]), (&usd(800), &usd(2_500)));
    let logged = || server.sql("products", "select count(*) from events where type = 'product.updated'") == [["1"]];
    eventually("the one new version has its event", || logged().then_some(()));
    let gone = [json!({ "variant_id": small["id"], "compare_at_price": null })];
    api.post(PRICES, &batch_of("all", &gone)).expect(200);
    assert_eq!(api.get(&variant_path(&small)).expect(200).json()["compare_at_price"], Value::Null);
}

/// Without a reason, which only stock has.
fn batch_of(mode: &str, items: &[Value]) -> Value {
    json!({ "mode": mode, "items": items })
}

fn products_are_put_on_sale_together(topology: Topology) {
    let server = Server::start(topology);
    let (api, public) = (seller(&server), server.client());
    let products: Vec<Value> = (0..5).map(|n| create(&api, &plain(&format!("Desk {n}")))).collect();
    let item = |product: &Value| json!({ "product_id": product["id"], "status": "active" });
    let items: Vec<Value> = products.iter().map(item).collect();
    let answer = api.post(STATUS, &batch_of("all", &items)).expect(200);
    assert_eq!(outcomes(&answer), vec![done(); 5]);
    for product in &products {
        assert_eq!(public.get(&path(product)).expect(200).json()["version"], 2);
    }
    assert_eq!(public.get(PRODUCTS).expect(200).json()["items"].as_array().expect("items").len(), 5);
    if topology != Topology::Sqlite {
        let transactions = "select count(distinct xmin::text) from products";
        assert_eq!(server.sql("products", transactions), [["1"]]);
    }
}

fn all_means_that_nothing_is_done(topology: Topology) {
    let server = Server::start(topology);
    let (api, other) = (seller(&server), seller(&server));
    let (desk, foreign) = (create(&api, &plain("Desk")), create(&other, &plain("Hidden")));
    let mut public = plain("Public");
    public["status"] = "active".into();
    let public = create(&other, &public);
    let [own, hidden, public] = [&desk, &foreign, &public].map(|product| product["variants"][0].clone());
    let nobody = json!({ "id": NOBODY });
    for (variant, status, code) in
        [(&nobody, 404, "not-found"), (&hidden, 404, "not-found"), (&public, 403, "forbidden")]
    {
        let answer = api.post(STOCK, &batch("all", &[delta(&own, 3), delta(variant, 1)]));
        assert_problem(&answer, status, code);
        assert_errors(&answer, &[("/items/1", code)]);
        assert_eq!(outcomes(&answer), [refused(424, "not-done"), refused(status.into(), code)]);
        let prices = [&own, variant].map(|of| json!({ "variant_id": of["id"], "price": usd(5) }));
        assert_problem(&api.post(PRICES, &batch_of("all", &prices)), status, code);
    }
    // Not refused alike.
    let answer = api.post(STOCK, &batch("all", &[delta(&own, 1), delta(&public, 1), delta(&hidden, 1)]));
    assert_problem(&answer, 409, "conflict");
    assert_eq!(outcomes(&answer), [refused(424, "not-done"), refused(403, "forbidden"), refused(404, "not-found")]);
    let answer = api.post(STOCK, &batch("all", &[delta(&own, -1)]));
    assert_problem(&answer, 409, "conflict");
    assert_eq!(outcomes(&answer), [refused(409, "conflict")]);
    let statuses = [&desk, &foreign].map(|of| json!({ "product_id": of["id"], "status": "active" }));
    assert_problem(&api.post(STATUS, &batch_of("all", &statuses)), 404, "not-found");
    assert_eq!((stock(&api, &own), movements(&api, &own).len()), ([0, 0, 0], 0));
    assert_eq!(api.get(&path(&desk)).expect(200).json()["version"], 1);
}

fn each_means_that_the_others_are_done(topology: Topology) {
    let server = Server::start(topology);
    let (api, other) = (seller(&server), seller(&server));
    let (shirt, foreign) = (create(&api, &shirt()), create(&other, &plain("Hidden")));
    let [small, large, blue] = [0, 1, 2].map(|place| shirt["variants"][place].clone());
    let hidden = foreign["variants"][0].clone();
    let items = [delta(&small, -2), delta(&hidden, 1), delta(&large, 1), json!({ "variant_id": blue["id"] })];
    let answer = api.post(STOCK, &batch("each", &items)).expect(200);
    let expected = [refused(409, "conflict"), refused(404, "not-found"), done(), refused(422, "validation-failed")];
    assert_eq!(outcomes(&answer), expected);
    let results = answer.json()["results"].clone();
    assert_eq!(results[3]["problem"]["errors"][0]["pointer"], "/items/3/delta");
    assert_eq!([&small, &large, &blue].map(|variant| stock(&api, variant)[0]), [1, 3, 0]);
    let prices = [
        json!({ "variant_id": small["id"], "price": usd(-1) }),
        json!({ "variant_id": large["id"], "price": { "amount": 1, "currency": "EUR" } }),
        json!({ "variant_id": blue["id"], "price": usd(3) }),
        json!({ "variant_id": hidden["id"], "price": usd(3) }),
        json!({ "variant_id": NOBODY, "price": usd(3) }),
    ];
    let answer = api.post(PRICES, &batch_of("each", &prices)).expect(200);
    let broken = || refused(422, "validation-failed");
    let absent = || refused(404, "not-found");
    assert_eq!(outcomes(&answer), [broken(), broken(), done(), absent(), absent()]);
    let pointers = [0, 1].map(|place| answer.json()["results"][place]["problem"]["errors"][0]["pointer"].clone());
    assert_eq!(pointers, ["/items/0/price/amount", "/items/1/price/currency"].map(Value::from));
    assert_eq!(api.get(&path(&shirt)).expect(200).json()["price"], usd(3));
    let answer = api.post(STOCK, &batch("each", &[delta(&hidden, 1)])).expect(200);
    assert_eq!(outcomes(&answer), [absent()]);
    verified(&server);
}

fn items_may_name_the_version_that_they_are_based_on(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let (desk, lamp) = (create(&api, &plain("Desk")), create(&api, &plain("Lamp")));
    patch(&api, &path(&lamp), &tag(1), &json!({ "vendor": "Acme" })).expect(200);
    let [first, second] = [&desk, &lamp].map(|product| product["variants"][0]["id"].clone());
    for (path, key, mut change) in [
        (STOCK, "variant_id", json!({ "delta": 1, "reason": "counted" })),
        (PRICES, "variant_id", json!({ "price": usd(5) })),
        (STATUS, "product_id", json!({ "status": "active" })),
    ] {
        let ids = if key == "product_id" { [&desk["id"], &lamp["id"]] } else { [&first, &second] };
        let mut item = |at: &Value, if_match: &str| {
            (change[key], change["if_match"]) = (at.clone(), if_match.into());
            change.clone()
        };
        let items = [item(ids[0], "\"1-managed\""), item(ids[1], "\"1-managed\"")];
        let stale = api.post(path, &batch_of("all", &items));
        assert_problem(&stale, 412, "stale-version");
        assert_eq!(outcomes(&stale), [refused(424, "not-done"), refused(412, "stale-version")]);
        let malformed = api.post(path, &batch_of("each", &[item(ids[0], "1")])).expect(200);
        assert_eq!(malformed.json()["results"][0]["problem"]["errors"][0]["pointer"], "/items/0/if_match");
    }
    let item = |variant: &Value, price: i64, if_match: &str| json!({ "variant_id": variant, "price": usd(price), "if_match": if_match });
    let items = [item(&first, 7, "\"1\", \"9\""), item(&second, 7, "\"1-managed\"")];
    let answer = api.post(PRICES, &batch_of("each", &items)).expect(200);
    assert_eq!(outcomes(&answer), [done(), refused(412, "stale-version")]);
    assert_eq!(answer.json()["results"][0]["etag"], tag(2));
    // What a list shows is good for it too.
    let listed = api.get("/api/v2/me/products?sort=name").expect(200).json()["items"].clone();
    let items: Vec<Value> = [0, 1]
        .map(
            |place| json!({ "product_id": listed[place]["id"], "status": "active", "if_match": listed[place]["etag"] }),
        )
        .into();
    assert_eq!(outcomes(&api.post(STATUS, &batch_of("all", &items)).expect(200)), vec![done(); 2]);
}

fn items_follow_the_rules(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let desk = create(&api, &plain("Desk"))["variants"][0].clone();
    let many: Vec<Value> = (0..501).map(|_| delta(&desk, 1)).collect();
    assert_invalid(&api.post(STOCK, &batch("all", &[])), &[("/items", "count")]);
    assert_invalid(&api.post(STOCK, &batch("each", &many)), &[("/items", "count")]);
    let twice = [delta(&desk, 1), delta(&desk, 2)];
    assert_invalid(&api.post(STOCK, &batch("each", &twice)), &[("/items/1/variant_id", "duplicate")]);
    assert_invalid(&api.post(STOCK, &batch("some", &[delta(&desk, 1)])), &[("/mode", "value")]);
    let both = json!({ "variant_id": desk["id"], "delta": 1, "on_hand": 1 });
    assert_invalid(&api.post(STOCK, &batch("all", &[both])), &[("/items/0/on_hand", "exclusive")]);
    let unsaid = batch_of("all", &[delta(&desk, 0)]);
    assert_invalid(&api.post(STOCK, &unsaid), &[("/items/0/reason", "required"), ("/items/0/delta", "range")]);
    let unpriced = batch_of("all", &[json!({ "variant_id": desk["id"] })]);
    assert_invalid(&api.post(PRICES, &unpriced), &[("/items/0/price", "required")]);
    let strange = batch_of("all", &[json!({ "variant_id": desk["id"], "price": usd(1), "sku": "x" })]);
    assert_invalid(&api.post(PRICES, &strange), &[("/items/0/sku", "unknown-field")]);
    assert_eq!(stock(&api, &desk), [0, 0, 0]);
    for path in [STOCK, PRICES, STATUS] {
        assert_problem(&server.client().post(path, &batch_of("all", &[])), 401, "unauthenticated");
    }
}

fn a_batch_is_repeated_whole(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let desk = create(&api, &plain("Desk"))["variants"][0].clone();
    // An answer that is larger than others that are kept.
    let strangers = (0..200).map(|n| delta(&json!({ "id": format!("0195ea1b-3d02-8c11-a411-{n:012}") }), 1));
    let items: Vec<Value> = std::iter::once(delta(&desk, 5)).chain(strangers).collect();
    let body = batch("each", &items);
    let first = post_once(&api, STOCK, "delivery", &body).expect(200);
    assert!(first.body.len() > 16 * 1024);
    for _ in 0..2 {
        let again = post_once(&api, STOCK, "delivery", &body).expect(200);
        assert_eq!((again.header(REPLAYED), &again.body), (Some("true"), &first.body));
    }
    assert_eq!(stock(&api, &desk), [5, 0, 5]);
    let other = batch("each", &items[..2]);
    assert_problem(&post_once(&api, STOCK, "delivery", &other), 422, "idempotency-key-reused");
    // A refusal of what is absent is final, one of what is stale is not.
    let absent = batch("all", &items[..2]);
    let refused = post_once(&api, STOCK, "absent", &absent);
    assert_problem(&refused, 404, "not-found");
    let again = post_once(&api, STOCK, "absent", &absent);
    assert_eq!((again.status, again.header(REPLAYED), &again.body), (404, Some("true"), &refused.body));
    let mut stale = delta(&desk, 1);
    stale["if_match"] = tag(2).into();
    for _ in 0..2 {
        let answer = post_once(&api, STOCK, "stale", &batch("all", &[stale.clone()]));
        assert_problem(&answer, 412, "stale-version");
        assert_eq!(answer.header(REPLAYED), None);
    }
    let prices = batch_of("all", &[json!({ "variant_id": desk["id"], "price": usd(9) })]);
    let first = post_once(&api, PRICES, "prices", &prices).expect(200);
    let again = post_once(&api, PRICES, "prices", &prices).expect(200);
    assert_eq!((again.header(REPLAYED), &again.body), (Some("true"), &first.body));
    // It changes nothing, and is kept too.
    post_once(&api, PRICES, "same-prices", &prices).expect(200);
    assert_eq!(post_once(&api, PRICES, "same-prices", &prices).header(REPLAYED), Some("true"));
}

fn administrators_change_what_is_of_several_sellers(topology: Topology) {
    let server = Server::start(topology);
    let (one, other, admin) = (seller(&server), seller(&server), administrator(&server));
    let products = [&one, &other].map(|api| create(api, &plain("Desk")));
    let items = products.clone().map(|product| json!({ "product_id": product["id"], "status": "archived" }));
    assert_eq!(outcomes(&admin.post(STATUS, &batch_of("all", &items)).expect(200)), vec![done(); 2]);
    let items = products.map(|product| delta(&product["variants"][0], 1));
    assert_eq!(outcomes(&admin.post(STOCK, &batch("all", &items)).expect(200)), vec![done(); 2]);
}

fn a_batch_holds_five_hundred_items(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let variant = |n: usize| json!({ "options": { "Size": n.to_string() }, "price": usd(100) });
    let variants: Vec<Value> = (0..250).map(variant).collect();
    let [one, other] = ["A", "B"].map(|name| create(&api, &json!({ "name": name, "variants": variants })));
    let all: Vec<Value> = [&one, &other]
        .into_iter()
        .flat_map(|product| product["variants"].as_array().expect("variants").clone())
        .collect();
    let items: Vec<Value> = all.iter().map(|variant| delta(variant, 3)).collect();
    assert_eq!(outcomes(&api.post(STOCK, &batch("all", &items)).expect(200)), vec![done(); 500]);
    let items: Vec<Value> = all.iter().map(|variant| json!({ "variant_id": variant["id"], "price": usd(7) })).collect();
    assert_eq!(outcomes(&api.post(PRICES, &batch_of("all", &items)).expect(200)), vec![done(); 500]);
    for product in [&one, &other] {
        let after = api.get(&path(product)).expect(200).json();
        let variants = after["variants"].as_array().expect("variants");
        assert!(variants.iter().all(|variant| variant["stock"]["on_hand"] == 3 && variant["price"] == usd(7)));
        assert_eq!(after["version"], 2);
    }
    assert_eq!(id(&all[0]), id(&one["variants"][0]));
    verified(&server);
}
