//! Clocks that are set while servers run, and what must not come of it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::clock::FakeClock;
use testkit::{Client, Deployment, Server, Topology, eventually, on_both};

use crate::mails;
use crate::people::{PASSWORD, register, unique};
use crate::selling::{PRODUCTS, REPLAYED, RESERVATIONS, basket, id, on_sale, plain, post_once, seller};
use crate::v1::text;
use crate::v2::{self, walk};

on_both!(a_clock_that_leaps_loses_nothing, what_a_wrong_clock_put_off_is_done_when_it_is_right,);

/// Where the clock is put, one after the other.
const LEAPS: [&str; 4] = ["+25h", "+31d", "-10m", "+0"];
/// How soon log and doctor name it.
const NAMED: Duration = Duration::from_secs(5);
/// How long it stays: what ran wild within six seconds would have done so.
const STAYS: Duration = Duration::from_secs(7);
const WRITERS: usize = 4;
/// Of a process with all roles.
const DATABASES: usize = 3;

/// Two processes on one store, or the one that SQLite allows; the clock of one of them leaps.
struct Leaping {
    steady: Option<Server>,
    leaping: Server,
    clock: FakeClock,
}

impl Leaping {
    fn start(topology: Topology) -> Self {
        let deployment = Deployment::new(topology);
        let steady = (!topology.is_sqlite()).then(|| deployment.clone().start());
        let (leaping, clock) = deployment.with_clock("leaping");
        Self { steady, leaping: leaping.start(), clock }
    }

    fn urls(&self) -> Vec<&str> {
        self.steady.iter().chain([&self.leaping]).map(Server::url).collect()
    }

    /// Has the clock leap, and waits until it is named.
    fn leap(&self, to: &str) {
        let words = if self.steady.is_some() { "clock.differs" } else { "clock.leapt" };
        let times = |log: &str| log.matches(if to == "+0" { "clock.agrees" } else { words }).count();
        let (before, differed) = (times(&self.leaping.stderr()), self.ahead().abs() > 2.0);
        let leapt = Instant::now();
        self.clock.set(to);
        let is_told = || times(&self.leaping.stderr()) > before || (differed && to != "+0");
        eventually("the log names it", || is_told().then_some(()));
        eventually("the metrics tell", || ((self.ahead().abs() > 2.0) == (to != "+0")).then_some(()));
        eventually("doctor names it", || {
            let found = self.doctor();
            (found.contains("clock") == (to != "+0")).then_some(())
        });
        assert!(leapt.elapsed() <= NAMED, "{to} was named after {:?}", leapt.elapsed());
    }

