//! What clients see of one variant while processes are stopped and killed, held to an order in which it can have happened.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::{Topology, eventually, on_each};

use super::crowd::{Ends, Hasty, Tireless, start, token, wanted};
use super::linear::{Operation, Seen, check};
use crate::selling::{RESERVATIONS, basket, id, on_sale, variant_path, verified};
use crate::v2::{log_in, register};

on_each!(what_clients_see_can_have_happened_in_some_order);

const UNITS: i64 = 8;
const CLIENTS: usize = 6;
/// Of the buyers: those who hang up. Nobody knows what they hold, for longer than the history takes.
const HASTY: [usize; 2] = [20, 50];
/// Operations between two disturbances.
const STEP: usize = 40;
/// How long a process is stopped.
const STOPPED: Duration = Duration::from_millis(1_500);

/// Each round stops one process and kills another. `PRIMETRADE_TEST_ROUNDS` asks for more.
fn what_clients_see_can_have_happened_in_some_order(topology: Topology) {
    let rounds = wanted("PRIMETRADE_TEST_ROUNDS", 2);
    let mut server = start(topology);
    let email = register(&server);
    let desk = on_sale(&log_in(&server, &email), UNITS);
    let recorder = Recorder { began: Instant::now(), history: Mutex::default(), over: AtomicBool::new(false) };
    let owner = Tireless::new(&server, &token(&server, &email));
    let crowd: Vec<Tireless> = (0..CLIENTS).map(|_| Tireless::stranger(&server)).collect();
    let (number, hasty) = (AtomicUsize::new(0), Hasty::new(&server, &id(&desk)));
    thread::scope(|scope| {
        for (client, buyer) in crowd.iter().enumerate() {
            let (recorder, owner, hasty, desk, number) = (&recorder, &owner, &hasty, &desk, &number);
            scope.spawn(move || {
                while !recorder.over.load(Ordering::Relaxed) {
                    // One of them looks on.
                    if client == 0 {
                        recorder.look(owner, desk);
                        continue;
                    }
                    let number = number.fetch_add(1, Ordering::Relaxed);
                    if HASTY.contains(&number) {
                        recorder.leave(hasty, number)
                    } else {
                        recorder.buy(buyer, &id(desk), number)
                    }
                }
            });
        }
        let _ends = Ends(&recorder.over);
        let names: Vec<String> = server.names().into_iter().filter(|name| !name.starts_with("notifications")).collect();
        for round in 0..rounds {
            recorder.goes_on(STEP);
            // First of all whoever has the stock.
            let by_turn = |turn: usize| {
                let mut names: Vec<&String> = names.iter().collect();
                names.sort_by_key(|name| !name.starts_with("products"));
                names[turn % names.len()].clone()
            };
            let stopped = by_turn(2 * round);
            server.member(&stopped).signal("STOP");
            thread::sleep(STOPPED);
            server.member(&stopped).signal("CONT");
            recorder.goes_on(STEP);
            let killed = by_turn(2 * round + 1);
            server.kill9_member(&killed);
            server.restart_member(&killed);
        }
        recorder.goes_on(STEP);
    });
    let history = recorder.history.into_inner().expect("no client panicked");
    let held = history.iter().filter(|operation| matches!(operation.seen, Seen::Held(_))).count();
    let refused = history.iter().filter(|operation| matches!(operation.seen, Seen::Refused(_))).count();
    assert!(held > 10 && refused > 10, "{held} held, {refused} refused: nobody competed");
    if let Err(why) = check(UNITS, &history) {
        let lines: Vec<String> = history.iter().map(|operation| format!("{operation:?}")).collect();
        panic!("{why}:\n{}", lines.join("\n"));
    }
    verified(&server);
}

struct Recorder {
    began: Instant,
    history: Mutex<Vec<Operation>>,
    over: AtomicBool,
}

impl Recorder {
    fn record(&self, ask: impl FnOnce() -> Seen) -> Seen {
        let began = self.began.elapsed();
        let seen = ask();
        let ended = Some(self.began.elapsed());
        self.history.lock().expect("no client panicked").push(Operation { began, ended, seen });
        seen
    }

    /// Somebody asks for one unit, and hangs up.
    fn leave(&self, hasty: &Hasty, number: usize) {
        let left = Operation { began: self.began.elapsed(), ended: None, seen: Seen::Unknown(1) };
        hasty.ask_and_leave(number, 1);
        self.history.lock().expect("no client panicked").push(left);
    }

    fn goes_on(&self, more: usize) {
        let count = || self.history.lock().expect("no client panicked").len();
        let wanted = count() + more;
        eventually("the clients went on", || (count() >= wanted).then_some(()));
    }

    /// The seller looks at the stock.
    fn look(&self, owner: &Tireless, variant: &Value) {
        self.record(|| {
            let shown = owner.repeat("GET", &variant_path(variant)).expect(200).json();
            Seen::Available(shown["stock"]["available"].as_i64().expect("a number"))
        });
        thread::sleep(Duration::from_millis(5));
    }

    /// Somebody holds a few units and gives them back.
    fn buy(&self, buyer: &Tireless, variant: &str, number: usize) {
        let quantity = 1 + number as i64 % 3;
        let mut held = None;
        self.record(|| {
            let answer = buyer.post_once(RESERVATIONS, &format!("buyer-{number}"), &basket(&[(variant, quantity)]));
            match answer.status {
                201 => {
                    held = Some(id(&answer.json()));
                    Seen::Held(quantity)
                }
                409 => Seen::Refused(quantity),
                other => panic!("{other}: {}", answer.text()),
            }
        });
        let Some(held) = held else { return };
        thread::sleep(Duration::from_millis(number as u64 % 7));
        self.record(|| {
            buyer.repeat("DELETE", &format!("{RESERVATIONS}/{held}")).expect(204);
            Seen::Released(quantity)
        });
    }
}
