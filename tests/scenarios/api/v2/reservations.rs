//! /api/v2/reservations and /api/v2/variants/{id}/stock-movements

use serde_json::{Value, json};
use testkit::{Client, Response, Server, Topology, eventually, on_each};

use crate::selling::{
    self, REPLAYED, RESERVATIONS, administrator, basket, create, id, on_sale, path, plain, post_once, seller, stock,
    usd, variant_path, verified,
};
use crate::v1::{NOBODY, text};
use crate::v2::{assert_errors, assert_invalid, assert_problem, delete, patch, walk};

on_each!(
    what_is_held_is_sold_or_given_back,
    a_basket_is_held_whole_or_not_at_all,
    baskets_follow_the_rules,
    a_reservation_is_its_account_s_alone,
    one_s_own_reservations_are_listed,
    a_reservation_ends_once,
    time_is_extended_and_runs_out,
    a_repeated_request_holds_once,
    the_ledger_tells_every_change,
    what_is_held_cannot_be_taken_away,
    a_low_stock_is_told_when_it_comes_and_goes,
    what_differs_is_found_and_named,
);

#[track_caller]
fn hold(buyer: &Client, lines: &[(&str, i64)]) -> Value {
    buyer.post(RESERVATIONS, &basket(lines)).expect(201).json()
}

fn at(reservation: &Value, what: &str) -> String {
    format!("{RESERVATIONS}/{}{what}", id(reservation))
}

fn commit(buyer: &Client, reservation: &Value) -> Response {
    buyer.send("POST", &at(reservation, "/commit"), &[], None)
}

fn what_is_held_is_sold_or_given_back(topology: Topology) {
    let server = Server::start(topology);
    let (api, buyer) = (seller(&server), seller(&server));
    let desk = on_sale(&api, 5);
    let answer = buyer.post(RESERVATIONS, &basket(&[(&id(&desk), 2)])).expect(201);
    let held = answer.json();
    assert_eq!(answer.header("location"), Some(at(&held, "").as_str()));
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    assert_eq!((&held["state"], &held["lines"][0]["quantity"]), (&json!("held"), &json!(2)));
    assert_eq!(buyer.get(&at(&held, "")).expect(200).json(), held);
    assert_eq!(stock(&api, &desk), [5, 2, 3]);
    let sold = commit(&buyer, &held).expect(200).json();
    assert_eq!(sold["state"], "committed");
    assert_eq!(stock(&api, &desk), [3, 0, 3]);
    let given_back = hold(&buyer, &[(&id(&desk), 3)]);
    assert_eq!(stock(&api, &desk), [3, 3, 0]);
    let shown = server.client().get(&variant_path(&desk)).expect(200).json();
    assert_eq!((&shown["in_stock"], &shown["stock"]), (&json!(false), &Value::Null));
    buyer.delete(&at(&given_back, "")).expect(204);
    assert_eq!(stock(&api, &desk), [3, 0, 3]);
    assert_eq!(server.client().get(&variant_path(&desk)).expect(200).json()["in_stock"], true);
    buyer.post(RESERVATIONS, &basket(&[(&id(&desk), 4)])).expect(409);
    verified(&server);
    // Of a cluster, the first process is a gateway.
    if topology != Topology::Split {
        let metrics = server.metrics();
        for (outcome, count) in
            [("held", 2.0), ("committed", 1.0), ("released", 1.0), ("refused", 1.0), ("expired", 0.0)]
        {
            let told = metrics.sum("primetrade_inventory_reservations_total", &[("outcome", outcome)]);
            assert_eq!(told, count, "{outcome}");
        }
        assert_eq!(metrics.sum("primetrade_inventory_oversold_units", &[]), 0.0);
    }
}