    fn ahead(&self) -> f64 {
        let metrics = Client::plain(self.leaping.admin_url()).get("/metrics").text();
        let ahead = |line: &str| line.strip_prefix(r#"primetrade_clock_ahead_seconds{database="auth"} "#)?.parse().ok();
        metrics.lines().find_map(ahead).expect("a gauge")
    }

    /// What doctor finds wrong, run by who starts it on a machine whose clock is right.
    fn doctor(&self) -> String {
        let at = |flag: &str, url: &str| format!("--{flag}-listen={}", url.trim_start_matches("http://"));
        let [http, admin] = [at("http", self.leaping.url()), at("admin", self.leaping.admin_url())];
        let outcome = match &self.steady {
            Some(steady) => steady.run(&["doctor", &http, &admin]),
            None => self.leaping.run(&["doctor", &http, &admin]),
        };
        outcome.stdout.lines().filter(|line| !line.starts_with("ok")).collect::<Vec<_>>().join("\n")
    }
}

/// What clients know of one who writes.
struct Written {
    key: String,
    answer: Vec<u8>,
    to: usize,
}

fn a_clock_that_leaps_loses_nothing(topology: Topology) {
    let server = Leaping::start(topology);
    let urls: Vec<String> = server.urls().into_iter().map(str::to_owned).collect();
    let ada = register(&server.leaping);
    let api = |url: &str| Client::plain(url).with_token(&ada.token);
    let tokens = v2::open(&server.leaping.client(), &ada.email, PASSWORD).expect(201).json();
    let access = Client::plain(&urls[0]).with_token(&text(&tokens["access_token"]));
    let goods = on_sale(&server.leaping.client().with_token(&text(&tokens["access_token"])), 1_000);
    let hold = access.post(RESERVATIONS, &basket(&[(&id(&goods), 3)])).expect(201).json();
    let (written, over, number) = (Mutex::new(Vec::new()), AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (written, over, number, access) = (&written, &over, &number, text(&tokens["access_token"]));
            let (urls, to) = (&urls, writer % urls.len());
            let api = Client::plain(&urls[to]).with_token(&access);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let key = format!("leap-{}", number.fetch_add(1, Ordering::Relaxed));
                    let answer = post_once(&api, PRODUCTS, &key, &plain(&key));
                    assert_eq!(answer.status, 201, "{}: {}", urls[to], answer.text());
                    written.lock().expect("no writer panicked").push(Written { key, answer: answer.body, to });
                    thread::sleep(Duration::from_millis(20));
                }
            });
        }
        for leap in LEAPS {
            server.leap(leap);
            let is_ready = Client::plain(server.leaping.admin_url()).get("/readyz").status == 200;
            assert_eq!(is_ready, leap == "+0" || topology.is_sqlite(), "{leap}");
            thread::sleep(STAYS);
        }
        over.store(true, Ordering::Relaxed);
    });
    let written = written.into_inner().expect("no writer panicked");
    // Each answer is kept, and each session is good, whoever is asked.
    for url in &urls {
        api(url).get("/api/v1/auth/me").expect(200);
        access_at(url, &tokens).get("/api/v2/me").expect(200);
    }
    for Written { key, answer, to } in &written {
        let other = &urls[(to + 1) % urls.len()];
        let again = post_once(&access_at(other, &tokens), PRODUCTS, key, &plain(key)).expect(201);
        assert_eq!((again.header(REPLAYED), &again.body), (Some("true"), answer), "{key}");
    }
    let mut made: HashMap<String, usize> = HashMap::new();
    for product in walk(&access, "/api/v2/me/products?", 100) {
        *made.entry(text(&product["name"])).or_default() += 1;
    }
    assert!(written.iter().all(|written| made.get(&written.key) == Some(&1)), "each is made once");
    // What is held for ten minutes is held.
    let held = access.get(&format!("{RESERVATIONS}/{}", id(&hold))).expect(200).json();
    assert_eq!(held["state"], "held", "{held}");
    access.post(&format!("{RESERVATIONS}/{}/commit", id(&hold)), &json!({})).expect(200);
    v2::refresh(&Client::plain(&urls[0]), &text(&tokens["refresh_token"])).expect(201);
    println!("{topology:?}: {} creations while the clock leapt", written.len());
}

fn access_at(url: &str, tokens: &Value) -> Client {
    Client::plain(url).with_token(&text(&tokens["access_token"]))
}

/// A job that failed, and a hold that was made, while the clock was a month ahead.
fn what_a_wrong_clock_put_off_is_done_when_it_is_right(topology: Topology) {
    let (deployment, clock) = Deployment::new(topology).with_clock("wrong");
    clock.set("+31d");
    let folder = deployment.folder().join("mails");
    std::fs::write(&folder, "no folder").expect("a file");
    let deployment = deployment.set("JOBS__PAUSE", "20 s");
    let (mut server, mails) = mails::start_as(deployment);
    let api = seller(&server);
    let goods = on_sale(&api, 5);
    let hold =
        api.post(RESERVATIONS, &json!({ "lines": [{ "variant_id": id(&goods), "quantity": 2 }], "ttl_seconds": 3600 }));
    let hold = id(&hold.expect(201).json());
    let email = format!("{}@example.com", unique("late"));
    let body = json!({ "username": unique("late"), "email": email, "password": PASSWORD });
    server.client().post("/api/v2/accounts", &body).expect(201);
    let failed = || server.stderr().contains("job.failed");
    // Beside PostgreSQL, whose clock is right, a process with a wrong one takes no jobs.
    if topology.is_sqlite() {
        eventually("the mail failed", || failed().then_some(()));
    }
    server.kill9();
    clock.set("+0");
    std::fs::remove_file(&folder).expect("a file");
    server.restart();
    mails.tokens(&email, "confirm", 1);
    let expected = if topology.is_sqlite() { "expired" } else { "held" };
    let admin = crate::selling::administrator(&server);
    eventually("the hold is as it should be", || {
        let state = &admin.get(&format!("{RESERVATIONS}/{hold}")).json()["state"];
        (state == expected).then_some(())
    });
}

