//! Baskets of several variants that cross each other in every order.

use std::sync::atomic::AtomicUsize;

use serde_json::json;
use testkit::{Topology, eventually, on_each};

use super::crowd::{Tireless, each, start, wanted};
use crate::random::Random;
use crate::selling::{RESERVATIONS, basket, create, id, stock, usd, verified};
use crate::v2::{log_in, register};

on_each!(baskets_in_any_order_are_held_whole_or_not_at_all);

/// `PRIMETRADE_TEST_BASKETS` asks for more.
const BASKETS: usize = 1_000;
const THREADS: usize = 24;
const PRODUCTS: usize = 4;
const VARIANTS: usize = 3;
/// Of each variant: too few for all who want one at a time.
const UNITS: i64 = 30;

fn baskets_in_any_order_are_held_whole_or_not_at_all(topology: Topology) {
    let baskets = wanted("PRIMETRADE_TEST_BASKETS", BASKETS);
    let server = start(topology);
    let email = register(&server);
    let api = log_in(&server, &email);
    let sizes = ["S", "M", "L"];
    let variants: Vec<_> = (0..PRODUCTS)
        .flat_map(|number| {
            let variant = |size: &&str| json!({ "options": { "Size": size }, "price": usd(1), "stock": UNITS });
            let variants: Vec<_> = sizes[..VARIANTS].iter().map(variant).collect();
            let shirt = json!({ "name": format!("Shirt {number}"), "status": "active", "variants": variants });
            create(&api, &shirt)["variants"].as_array().expect("variants").clone()
        })
        .collect();
    let ids: Vec<String> = variants.iter().map(id).collect();
    let crowd: Vec<Tireless> = (0..10).map(|_| Tireless::stranger(&server)).collect();
    let (next, refused, sold) = (AtomicUsize::new(0), AtomicUsize::new(0), std::sync::Mutex::new(vec![0; ids.len()]));
    each(baskets, THREADS, &next, |number| {
        let mut random = Random::new(number as u64 + 1);
        let mut order: Vec<usize> = (0..ids.len()).collect();
        (0..order.len()).for_each(|place| order.swap(place, random.below(ids.len())));
        let lines: Vec<(usize, i64)> =
            order[..2 + random.below(4)].iter().map(|variant| (*variant, 1 + random.below(2) as i64)).collect();
        let named: Vec<(&str, i64)> = lines.iter().map(|(variant, quantity)| (&*ids[*variant], *quantity)).collect();
        let mut basket = basket(&named);
        // A third of them is never heard of again.
        let end = number % 3;
        basket["ttl_seconds"] = if end == 0 { 1.into() } else { 600.into() };
        let buyer = &crowd[number % crowd.len()];
        let answer = buyer.post_once(RESERVATIONS, &format!("basket-{number}"), &basket);
        if answer.status == 409 {
            assert_eq!(answer.json()["code"], "insufficient-stock", "{}", answer.text());
            refused.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            return;
        }
        let held = answer.expect(201).json();
        assert_eq!(held["lines"].as_array().map(Vec::len), Some(lines.len()), "whole: {held}");
        let path = format!("{RESERVATIONS}/{}", id(&held));
        match end {
            // Few are sold, so that there is something to want for all.
            1 if number % 60 == 1 => {
                buyer.repeat("POST", &format!("{path}/commit")).expect(200);
                let mut sold = sold.lock().expect("nobody panicked");
                lines.iter().for_each(|(variant, quantity)| sold[*variant] += quantity);
            }
            1 | 2 => drop(buyer.repeat("DELETE", &path).expect(204)),
            _ => {}
        }
    });
    let refused = refused.into_inner();
    assert!(refused > 0 && refused < baskets, "{refused} of {baskets} refused");
    let sold = sold.into_inner().expect("nobody panicked");
    for (variant, sold) in variants.iter().zip(sold) {
        let left = UNITS - sold;
        let what = format!("{left} units of each are given back, none is half-held");
        eventually(&what, || (stock(&api, variant) == [left, 0, left]).then_some(()));
    }
    verified(&server);
    let held = server.sql("products", "select count(*) from reservations where state = 'held'");
    assert_eq!(held, [["0"]]);
    if !topology.is_sqlite() {
        let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
        assert_eq!(server.sql("products", deadlocks), [["0"]]);
    }
}