fn a_basket_is_held_whole_or_not_at_all(topology: Topology) {
    let server = Server::start(topology);
    let (api, buyer) = (seller(&server), seller(&server));
    let (desk, lamp) = (on_sale(&api, 5), on_sale(&api, 1));
    let answer = buyer.post(RESERVATIONS, &basket(&[(&id(&desk), 1), (&id(&lamp), 1), (&id(&lamp), 1)]));
    assert_problem(&answer, 409, "insufficient-stock");
    assert_errors(&answer, &[("/lines/1", "insufficient-stock")]);
    let told = &answer.json()["errors"][0]["detail"];
    assert_eq!(told, "fewer units are available", "how many there are is the seller's affair");
    assert_eq!([stock(&api, &desk), stock(&api, &lamp)], [[5, 0, 5], [1, 0, 1]]);
    let held = hold(&buyer, &[(&id(&desk), 2), (&id(&lamp), 1), (&id(&desk), 1)]);
    assert_eq!(held["lines"].as_array().map(Vec::len), Some(2), "lines of one variant are one: {held}");
    assert_eq!([stock(&api, &desk), stock(&api, &lamp)], [[5, 3, 2], [1, 1, 0]]);
}

fn baskets_follow_the_rules(topology: Topology) {
    let server = Server::start(topology);
    let (api, other, buyer) = (seller(&server), seller(&server), seller(&server));
    let (desk, foreign) = (id(&on_sale(&api, 5)), id(&on_sale(&other, 5)));
    let line = |quantity: Value| json!({ "lines": [{ "variant_id": desk, "quantity": quantity }], "ttl_seconds": 600 });
    let timed = |seconds: i64| json!({ "lines": [{ "variant_id": desk, "quantity": 1 }], "ttl_seconds": seconds });
    for (body, pointer, code) in [
        (json!({ "lines": [], "ttl_seconds": 600 }), "/lines", "count"),
        (line(json!(0)), "/lines/0/quantity", "range"),
        (line(json!(-1)), "/lines/0/quantity", "range"),
        (line(json!(2_147_483_648_i64)), "/lines/0/quantity", "range"),
        (line(json!("2")), "/lines/0/quantity", "type"),
        (timed(0), "/ttl_seconds", "range"),
        (timed(3_601), "/ttl_seconds", "range"),
        (json!({ "lines": [{ "variant_id": desk, "quantity": 1 }] }), "/ttl_seconds", "required"),
        (basket(&vec![(desk.as_str(), 1); 101]), "/lines", "count"),
        (basket(&[(&desk, 1), (&foreign, 1)]), "/lines/1", "seller"),
    ] {
        assert_invalid(&buyer.post(RESERVATIONS, &body), &[(pointer, code)]);
    }
    let draft = create(&api, &plain("Draft"));
    for absent in [NOBODY, &id(&draft["variants"][0])] {
        let answer = buyer.post(RESERVATIONS, &basket(&[(&desk, 1), (absent, 1)]));
        assert_problem(&answer, 404, "not-found");
        assert_errors(&answer, &[("/lines/1/variant_id", "not-found")]);
    }
    server.client().post(RESERVATIONS, &basket(&[(&desk, 1)])).expect(401);
}

fn a_reservation_is_its_account_s_alone(topology: Topology) {
    let server = Server::start(topology);
    let (api, buyer, stranger) = (seller(&server), seller(&server), seller(&server));
    let desk = on_sale(&api, 5);
    let held = hold(&buyer, &[(&id(&desk), 1)]);
    for nosy in [&api, &stranger] {
        nosy.get(&at(&held, "")).expect(404);
        nosy.delete(&at(&held, "")).expect(404);
        commit(nosy, &held).expect(404);
        nosy.send("POST", &at(&held, "/extend"), &[], None).expect(404);
    }
    assert_eq!(administrator(&server).get(&at(&held, "")).expect(200).json(), held);
    assert_eq!(stock(&api, &desk), [5, 1, 4]);
    // Nor is the ledger of another seller's draft.
    let draft = create(&api, &plain("Draft"));
    let movements = format!("{}/stock-movements", variant_path(&draft["variants"][0]));
    stranger.get(&movements).expect(404);
    stranger.get(&format!("{}/stock-movements", variant_path(&desk))).expect(403);
}

