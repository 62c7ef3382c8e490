//! POSTs of API v2 with an `Idempotency-Key`.

use serde_json::{Value, json};
use testkit::{Client, Response, Server, Topology, on_each};

use crate::selling::{
    PRODUCTS, REPLAYED, RESERVATIONS, basket, create, id, path, plain, post_once, seller, usd, variant_path,
};
use crate::v1::NOBODY;
use crate::v2::{assert_errors, assert_invalid, assert_problem, delete};

on_each!(
    a_repeated_creation_is_answered_as_the_first,
    a_large_answer_is_told_again_whole,
    variants_and_adjustments_are_repeated_too,
    final_refusals_are_kept,
    other_refusals_are_not_kept,
    another_body_is_refused,
    a_key_is_bound_to_its_caller_and_path,
    keys_are_1_to_255_visible_characters,
    a_request_has_one_key,
    of_many_at_once_one_has_an_effect,
);

#[track_caller]
fn assert_replay(again: &Response, first: &Response) {
    assert_eq!(again.header(REPLAYED), Some("true"));
    assert_eq!(first.header(REPLAYED), None);
    assert_eq!((again.status, &again.body), (first.status, &first.body), "byte for byte");
    for header in ["content-type", "cache-control", "location", "etag"] {
        assert_eq!(again.header(header), first.header(header), "{header}");
    }
}

/// The sum of the units of a variant that the seller sees.
fn on_hand(api: &Client, product: &Value) -> Value {
    api.get(&path(product)).expect(200).json()["variants"][0]["stock"]["on_hand"].clone()
}

fn a_repeated_creation_is_answered_as_the_first(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let body = json!({ "name": "Lamp", "price": usd(1), "description": "é\n\"", "handle": "lamp" });
    let first = post_once(&api, PRODUCTS, "key", &body).expect(201);
    assert!(first.header("location").is_some() && first.header("etag").is_some());
    for _ in 0..3 {
        assert_replay(&post_once(&api, PRODUCTS, "key", &body), &first);
    }
    assert_problem(&post_once(&api, PRODUCTS, "other", &body), 409, "conflict");
    // Whatever became of it since.
    delete(&api, &path(&first.json()), "*").expect(204);
    assert_replay(&post_once(&api, PRODUCTS, "key", &body), &first);
    assert_problem(&api.get(&path(&first.json())), 404, "not-found");
}

/// Beyond what is stored with a key.
fn a_large_answer_is_told_again_whole(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let mut body = plain("Lamp");
    body["description"] = json!("é".repeat(20_000));
    body["stock"] = json!(5);
    let first = post_once(&api, PRODUCTS, "key", &body).expect(201);
    api.send(
        "PATCH",
        &path(&first.json()),
        &[("content-type", "application/json"), ("if-match", "*")],
        Some(br#"{"description":"short"}"#),
    )
    .expect(200);
    assert_replay(&post_once(&api, PRODUCTS, "key", &body), &first);
}

fn variants_and_adjustments_are_repeated_too(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let shirt = json!({ "name": "Shirt", "variants": [{ "options": { "Size": "S" }, "price": usd(1) }] });
    let product = create(&api, &shirt);
    let variants = format!("{}/variants", path(&product));
    let large = json!({ "options": { "Size": "L" }, "price": usd(1) });
    let first = post_once(&api, &variants, "key", &large).expect(201);
    assert_replay(&post_once(&api, &variants, "key", &large), &first);
    let adjustments = format!("{}/stock-adjustments", variant_path(&product["variants"][0]));
    let more = json!({ "delta": 3, "reason": "found" });
    let first = post_once(&api, &adjustments, "key", &more).expect(201);
    for _ in 0..2 {
        assert_replay(&post_once(&api, &adjustments, "key", &more), &first);
    }
    assert_eq!(on_hand(&api, &product), 3);
    let after = api.get(&path(&product)).json();
    assert_eq!(after["variants"].as_array().map(Vec::len), Some(2));
}

fn final_refusals_are_kept(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let mut lamp = plain("Lamp");
    lamp["handle"] = json!("lamp");
    let product = create(&api, &lamp);
    let conflict = post_once(&api, PRODUCTS, "conflict", &lamp);
    assert_problem(&conflict, 409, "conflict");
    delete(&api, &path(&product), "*").expect(204);
    // It would succeed now, and is told what was told.
    let again = post_once(&api, PRODUCTS, "conflict", &lamp);
    assert_replay(&again, &conflict);
    assert_ne!(again.header("x-request-id"), conflict.header("x-request-id"));
    let nowhere = format!("{PRODUCTS}/{NOBODY}/variants");
    let body = json!({ "price": usd(1) });
    let absent = post_once(&api, &nowhere, "absent", &body);
    assert_problem(&absent, 404, "not-found");
    assert_eq!(absent.json()["instance"], nowhere);
    assert_replay(&post_once(&api, &nowhere, "absent", &body), &absent);
    let product = create(&api, &lamp);
    let adjustments = format!("{}/stock-adjustments", variant_path(&product["variants"][0]));
    let less = json!({ "delta": -1, "reason": "lost" });
    let conflict = post_once(&api, &adjustments, "k", &less);
    assert_problem(&conflict, 409, "conflict");
    assert_replay(&post_once(&api, &adjustments, "k", &less), &conflict);
    assert_problem(
        &post_once(&api, &adjustments, "k", &json!({ "delta": 1, "reason": "lost" })),
        422,
        "idempotency-key-reused",
    );
}

/// Who mends a refused request may keep its key.
fn other_refusals_are_not_kept(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob) = (seller(&server), seller(&server));
    for _ in 0..2 {
        let refused = post_once(&ada, PRODUCTS, "key", &plain(""));
        assert_invalid(&refused, &[("/name", "length")]);
        assert_eq!(refused.header(REPLAYED), None);
    }
    let mut body = plain("mended");
    body["status"] = json!("active");
    let product = post_once(&ada, PRODUCTS, "key", &body).expect(201).json();
    let variants = format!("{}/variants", path(&product));
    for _ in 0..2 {
        let refused = post_once(&bob, &variants, "key", &json!({ "price": usd(1) }));
        assert_problem(&refused, 403, "forbidden");
        assert_eq!(refused.header(REPLAYED), None);
    }
    assert_problem(&post_once(&server.client(), PRODUCTS, "key", &body), 401, "unauthenticated");
}

