//! A PostgreSQL whose processes are stopped: its connections stay, and it says nothing.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use testkit::postgres::Cluster;
use testkit::{Client, Deployment, Topology, eventually};

use super::rights::account_of_rows;
use crate::selling::{PRODUCTS, create, path, plain, seller};
use crate::v1::text;
use crate::v2::walk;

/// How long it hangs, in seconds; `PRIMETRADE_TEST_HANG` asks for more.
const HANG: u64 = 8;
/// Clients, and how often each of them asks: 200 requests a second.
const CLIENTS: usize = 40;
const PACE: Duration = Duration::from_millis(200);
/// How long a read and a write wait for their database, by the settings' defaults.
const READ: Duration = Duration::from_secs(2);
const WRITE: Duration = Duration::from_secs(5);
/// What everything else may take.
const MARGIN: Duration = Duration::from_millis(500);
/// How soon all is as before.
const RECOVERY: Duration = Duration::from_secs(2);

#[test]
fn on_postgres() {
    a_database_that_hangs_is_waited_for_once(Topology::Postgres);
}

#[test]
fn on_split() {
    a_database_that_hangs_is_waited_for_once(Topology::Split);
}

/// It takes no new connections, which a probe needs: it answers all the same, and those that there are may be used.
#[test]
fn a_database_that_answers_by_a_refusal_is_not_silent() {
    let mut postgres = Cluster::start_own();
    let mut owner = Deployment::on(Topology::Postgres, &postgres).start();
    owner.terminate();
    let url = account_of_rows(&owner, "hung_few");
    let server = owner.clone().set("DATABASE__URL", &url).arg("--no-migrate").start();
    let (client, list) = (server.client(), "/api/v2/products");
    client.get(list).expect(200);
    let told = |event: &str| server.log_lines().iter().any(|line| line["event"] == event);
    owner.sql("auth", "alter role hung_few connection limit 0");
    postgres.freeze();
    eventually("it is known to be silent", || {
        client.get(list).expect(503);
        told("db.silent").then_some(())
    });
    postgres.thaw();
    eventually("it is known to answer", || told("db.answers").then_some(()));
    owner.sql("auth", "alter role hung_few connection limit -1");
    eventually("all is as before", || (client.get(list).status == 200).then_some(()));
}

/// One request and its answer.
struct Asked {
    began: Instant,
    took: Duration,
    status: u16,
    retry_after: bool,
    /// The name, and key, of the product that it makes, if it makes one.
    makes: Option<String>,
}

fn a_database_that_hangs_is_waited_for_once(topology: Topology) {
    let hang = std::env::var("PRIMETRADE_TEST_HANG").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(HANG);
    let mut postgres = Cluster::start_own();
    let server = Deployment::on(topology, &postgres).start();
    let api = seller(&server);
    let product = path(&create(&api, &plain("There before")));
    let (asked, over, number) = (Mutex::new(Vec::new()), AtomicBool::new(false), AtomicUsize::new(0));
    let [froze, thawed] = thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let one = ask(&api, &product, number.fetch_add(1, Ordering::Relaxed));
                    let rest = PACE.saturating_sub(one.took);
                    asked.lock().expect("no client panicked").push(one);
                    thread::sleep(rest);
                }
            });
        }
        thread::sleep(Duration::from_secs(1));
        let froze = Instant::now();
        postgres.freeze();
        thread::sleep(Duration::from_secs(hang));
        postgres.thaw();
        let thawed = Instant::now();
        thread::sleep(2 * RECOVERY);
        over.store(true, Ordering::Relaxed);
        [froze, thawed]
    });
    let asked = asked.into_inner().expect("no client panicked");
    let slowest = |asked: &mut dyn Iterator<Item = &Asked>| asked.map(|one| one.took).max().unwrap_or_default();
    let [reads, writes] =
        [false, true].map(|writes| slowest(&mut asked.iter().filter(|one| one.makes.is_some() == writes)));
    assert!(reads <= READ + MARGIN && writes <= WRITE + MARGIN, "reads took {reads:?}, writes {writes:?}");
    // Each process finds out by itself, with its first read that waits in vain.
    let known = froze + READ + MARGIN;
    let meanwhile = || asked.iter().filter(|one| one.began > known && one.began + MARGIN < thawed);
    assert!(meanwhile().count() > 50, "clients go on asking");
    assert!(meanwhile().all(|one| one.status == 503 && one.retry_after), "what needs the database is refused");
    let waited = slowest(&mut meanwhile());
    assert!(waited <= MARGIN, "none waits once it is known: {waited:?}");
    let recovered: Vec<_> = asked.iter().filter(|one| one.began > thawed + RECOVERY).collect();
    let wrong = recovered.iter().filter(|one| one.status >= 300).count();
    assert!(recovered.len() > 50 && wrong == 0, "{wrong} of {} failed after its return", recovered.len());
    println!("{topology:?}: reads took up to {reads:?}, writes {writes:?}; once it was known {waited:?}");
    assert_nothing_lost(&api, &asked);
}

fn ask(api: &Client, product: &str, number: usize) -> Asked {
    let makes = number.is_multiple_of(4).then(|| format!("Made while it hangs {number}"));
    let began = Instant::now();
    let answer = match &makes {
        Some(name) => api.post_with(PRODUCTS, ("idempotency-key", &name.replace(' ', "-")), &plain(name)),
        None => api.get(if number % 4 == 1 { product } else { "/api/v2/me" }),
    };
    let took = began.elapsed();
    assert!([200, 201, 409, 503].contains(&answer.status), "{} {}", answer.status, answer.text());
    Asked { began, took, status: answer.status, retry_after: answer.header("retry-after").is_some(), makes }
}

/// What was acknowledged is there; what was not is made by the same request, once.
fn assert_nothing_lost(api: &Client, asked: &[Asked]) {
    let made = || asked.iter().filter_map(|one| Some((one.makes.as_deref()?, one.status)));
    let names = |api: &Client| -> HashMap<String, usize> {
        let mut names = HashMap::new();
        for product in walk(api, "/api/v2/me/products?", 100) {
            *names.entry(text(&product["name"])).or_default() += 1;
        }
        names
    };
    let there = names(api);
    assert!(made().filter(|(_, status)| *status == 201).all(|(name, _)| there.contains_key(name)), "one is lost");
    for (name, _) in made().filter(|(_, status)| *status != 201) {
        // One that was sent before the hang may still be on its way.
        eventually("its answer is known", || {
            let answer = api.post_with(PRODUCTS, ("idempotency-key", &name.replace(' ', "-")), &plain(name));
            (answer.status == 201).then_some(())
        });
    }
    let there = names(api);
    assert!(made().all(|(name, _)| there.get(name) == Some(&1)), "each is made once");
}