fn one_s_own_reservations_are_listed(topology: Topology) {
    let server = Server::start(topology);
    let (api, buyer, stranger) = (seller(&server), seller(&server), seller(&server));
    let desk = on_sale(&api, 9);
    let mut made: Vec<Value> = (0..5).map(|_| hold(&buyer, &[(&id(&desk), 1)])).collect();
    hold(&stranger, &[(&id(&desk), 1)]);
    commit(&buyer, &made[1]).expect(200);
    buyer.delete(&at(&made[3], "")).expect(204);
    made.reverse();
    let listed =
        |query: &str| -> Vec<String> { walk(&buyer, &format!("{RESERVATIONS}?{query}&"), 2).iter().map(id).collect() };
    let ids = |places: &[usize]| -> Vec<String> { places.iter().map(|place| id(&made[*place])).collect() };
    assert_eq!(listed(""), ids(&[0, 1, 2, 3, 4]));
    assert_eq!(listed("state=held"), ids(&[0, 2, 4]));
    assert_eq!(listed("state=committed"), ids(&[3]));
    assert_eq!(listed("state=released"), ids(&[1]));
    assert_eq!(listed("state=expired").len(), 0);
    assert_eq!(walk(&api, &format!("{RESERVATIONS}?"), 2).len(), 0, "the seller made none");
    for (wrong, pointer) in [("state=lost", "/state"), ("cursor=x", "/cursor"), ("account=1", "/account")] {
        let answer = buyer.get(&format!("{RESERVATIONS}?{wrong}"));
        assert_problem(&answer, 422, "validation-failed");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer);
    }
}

fn a_reservation_ends_once(topology: Topology) {
    let server = Server::start(topology);
    let (api, buyer) = (seller(&server), seller(&server));
    let desk = on_sale(&api, 5);
    let sold = hold(&buyer, &[(&id(&desk), 1)]);
    let first = commit(&buyer, &sold).expect(200);
    assert_eq!(commit(&buyer, &sold).expect(200).body, first.body);
    let refused = buyer.delete(&at(&sold, ""));
    assert_problem(&refused, 409, "conflict");
    assert!(text(&refused.json()["detail"]).contains("committed"), "{}", refused.text());
    let released = hold(&buyer, &[(&id(&desk), 1)]);
    buyer.delete(&at(&released, "")).expect(204);
    buyer.delete(&at(&released, "")).expect(204);
    assert_problem(&commit(&buyer, &released), 409, "conflict");
    assert_problem(&buyer.send("POST", &at(&released, "/extend"), &[], None), 409, "conflict");
    assert_eq!(stock(&api, &desk), [4, 0, 4]);
    verified(&server);
}

fn time_is_extended_and_runs_out(topology: Topology) {
    let server = Server::start(topology);
    let (api, buyer) = (seller(&server), seller(&server));
    let desk = on_sale(&api, 5);
    let short = |quantity: i64| {
        let mut basket = basket(&[(&id(&desk), quantity)]);
        basket["ttl_seconds"] = 1.into();
        buyer.post(RESERVATIONS, &basket).expect(201).json()
    };
    let (over, extended) = (short(2), short(1));
    let longer = buyer.post(&at(&extended, "/extend"), &json!({ "ttl_seconds": 60 })).expect(200).json();
    assert!(text(&longer["expires_at"]) > text(&extended["expires_at"]), "{longer}");
    // It keeps units longer, never shorter.
    let as_long = buyer.post(&at(&extended, "/extend"), &json!({})).expect(200).json();
    assert_eq!(as_long["expires_at"], longer["expires_at"]);
    eventually("the units come back", || (stock(&api, &desk) == [5, 1, 4]).then_some(()));
    assert_eq!(buyer.get(&at(&over, "")).expect(200).json()["state"], "expired");
    assert_problem(&commit(&buyer, &over), 409, "conflict");
    assert_problem(&buyer.delete(&at(&over, "")), 409, "conflict");
    commit(&buyer, &extended).expect(200);
    assert_eq!(stock(&api, &desk), [4, 0, 4]);
    verified(&server);
}

