//! Whoever is logged out, deactivated, demoted or erased is refused by every gateway within a second, whatever else is down.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::postgres::Cluster;
use testkit::{Client, Deployment, Server, Topology, eventually};

use super::{PAUSE, clients, pair, start, token, wanted};
use crate::people::{self, Person};
use crate::v1::text;
use crate::v2::{delete, etag, patch};

/// What no gateway may exceed.
const BOUND: Duration = Duration::from_secs(1);
/// How long it is looked at afterwards.
const AFTER: Duration = Duration::from_millis(20);
const ME: &str = "/api/v2/me";
const USERS: &str = "/api/v2/users?limit=1";
const CURRENT: &str = "/api/v2/sessions/current";

/// What ends somebody's rights.
const ENDS: [End; 6] =
    [End::Session, End::AnotherSession, End::AllSessions, End::Deactivated, End::Demoted, End::Erased];

#[derive(Debug, Clone, Copy)]
enum End {
    Session,
    AnotherSession,
    AllSessions,
    Deactivated,
    Demoted,
    Erased,
}

/// One trial: it ends at one gateway, and is asked for at both.
struct Trial<'s> {
    server: &'s Server,
    admin: &'s str,
    /// Which gateway takes the end; the other one hears of it.
    here: Client,
    there: Client,
}

/// A read, and the status with which it is refused.
struct Refused<'c> {
    client: Client,
    path: &'c str,
    status: u16,
}

#[test]
fn every_gateway_refuses_within_a_second() {
    let server = start();
    let admin = token(&server, &people::administrator(&server).email);
    let trials = wanted("PRIMETRADE_TEST_TRIALS", 30);
    let (next, took) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= trials {
                        return;
                    }
                    let [here, there] = both(&server, number);
                    let trial = Trial { server: &server, admin: &admin, here, there };
                    let heard = trial.run(ENDS[number % ENDS.len()]);
                    took.lock().expect("no trial failed").push(heard);
                }
            });
        }
    });
    tell("nothing is down", took.into_inner().expect("no trial failed"));
}

/// Clients of both gateways, each one first in turn.
fn both(server: &Server, number: usize) -> [Client; 2] {
    let mut clients = clients(server);
    clients.rotate_left(number % 2);
    clients.try_into().unwrap_or_else(|_| panic!("two gateways"))
}

fn tell(of: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    let at = |share: usize| took[(took.len() - 1) * share / 100];
    let (median, p99, max) = (at(50), at(99), at(100));
    println!("{of}: {} trials, refused after: median {median:?}, p99 {p99:?}, max {max:?}", took.len());
}

impl Trial<'_> {
    /// How long the other gateway went on letting it pass.
    fn run(&self, end: End) -> Duration {
        let person = people::register(self.server);
        let token = token(self.server, &person.email);
        let (here, there) = (self.here.with_token(&token), self.there.with_token(&token));
        let refused = |path, status| [&here, &there].map(|it| Refused { client: it.clone(), path, status });
        let [at_once, in_time] = match end {
            End::Demoted => refused(USERS, 403),
            _ => refused(ME, 401),
        };
        if let End::Demoted = end {
            self.administer(&person, &json!({ "role": "admin" }));
            eventually("the role is known", || (there.get(USERS).status == 200).then_some(()));
        }
        // Both gateways know the token by now.
        at_once.passes();
        in_time.passes();
        let v1 = self.there.with_token(&person.token);
        v1.get("/api/v1/auth/me").expect(200);
        match end {
            End::Session => drop(here.delete(CURRENT).expect(204)),
            End::AnotherSession => {
                let other = self.here.with_token(&super::token(self.server, &person.email));
                let sessions = here.get("/api/v2/sessions").expect(200).json();
                let sessions = sessions["items"].as_array().expect("items");
                let own = sessions.iter().find(|session| session["current"] == true).expect("its own");
                other.delete(&format!("/api/v2/sessions/{}", text(&own["id"]))).expect(204);
            }
            End::AllSessions => drop(here.delete("/api/v2/sessions").expect(204)),
            End::Deactivated => self.administer(&person, &json!({ "active": false })),
            End::Demoted => self.administer(&person, &json!({ "role": "user" })),
            End::Erased => drop(delete(&here, ME, &etag(&here.get(ME))).expect(204)),
        }
        let acknowledged = Instant::now();
        at_once.is_refused("where it went through");
        let heard = in_time.is_refused_by(acknowledged);
        if matches!(end, End::AllSessions | End::Deactivated | End::Erased) {
            Refused { client: v1, path: "/api/v1/auth/me", status: 401 }.is_refused_by(acknowledged);
        }
        heard
    }

    fn administer(&self, person: &Person, change: &serde_json::Value) {
        let (admin, path) = (self.here.with_token(self.admin), format!("/api/v2/users/{}", person.id));
        patch(&admin, &path, &etag(&admin.get(&path).expect(200)), change).expect(200);
    }
}

impl Refused<'_> {
    #[track_caller]
    fn passes(&self) {
        self.client.get(self.path).expect(200);
    }

    #[track_caller]
    fn is_refused(&self, where_: &str) {
        let answer = self.client.get(self.path);
        assert_eq!(answer.status, self.status, "{where_}: {} {}", self.path, answer.text());
    }

    /// How long after this moment the last request was sent that passed; it stays refused then.
    #[track_caller]
    fn is_refused_by(&self, since: Instant) -> Duration {
        let (mut passed, mut first) = (Duration::ZERO, None);
        loop {
            let sent = since.elapsed();
            let status = self.client.get(self.path).status;
            if status == 200 {
                assert!(sent < BOUND, "{} passed, sent {sent:?} after it had ended", self.path);
                assert!(first.is_none(), "{} passed after it had been refused", self.path);
                passed = sent;
            } else {
                // What cannot be known is refused too.
                assert!(status == self.status || status == 503, "{}: {status}", self.path);
                if *first.get_or_insert(sent) + AFTER < sent {
                    return passed;
                }
            }
            thread::sleep(PAUSE);
        }
    }
}

