//! POST /api/v1/products with an `Idempotency-Key`.

use serde_json::{Value, json};
use testkit::{Client, Response, Server, Topology, on_each};

use crate::people::register;
use crate::v1::{assert_refused, names};

on_each!(
    a_repeated_request_is_answered_as_the_first,
    the_answer_outlives_a_restart,
    another_body_is_refused,
    a_key_belongs_to_its_caller,
    refusals_are_not_kept,
    keys_are_1_to_255_visible_characters,
    a_request_has_one_key,
    a_hundred_simultaneous_posts_create_one_product,
);

const REPLAYED: &str = "idempotent-replayed";

#[track_caller]
fn post(api: &Client, key: &str, body: &Value) -> Response {
    api.post_with("/api/v1/products", ("idempotency-key", key), body)
}

fn a_repeated_request_is_answered_as_the_first(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    let body = json!({ "name": "Lamp", "price": "1.10", "description": "é\n\"" });
    let first = post(&api, "key-1", &body).expect(201);
    assert_eq!(first.header(REPLAYED), None);
    for _ in 0..3 {
        let again = post(&api, "key-1", &body).expect(201);
        assert_eq!(again.header(REPLAYED), Some("true"));
        assert_eq!(again.body, first.body, "byte for byte");
        assert_eq!(again.header("content-type"), first.header("content-type"));
    }
    assert_eq!(names(&api, ""), ["Lamp"]);
    // Another key, and no key, are other requests.
    assert_eq!(post(&api, "key-2", &body).expect(201).header(REPLAYED), None);
    api.post("/api/v1/products", &body).expect(201);
    assert_eq!(names(&api, "").len(), 3);
    // What was answered is told again, whatever became of the product since.
    let product = first.json()["data"]["product"]["id"].as_str().expect("an id").to_owned();
    api.delete(&format!("/api/v1/products/{product}")).expect(200);
    let again = post(&api, "key-1", &body).expect(201);
    assert_eq!(again.body, first.body);
    assert_eq!(names(&api, "").len(), 2);
}

fn the_answer_outlives_a_restart(topology: Topology) {
    let mut server = Server::start(topology);
    let ada = register(&server);
    let body = json!({ "name": "Lamp", "price": 1 });
    let first = post(&ada.api, "key", &body).expect(201);
    server.kill9();
    server.restart();
    let api = server.client().with_token(&ada.token);
    let again = post(&api, "key", &body).expect(201);
    assert_eq!(again.header(REPLAYED), Some("true"));
    assert_eq!(again.body, first.body);
    assert_refused(&post(&api, "key", &json!({ "name": "Other", "price": 1 })), 422);
    assert_eq!(names(&api, ""), ["Lamp"]);
}

fn another_body_is_refused(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    let body = json!({ "name": "Lamp", "price": 1 });
    let first = post(&api, "key", &body).expect(201);
    for other in [json!({ "name": "Lamp", "price": 2 }), json!({ "name": "Lamp", "price": 1, "stock": 1 })] {
        let answer = post(&api, "key", &other);
        assert_refused(&answer, 422);
        assert_eq!(answer.header(REPLAYED), None);
    }
    assert_eq!(post(&api, "key", &body).expect(201).body, first.body);
    assert_eq!(names(&api, ""), ["Lamp"]);
}

fn a_key_belongs_to_its_caller(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob) = (register(&server), register(&server));
    post(&ada.api, "key", &json!({ "name": "of ada", "price": 1 })).expect(201);
    let answer = post(&bob.api, "key", &json!({ "name": "of bob", "price": 1 })).expect(201);
    assert_eq!(answer.header(REPLAYED), None);
    assert_eq!(names(&bob.api, ""), ["of bob"]);
    assert_refused(&post(&server.client(), "key", &json!({ "name": "of ada", "price": 1 })), 401);
}

/// Who mends a refused request may keep its key.
fn refusals_are_not_kept(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    for _ in 0..2 {
        let refused = post(&api, "key", &json!({ "name": "", "price": 1 }));
        assert_refused(&refused, 400);
        assert_eq!(refused.header(REPLAYED), None);
    }
    let answer = post(&api, "key", &json!({ "name": "mended", "price": 1 })).expect(201);
    assert_eq!(answer.header(REPLAYED), None);
    assert_eq!(names(&api, ""), ["mended"]);
}

fn keys_are_1_to_255_visible_characters(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    let longest = "k".repeat(255);
    let visible: String = ('!'..='~').collect();
    for good in ["k", &longest, &visible] {
        let body = json!({ "name": "good", "price": 1 });
        let first = post(&api, good, &body).expect(201);
        assert_eq!(post(&api, good, &body).expect(201).body, first.body);
    }
    for bad in ["", " ", "a b", "a\tb", "é", "\u{a0}", &format!("{longest}k")] {
        assert_refused(&post(&api, bad, &json!({ "name": "bad", "price": 1 })), 400);
    }
    assert_eq!(names(&api, ""), ["good"; 3]);
}

fn a_request_has_one_key(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    let body = json!({ "name": "Lamp", "price": 1 }).to_string();
    let send = |keys: [&str; 2]| {
        let keys = keys.map(|key| ("idempotency-key", key));
        let headers = [("content-type", "application/json"), keys[0], keys[1]];
        api.send("POST", "/api/v1/products", &headers, Some(body.as_bytes()))
    };
    let refused = send(["one", "two"]);
    assert_refused(&refused, 400);
    assert!(refused.json()["message"].as_str().is_some_and(|message| message.contains("Idempotency-Key")));
    let first = send(["one", "one"]).expect(201);
    assert_eq!(send(["one", "one"]).expect(201).body, first.body);
    assert_eq!(names(&api, ""), ["Lamp"]);
}

fn a_hundred_simultaneous_posts_create_one_product(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    let body = json!({ "name": "once", "price": 1 });
    for round in 0..3 {
        let key = format!("race-{round}");
        let answers: Vec<Response> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..100).map(|_| scope.spawn(|| post(&api, &key, &body))).collect();
            racers.into_iter().map(|racer| racer.join().expect("no racer panics")).collect()
        });
        let mut created: Vec<&Response> = Vec::new();
        for answer in &answers {
            match answer.status {
                201 => created.push(answer),
                _ => assert_refused(answer, 409),
            }
        }
        let first = created.first().expect("one of them created the product");
        assert!(created.iter().all(|answer| answer.body == first.body));
        let own = created.iter().filter(|answer| answer.header(REPLAYED).is_none());
        assert_eq!(own.count(), 1, "one answer is the first, the others are replayed");
        assert_eq!(names(&api, "limit=100").len(), round + 1);
        assert_eq!(post(&api, &key, &body).expect(201).body, first.body);
    }
}