fn a_repeated_request_holds_once(topology: Topology) {
    let server = Server::start(topology);
    let (api, buyer) = (seller(&server), seller(&server));
    let desk = on_sale(&api, 5);
    let first = post_once(&buyer, RESERVATIONS, "cart-1", &basket(&[(&id(&desk), 2)])).expect(201);
    let again = post_once(&buyer, RESERVATIONS, "cart-1", &basket(&[(&id(&desk), 2)])).expect(201);
    assert_eq!((&again.body, again.header(REPLAYED)), (&first.body, Some("true")));
    assert_eq!(stock(&api, &desk), [5, 2, 3]);
    let refused = post_once(&buyer, RESERVATIONS, "cart-2", &basket(&[(&id(&desk), 4)])).expect(409);
    api.post(&format!("{}/stock-adjustments", variant_path(&desk)), &json!({ "delta": 5, "reason": "More" }))
        .expect(201);
    let again = post_once(&buyer, RESERVATIONS, "cart-2", &basket(&[(&id(&desk), 4)])).expect(409);
    assert_eq!((&again.body, again.header(REPLAYED)), (&refused.body, Some("true")), "a refusal is as final");
    assert_eq!(stock(&api, &desk), [10, 2, 8]);
}

fn the_ledger_tells_every_change(topology: Topology) {
    let server = Server::start(topology);
    let (api, buyer) = (seller(&server), seller(&server));
    let desk = on_sale(&api, 5);
    let reason = json!({ "delta": -1, "reason": "Broken in the shop" });
    api.post(&format!("{}/stock-adjustments", variant_path(&desk)), &reason).expect(201);
    let held = hold(&buyer, &[(&id(&desk), 2)]);
    commit(&buyer, &held).expect(200);
    let released = hold(&buyer, &[(&id(&desk), 1)]);
    buyer.delete(&at(&released, "")).expect(204);
    let ledger = format!("{}/stock-movements", variant_path(&desk));
    let all = api.get(&ledger).expect(200).json();
    let told: Vec<Value> = all["items"].as_array().expect("items").clone();
    let short: Vec<(String, i64, i64)> = told
        .iter()
        .map(|m| {
            (
                text(&m["kind"]),
                m["on_hand_delta"].as_i64().expect("units"),
                m["reserved_delta"].as_i64().expect("units"),
            )
        })
        .collect();
    let expected = [
        ("release", 0, -1),
        ("hold", 0, 1),
        ("sale", -2, -2),
        ("hold", 0, 2),
        ("adjustment", -1, 0),
        ("opening", 5, 0),
    ];
    assert_eq!(short, expected.map(|(kind, on_hand, reserved)| (kind.to_owned(), on_hand, reserved)));
    assert_eq!((&told[4]["reason"], &told[3]["reservation_id"]), (&json!("Broken in the shop"), &held["id"]));
    assert!(text(&told[0]["actor"]).starts_with("account:"), "{}", told[0]);
    assert_eq!((&told[0]["on_hand_after"], &told[0]["reserved_after"]), (&json!(2), &json!(0)));
    let mut walked = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api.get(&format!("{ledger}?limit=2{cursor}")).expect(200).json();
        walked.extend(page["items"].as_array().expect("items").clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(walked, told);
}

fn what_is_held_cannot_be_taken_away(topology: Topology) {
    let server = Server::start(topology);
    let (api, buyer) = (seller(&server), seller(&server));
    let mut shirt = selling::shirt();
    shirt["status"] = "active".into();
    let shirt = create(&api, &shirt);
    let large = &shirt["variants"][1];
    let held = hold(&buyer, &[(&id(large), 2)]);
    let fewer = json!({ "on_hand": 1, "reason": "Counted" });
    assert_problem(&api.post(&format!("{}/stock-adjustments", variant_path(large)), &fewer), 409, "conflict");
    assert_problem(&delete(&api, &variant_path(large), "*"), 409, "conflict");
    assert_problem(&delete(&api, &path(&shirt), "*"), 409, "conflict");
    // What the seller edits beside does not touch it.
    patch(&api, &path(&shirt), "*", &json!({ "name": "Blouse" })).expect(200);
    patch(&api, &variant_path(large), "*", &json!({ "price": usd(5) })).expect(200);
    assert_eq!(stock(&api, large), [2, 2, 0]);
    commit(&buyer, &held).expect(200);
    delete(&api, &path(&shirt), "*").expect(204);
    verified(&server);
}

fn a_low_stock_is_told_when_it_comes_and_goes(topology: Topology) {
    let server = Server::start(topology);
    let (api, buyer) = (seller(&server), seller(&server));
    let desk = on_sale(&api, 5);
    let threshold = format!("{}/low-stock-threshold", variant_path(&desk));
    let none = api.get(&threshold).expect(200).json();
    assert_eq!((&none["threshold"], &none["is_low"]), (&Value::Null, &json!(false)));
    let set = api.put(&threshold, &json!({ "threshold": 2 })).expect(200).json();
    assert_eq!((&set["threshold"], &set["available"], &set["is_low"]), (&json!(2), &json!(5), &json!(false)));
    let held = hold(&buyer, &[(&id(&desk), 4)]);
    assert_eq!(api.get(&threshold).expect(200).json()["is_low"], true);
    buyer.delete(&at(&held, "")).expect(204);
    assert_eq!(api.get(&threshold).expect(200).json()["is_low"], false);
    hold(&buyer, &[(&id(&desk), 2)]);
    assert_invalid(&api.put(&threshold, &json!({ "threshold": -1 })), &[("/threshold", "range")]);
    assert_invalid(&api.put(&threshold, &json!({})), &[("/threshold", "required")]);
    assert_eq!(api.put(&threshold, &json!({ "threshold": null })).expect(200).json()["threshold"], Value::Null);
    let told = format!(
        "select type from events where subject = 'variants/{}' and type in ('stock.low', 'stock.recovered') order by position",
        id(&desk)
    );
    // On PostgreSQL events get their positions a moment later.
    eventually("both crossings are told, once", || {
        let kinds: Vec<String> = server.sql("products", &told).into_iter().flatten().collect();
        (kinds == ["stock.low", "stock.recovered"]).then_some(())
    });
}

fn what_differs_is_found_and_named(topology: Topology) {
    let server = Server::start(topology);
    let (api, buyer) = (seller(&server), seller(&server));
    let [desk, lamp, chair] = [5, 6, 7].map(|units| on_sale(&api, units));
    hold(&buyer, &[(&id(&desk), 2), (&id(&lamp), 1)]);
    // A long history of the lamp, which changed nothing.
    let is_lamp = format!(
        "cast(lower({}) as text) like '%{}'",
        hex(topology, "v.id"),
        id(&lamp).split('-').next_back().unwrap_or("")
    );
    server.sql(
        "products",
        &format!(
            "insert into stock_movements (variant_id, version, kind, on_hand, reserved, on_hand_after, reserved_after, actor, \
             time) with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < 210000) \
             select v.id, v.stock_version + n, 'adjustment', 0, 0, v.on_hand, v.reserved, 'system', 0 \
             from variants as v, numbers where {is_lamp}"
        ),
    );
    server.sql("products", &format!("update variants as v set stock_version = stock_version + 210000 where {is_lamp}"));
    verified(&server);

    let found = |tamper: &str| {
        server.sql("products", tamper);
        let verified = server.run(&["stock", "verify"]).expect_code(1);
        assert!(verified.stdout.contains("differences were found at"), "{}", verified.stdout);
        verified.stdout
    };
    let lost = found(&format!(
        "update stock_movements set on_hand = 4 where version = 150000 and exists \
         (select 1 from variants as v where v.id = variant_id and {is_lamp})"
    ));
    assert!(lost.contains(&format!("variant {}: on hand 6, by the ledger 10", id(&lamp))), "{lost}");
    let ended = found("update reservations set state = 'released'");
    assert!(ended.contains(&format!("variant {}: reserved 2, held by reservations 0", id(&desk))), "{ended}");
    let gone = found("delete from variants where on_hand = 7");
    assert!(
        gone.contains(&format!("variant {}: it is gone, and its ledger still has 7 on hand", id(&chair))),
        "{gone}"
    );
    assert_eq!(gone.lines().count(), 5, "each is named, and they are counted: {gone}");
}

/// An id as text, in the words of the database.
fn hex(topology: Topology, column: &str) -> String {
    if topology.is_sqlite() { format!("hex({column})") } else { format!("{column}::text") }
}