/// Beside SQLite there is no other clock to ask: somebody has to.
#[test]
fn a_leap_holds_once_it_is_confirmed() {
    let (deployment, clock) = Deployment::new(Topology::Sqlite).with_clock("leapt");
    let mut server = deployment.set("AUTH__V1_TOKEN_LIFETIME", "1 h").start();
    let ada = register(&server);
    // Of each database, which reads its clock by itself.
    let doubts = |server: &Server| server.run(&["doctor"]).stdout.matches("the clock leapt").count();
    clock.set("+25h");
    eventually("it is noted", || (doubts(&server) == DATABASES).then_some(()));
    ada.api.get("/api/v1/auth/me").expect(200);
    server.run(&["clock", "confirm"]).expect_code(0);
    eventually("the token is over", || (ada.api.get("/api/v1/auth/me").status == 401).then_some(()));
    assert_eq!(doubts(&server), 0);
    // One that hears of it after the next leap would take that for confirmed, too.
    let heard = || server.stderr().matches("clock.confirmed").count() == DATABASES;
    eventually("each has heard of it", || heard().then_some(()));
    // A restart forgets nothing.
    clock.set("+31d");
    eventually("it is noted", || (doubts(&server) == DATABASES).then_some(()));
    server.restart();
    thread::sleep(2 * Duration::from_secs(1));
    assert_eq!(doubts(&server), DATABASES, "nobody has confirmed it");
    server.run(&["clock", "confirm"]).expect_code(0);
    assert_eq!(doubts(&server), 0);
}

/// A cluster of which one process after the other leaps: what is asked through the others is answered as ever, and what is asked through a
/// gateway that leaps, too.
#[test]
fn any_process_of_a_cluster_may_leap() {
    let mut server = Server::start(Topology::Split);
    let api = seller(&server);
    let own = |url: &str| api.at(url);
    let names = ["auth-1", "products-1", "gateway-1"];
    let leaping = names.map(|name| {
        let (deployment, clock) = server.with_clock(name);
        let arguments = server.arguments(name).to_vec();
        server.terminate_member(name);
        (deployment.start_as(&[(name, arguments)]), clock)
    });
    let gateways = [&leaping[2].0, &server].map(|server| server.url().to_owned());
    for (number, (process, clock)) in leaping.iter().enumerate() {
        for leap in ["+25h", "-10m"] {
            clock.set(leap);
            let leapt = Instant::now();
            eventually("the log names it", || process.stderr().contains("clock.differs").then_some(()));
            eventually("it takes no requests", || {
                (Client::plain(process.admin_url()).get("/readyz").status == 503).then_some(())
            });
            assert!(leapt.elapsed() <= NAMED, "{leap} was named after {:?}", leapt.elapsed());
            for round in 0..20 {
                let key = format!("{number}{leap}{round}");
                let made = post_once(&own(&gateways[round % 2]), PRODUCTS, &key, &plain(&key)).expect(201);
                let again = post_once(&own(&gateways[(round + 1) % 2]), PRODUCTS, &key, &plain(&key)).expect(201);
                assert_eq!((again.header(REPLAYED), &again.body), (Some("true"), &made.body), "{key}");
            }
        }
        clock.set("+0");
        eventually("it takes requests", || {
            (Client::plain(process.admin_url()).get("/readyz").status == 200).then_some(())
        });
    }
    let made = walk(&own(&gateways[1]), "/api/v2/me/products?", 100).len();
    assert_eq!(made, names.len() * 2 * 20, "each is made once");
}