/// Something that is down, and what is stopped for it.
struct Outage {
    words: &'static str,
    begin: fn(&mut Server),
    end: fn(&mut Server),
}

const OUTAGES: [Outage; 3] = [
    Outage {
        words: "one auth hangs",
        begin: |server| server.member("auth-1").signal("STOP"),
        end: |server| server.member("auth-1").signal("CONT"),
    },
    Outage {
        words: "one auth is killed",
        begin: |server| server.kill9_member("auth-2"),
        end: |server| server.restart_member("auth-2"),
    },
    Outage {
        words: "products is killed",
        begin: |server| pair("products").iter().for_each(|name| server.kill9_member(name)),
        end: |server| pair("products").iter().for_each(|name| server.restart_member(name)),
    },
];

#[test]
fn a_log_out_holds_while_something_is_down() {
    let mut server = Deployment::new(Topology::Split).set("HTTP__REQUEST_TIMEOUT", "3 s").start();
    let trials = wanted("PRIMETRADE_TEST_TRIALS", 30).div_ceil(6);
    let email = people::register(&server).email;
    for Outage { words, begin, end } in OUTAGES {
        // Log-ins may have to wait meanwhile.
        let tokens: Vec<String> = (0..trials).map(|_| token(&server, &email)).collect();
        begin(&mut server);
        let mut took = Vec::new();
        for (number, token) in tokens.iter().enumerate() {
            let [here, there] = both(&server, number).map(|client| client.with_token(token));
            // A first look may have gone to what is down.
            eventually("it is known", || [&here, &there].iter().all(|it| it.get(ME).status == 200).then_some(()));
            let ended = || (here.delete(CURRENT).status == 204).then(Instant::now);
            let acknowledged = eventually("the log-out is acknowledged", ended);
            let refused = |client| Refused { client, path: ME, status: 401 };
            took.push(refused(there).is_refused_by(acknowledged));
            refused(here).is_refused_by(acknowledged);
        }
        tell(words, took);
        end(&mut server);
    }
}

/// Nobody can know then who is still logged in.
#[test]
fn nobody_passes_while_auth_or_its_database_is_gone() {
    let mut postgres = Cluster::start_own();
    let mut server = Deployment::on(Topology::Split, &postgres).set("HTTP__REQUEST_TIMEOUT", "3 s").start();
    let email = people::register(&server).email;
    let signal = |server: &Server, word: &str| pair("auth").iter().for_each(|name| server.member(name).signal(word));
    let catalogue_is_read = |server: &Server| {
        clients(server).iter().for_each(|client| drop(client.get("/api/v2/products").expect(200)));
    };

    let gone = Gone::log_out(&server, &email);
    signal(&server, "STOP");
    gone.assert_nobody_passes(&server);
    catalogue_is_read(&server);
    signal(&server, "CONT");
    gone.assert_over(&server);

    let gone = Gone::log_out(&server, &email);
    pair("auth").iter().for_each(|name| server.kill9_member(name));
    gone.assert_nobody_passes(&server);
    catalogue_is_read(&server);
    pair("auth").iter().for_each(|name| server.restart_member(name));
    gone.assert_over(&server);

    let gone = Gone::log_out(&server, &email);
    postgres.stop();
    gone.assert_nobody_passes(&server);
    postgres.resume();
    gone.assert_over(&server);
}

/// Somebody logged out just before nobody could be asked any more, and somebody who did not.
struct Gone {
    dead: String,
    alive: String,
    acknowledged: Instant,
}

impl Gone {
    fn log_out(server: &Server, email: &str) -> Self {
        let [dead, alive] = [(); 2].map(|()| token(server, email));
        let [here, there] = both(server, 0);
        for client in [&here, &there] {
            [&dead, &alive].iter().for_each(|token| drop(client.with_token(token).get(ME).expect(200)));
        }
        here.with_token(&dead).delete(CURRENT).expect(204);
        Self { dead, alive, acknowledged: Instant::now() }
    }

    /// What is down is down as of now.
    fn assert_nobody_passes(&self, server: &Server) {
        let down = Instant::now();
        thread::scope(|scope| {
            for client in clients(server) {
                for (token, is_dead) in [(&self.dead, true), (&self.alive, false)] {
                    let client = client.with_token(token);
                    scope.spawn(move || self.ask(&client, is_dead, down));
                }
            }
        });
    }

    fn ask(&self, client: &Client, is_dead: bool, down: Instant) {
        let mut late = 0;
        // The first of them may wait for what hangs.
        while late < 20 {
            let (since_end, since_down) = (self.acknowledged.elapsed(), down.elapsed());
            let status = client.get(ME).status;
            let knows_better = status == 401 && is_dead;
            assert!(knows_better || status == 200 || status == 503, "{status}");
            if since_down >= BOUND {
                late += 1;
                assert!(knows_better || status == 503, "{status}, {since_down:?} after nobody could know");
            }
            assert!(!is_dead || since_end < BOUND || status != 200, "passed {since_end:?} after the log-out");
            thread::sleep(PAUSE * 10);
        }
    }

    /// It is there again: for who did not log out.
    fn assert_over(&self, server: &Server) {
        for client in clients(server) {
            eventually("it is asked again", || (client.with_token(&self.alive).get(ME).status == 200).then_some(()));
            client.with_token(&self.dead).get(ME).expect(401);
        }
    }
}