fn another_body_is_refused(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let first = post_once(&api, PRODUCTS, "key", &plain("Lamp")).expect(201);
    let answer = post_once(&api, PRODUCTS, "key", &plain("Torch"));
    assert_problem(&answer, 422, "idempotency-key-reused");
    assert_eq!(answer.header(REPLAYED), None);
    assert_replay(&post_once(&api, PRODUCTS, "key", &plain("Lamp")), &first);
}

fn a_key_is_bound_to_its_caller_and_path(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob) = (seller(&server), seller(&server));
    let body = plain("Lamp");
    let first = post_once(&ada, PRODUCTS, "key", &body).expect(201).json();
    let second = post_once(&bob, PRODUCTS, "key", &body).expect(201);
    assert_eq!(second.header(REPLAYED), None);
    assert_ne!(second.json()["id"], first["id"]);
    let other = create(&ada, &plain("Other"));
    let more = json!({ "delta": 1, "reason": "found" });
    for product in [&first, &other] {
        let at = format!("{}/stock-adjustments", variant_path(&product["variants"][0]));
        let answer = post_once(&ada, &at, "key", &more).expect(201);
        assert_eq!((answer.header(REPLAYED), on_hand(&ada, product)), (None, json!(1)));
    }
}

fn keys_are_1_to_255_visible_characters(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let longest = "k".repeat(255);
    let visible: String = ('!'..='~').collect();
    for good in ["k", &longest, &visible] {
        let first = post_once(&api, PRODUCTS, good, &plain("good")).expect(201);
        assert_replay(&post_once(&api, PRODUCTS, good, &plain("good")), &first);
    }
    for bad in ["", "a b", "a\tb", "é", &format!("{longest}k")] {
        assert_invalid(&post_once(&api, PRODUCTS, bad, &plain("bad")), &[("/Idempotency-Key", "idempotency-key")]);
    }
}

fn a_request_has_one_key(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let desk = create(&api, &json!({ "name": "Desk", "price": usd(1), "stock": 5, "status": "active" }));
    let held = api.post(RESERVATIONS, &basket(&[(&id(&desk["variants"][0]), 1)])).expect(201).json();
    let reservation = format!("{RESERVATIONS}/{}", id(&held));
    for (at, body) in [
        (PRODUCTS.to_owned(), plain("Lamp")),
        (format!("{}/variants", path(&desk)), json!({ "price": usd(1) })),
        (format!("{}/stock-adjustments", variant_path(&desk["variants"][0])), json!({ "delta": 1, "reason": "found" })),
        (RESERVATIONS.to_owned(), basket(&[(&id(&desk["variants"][0]), 1)])),
        (format!("{reservation}/extend"), json!({ "ttl_seconds": 900 })),
        (format!("{reservation}/commit"), json!({})),
    ] {
        let send = |keys: &[&str]| {
            let keys = keys.iter().map(|key| ("idempotency-key", *key));
            let headers: Vec<_> = keys.chain([("content-type", "application/json")]).collect();
            api.send("POST", &at, &headers, Some(body.to_string().as_bytes()))
        };
        let refused = send(&["one", "two"]);
        assert_problem(&refused, 400, "malformed-header");
        assert_errors(&refused, &[("/Idempotency-Key", "several")]);
        assert_problem(&send(&["one", "one", "two"]), 400, "malformed-header");
    }
    assert_eq!(api.get(&reservation).json(), held, "nothing was done");
    let twice = [("content-type", "application/json"), ("idempotency-key", "one"), ("idempotency-key", "one")];
    let lamp = plain("Lamp").to_string();
    let first = api.send("POST", PRODUCTS, &twice, Some(lamp.as_bytes())).expect(201);
    assert_replay(&post_once(&api, PRODUCTS, "one", &plain("Lamp")), &first);
}

fn of_many_at_once_one_has_an_effect(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let product = create(&api, &plain("Lamp"));
    let at = format!("{}/stock-adjustments", variant_path(&product["variants"][0]));
    let more = json!({ "delta": 1, "reason": "found" });
    let answers: Vec<Response> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..50).map(|_| scope.spawn(|| post_once(&api, &at, "race", &more))).collect();
        racers.into_iter().map(|racer| racer.join().expect("no racer panics")).collect()
    });
    let (done, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
    refused.iter().for_each(|answer| assert_problem(answer, 409, "idempotency-in-flight"));
    assert_eq!(done.iter().filter(|answer| answer.header(REPLAYED).is_none()).count(), 1);
    assert!(done.iter().all(|answer| answer.body == done[0].body));
    assert_eq!(on_hand(&api, &product), 1);
}
