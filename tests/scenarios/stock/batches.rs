//! Sellers who change the stock of many variants at once, while buyers hold, buy and give back, and everybody is killed in turn.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};
use testkit::{Topology, eventually, on_each};

use super::crowd::{Tireless, each, start, token, wanted};
use crate::random::Random;
use crate::selling::{RESERVATIONS, basket, create, id, stock, usd, verified};
use crate::v2::{log_in, register};

on_each!(batches_beside_holds_lose_and_invent_no_unit);

/// `PRIMETRADE_TEST_BATCHES` asks for more.
const REQUESTS: usize = 600;
const THREADS: usize = 16;
const PRODUCTS: usize = 4;
const VARIANTS: usize = 3;
const UNITS: i64 = 40;
const KILLS: usize = 3;

fn batches_beside_holds_lose_and_invent_no_unit(topology: Topology) {
    let requests = wanted("PRIMETRADE_TEST_BATCHES", REQUESTS);
    let mut server = start(topology);
    let email = register(&server);
    let api = log_in(&server, &email);
    let variants: Vec<Value> = (0..PRODUCTS)
        .flat_map(|number| {
            let variant = |n: usize| json!({ "options": { "Size": n.to_string() }, "price": usd(1), "stock": UNITS });
            let variants: Vec<_> = (0..VARIANTS).map(variant).collect();
            let shirt = json!({ "name": format!("Shirt {number}"), "status": "active", "variants": variants });
            create(&api, &shirt)["variants"].as_array().expect("variants").clone()
        })
        .collect();
    let ids: Vec<String> = variants.iter().map(id).collect();
    let owner = Tireless::new(&server, &token(&server, &email));
    let crowd: Vec<Tireless> = (0..6).map(|_| Tireless::stranger(&server)).collect();
    let (next, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let expected = Mutex::new(vec![UNITS; ids.len()]);
    let count = |changes: &[(usize, i64)]| {
        let mut expected = expected.lock().expect("nobody panicked");
        changes.iter().for_each(|(variant, delta)| expected[*variant] += delta);
    };
    let chosen = |random: &mut Random, most: usize| {
        let mut order: Vec<usize> = (0..ids.len()).collect();
        (0..order.len()).for_each(|place| order.swap(place, random.below(ids.len())));
        order.truncate(1 + random.below(most));
        order
    };
    let adjust = |number: usize, random: &mut Random| {
        let deltas: Vec<(usize, i64)> = chosen(random, ids.len())
            .into_iter()
            .map(|variant| (variant, [-9, -4, -2, 1, 2, 3, 5][random.below(7)]))
            .collect();
        let item = |(variant, delta): &(usize, i64)| json!({ "variant_id": ids[*variant], "delta": delta });
        let items: Vec<Value> = deltas.iter().map(item).collect();
        let mode = if number.is_multiple_of(4) { "all" } else { "each" };
        let body = json!({ "mode": mode, "reason": "counted", "items": items });
        let ask = || owner.post_once("/api/v2/batch/stock", &format!("batch-{number}"), &body);
        let answer = match number % 8 {
            2 => thread::scope(|scope| {
                let other = scope.spawn(ask);
                let (one, other) = (ask(), other.join().expect("the other asked too"));
                assert_eq!((one.status, &one.body), (other.status, &other.body), "one key, one answer");
                one
            }),
            _ => ask(),
        };
        let results = answer.json()["results"].clone();
        let done = |(place, _): &(usize, &(usize, i64))| results[*place]["status"] == 200;
        let done: Vec<(usize, i64)> = deltas.iter().enumerate().filter(done).map(|(_, delta)| *delta).collect();
        match (answer.status, mode) {
            (200, "all") => assert_eq!(done.len(), deltas.len()),
            (200, _) => {}
            (409, "all") => assert!(done.is_empty()),
            other => panic!("{other:?}: {}", answer.text()),
        }
        refused.fetch_add(deltas.len() - done.len(), Ordering::Relaxed);
        count(&done);
    };
    let buy = |number: usize, random: &mut Random| {
        let buyer = &crowd[number % crowd.len()];
        let lines: Vec<(usize, i64)> =
            chosen(random, 3).into_iter().map(|variant| (variant, 1 + random.below(3) as i64)).collect();
        let named: Vec<(&str, i64)> = lines.iter().map(|(variant, quantity)| (&*ids[*variant], *quantity)).collect();
        let answer = buyer.post_once(RESERVATIONS, &format!("hold-{number}"), &basket(&named));
        if answer.status == 409 {
            return;
        }
        let path = format!("{RESERVATIONS}/{}", id(&answer.expect(201).json()));
        if number.is_multiple_of(3) {
            buyer.repeat("POST", &format!("{path}/commit")).expect(200);
            count(&lines.iter().map(|(variant, quantity)| (*variant, -quantity)).collect::<Vec<_>>());
        } else {
            // Given back before a kill, it is gone when it is asked for again.
            let answer = buyer.repeat("DELETE", &path);
            assert!(matches!(answer.status, 204 | 409), "{}", answer.text());
        }
    };
    thread::scope(|scope| {
        let working = scope.spawn(|| {
            each(requests, THREADS, &next, |number| {
                let mut random = Random::new(number as u64 + 1);
                if number % 2 == 0 { adjust(number / 2, &mut random) } else { buy(number, &mut random) }
            });
        });
        let names: Vec<String> = server.names().into_iter().filter(|name| !name.starts_with("notifications")).collect();
        for kill in 0..KILLS {
            let due = requests * (kill + 1) / (KILLS + 1);
            eventually("the race goes on", || {
                (next.load(Ordering::Relaxed) >= due || working.is_finished()).then_some(())
            });
            let name = &names[(kill * 3) % names.len()];
            server.kill9_member(name);
            server.restart_member(name);
        }
        working.join().expect("everybody was served");
    });
    assert!(refused.into_inner() > 0, "some changes are too much");
    let expected = expected.into_inner().expect("nobody panicked");
    let api = log_in(&server, &email);
    for (variant, units) in variants.iter().zip(expected) {
        assert_eq!(stock(&api, variant), [units, 0, units], "{variant}");
    }
    verified(&server);
    if !topology.is_sqlite() {
        let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
        assert_eq!(server.sql("products", deadlocks), [["0"]]);
    }
}
