//! Many want few units.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use testkit::{Topology, eventually, on_each};

use super::crowd::{Ends, Hasty, Tireless, each, start, token, wanted};
use crate::selling::{RESERVATIONS, basket, id, on_sale, stock, variant_path, verified};
use crate::v2::{log_in, register};

on_each!(a_crowd_buys_what_there_is_and_no_more, a_crowd_buys_no_more_although_everybody_is_killed_in_turn);

/// Of them a fifth send their request twice, at the same time, and a tenth hang up. `PRIMETRADE_TEST_BUYERS` asks for more.
const BUYERS: usize = 1_000;
const THREADS: usize = 24;
/// Kills in one race.
const KILLS: usize = 5;

fn a_crowd_buys_what_there_is_and_no_more(topology: Topology) {
    race(topology, 0);
}

fn a_crowd_buys_no_more_although_everybody_is_killed_in_turn(topology: Topology) {
    race(topology, KILLS);
}

fn race(topology: Topology, kills: usize) {
    let buyers = wanted("PRIMETRADE_TEST_BUYERS", BUYERS);
    let units = buyers as i64 / 10;
    let mut server = start(topology);
    let email = register(&server);
    let desk = on_sale(&log_in(&server, &email), units);
    let owner = Tireless::new(&server, &token(&server, &email));
    let crowd: Vec<Tireless> = (0..10).map(|_| Tireless::stranger(&server)).collect();
    let hasty = Hasty::new(&server, &id(&desk));
    let (next, sold, over) = (AtomicUsize::new(0), AtomicI64::new(0), AtomicBool::new(false));
    let refused = Mutex::new(Vec::new());
    let buy = |number: usize| {
        let quantity = 1 + number as i64 % 3;
        if number % 10 == 3 {
            return hasty.ask_and_leave(number, quantity);
        }
        let buyer = &crowd[number % crowd.len()];
        let (key, body) = (format!("race-{number}"), basket(&[(&id(&desk), quantity)]));
        let ask = || buyer.post_once(RESERVATIONS, &key, &body);
        let answer = match number % 5 {
            0 => thread::scope(|scope| {
                let other = scope.spawn(ask);
                let (one, other) = (ask(), other.join().expect("the other asked too"));
                assert_eq!((one.status, &one.body), (other.status, &other.body), "one key, one answer");
                one
            }),
            _ => ask(),
        };
        match answer.status {
            201 => {
                let commit = format!("{RESERVATIONS}/{}/commit", id(&answer.json()));
                assert_eq!(buyer.repeat("POST", &commit).expect(200).json()["state"], "committed");
                sold.fetch_add(quantity, Ordering::Relaxed);
            }
            409 => {
                assert_eq!(answer.json()["code"], "insufficient-stock", "{}", answer.text());
                refused.lock().expect("nobody panicked").push(quantity);
            }
            other => panic!("{other}: {}", answer.text()),
        }
    };
    let samples = AtomicUsize::new(0);
    thread::scope(|scope| {
        let looking = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let shown = owner.repeat("GET", &variant_path(&desk)).expect(200).json()["stock"].clone();
                let [on_hand, reserved, available] =
                    ["on_hand", "reserved", "available"].map(|field| shown[field].as_i64().expect("a number"));
                assert!(on_hand == reserved + available && reserved >= 0 && available >= 0, "{shown}");
                samples.fetch_add(1, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(2));
            }
        });
        let buying = scope.spawn(|| {
            let _ends = Ends(&over);
            each(buyers, THREADS, &next, buy);
        });
        // Early, while there is something left to sell.
        let names: Vec<String> = server.names().into_iter().filter(|name| !name.starts_with("notifications")).collect();
        for kill in 0..kills {
            let due = buyers * (kill + 1) / (2 * kills + 2);
            let wait = || next.load(Ordering::Relaxed) >= due || buying.is_finished();
            eventually("the race goes on", || wait().then_some(()));
            let name = &names[(kill * 3) % names.len()];
            server.kill9_member(name);
            server.restart_member(name);
        }
        buying.join().expect("the crowd bought");
        looking.join().expect("the seller looked on");
    });
    assert!(samples.into_inner() > 10, "the stock was looked at all the time");
    // Those who left may still be served.
    thread::sleep(Duration::from_millis(500));
    let (sold, [on_hand, reserved, available]) = (sold.into_inner(), stock(&log_in(&server, &email), &desk));
    assert_eq!(on_hand, units - sold, "what was committed has left");
    let states = server.sql("products", "select count(*) from reservations where state = 'held'");
    let held: usize = states[0][0].parse().expect("a number");
    assert!(held <= buyers / 10 && reserved <= 3 * held as i64, "{held} of those who left hold {reserved}");
    let fewest = refused.lock().expect("nobody panicked").iter().min().copied();
    assert!(fewest.is_some_and(|fewest| fewest > available), "{available} are left, and {fewest:?} were refused");
    verified(&server);
}
