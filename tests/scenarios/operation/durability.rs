//! `kill -9` while clients write: what was acknowledged exists, once, with its event.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use testkit::{Client, Server, Topology, eventually, on_each};

use crate::people::register;
use crate::v1::{list, text};

on_each!(kill_9_loses_nothing_and_doubles_nothing);

/// Acknowledged writes in all; `PRIMETRADE_TEST_WRITES` asks for more.
const WRITES: usize = 2_000;
const KILLS: usize = 4;
const WRITERS: usize = 8;

/// One request that creates a product.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Write {
    name: String,
    /// Every other writer sends keys, and so may ask again after a kill.
    key: Option<String>,
}

/// What clients know after a kill.
#[derive(Default)]
struct Record {
    acknowledged: HashSet<String>,
    /// Sent, and not answered: it may have been done or not.
    unanswered: Vec<Write>,
}

fn kill_9_loses_nothing_and_doubles_nothing(topology: Topology) {
    let wanted = std::env::var("PRIMETRADE_TEST_WRITES").ok().and_then(|writes| writes.parse().ok());
    let wanted = wanted.unwrap_or(WRITES);
    let mut server = Server::start(topology);
    let ada = register(&server);
    let record = Mutex::new(Record::default());
    let number = AtomicUsize::new(0);
    for kill in 1..=KILLS {
        let api = server.client().with_token(&ada.token);
        ask_again(&api, &record);
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (api, record, number) = (&api, &record, &number);
                scope.spawn(move || write_until_killed(api, record, number, writer % 2 == 0));
            }
            eventually("enough writes are acknowledged", || {
                (acknowledged(&record) >= wanted * kill / KILLS).then_some(())
            });
            server.kill9();
        });
        server.restart();
    }
    let api = server.client().with_token(&ada.token);
    ask_again(&api, &record);
    let record = record.into_inner().expect("no writer panicked");
    assert!(record.acknowledged.len() >= wanted);
    let ids = assert_each_exists_once(&api, &record);
    assert_each_has_one_event(&server, &ids);
}

fn acknowledged(record: &Mutex<Record>) -> usize {
    record.lock().expect("no writer panicked").acknowledged.len()
}

fn write_until_killed(api: &Client, record: &Mutex<Record>, number: &AtomicUsize, with_key: bool) {
    loop {
        let name = format!("product {}", number.fetch_add(1, Ordering::Relaxed));
        let key = with_key.then(|| name.replace(' ', "-"));
        let write = Write { name, key };
        let done = send(api, &write);
        let mut record = record.lock().expect("no writer panicked");
        match done {
            Ok(()) => drop(record.acknowledged.insert(write.name)),
            Err(Gone) => {
                record.unanswered.push(write);
                return;
            }
        }
    }
}

/// The server went away before it answered.
struct Gone;

fn send(api: &Client, write: &Write) -> Result<(), Gone> {
    let body = json!({ "name": write.name, "price": "1.00", "stock": 3 }).to_string();
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(write.key.as_deref().map(|key| ("idempotency-key", key)));
    match api.try_send("POST", "/api/v1/products", &headers, Some(body.as_bytes())) {
        Ok(answer) => {
            assert_eq!(answer.status, 201, "{}", answer.text());
            Ok(())
        }
        Err(_) => Err(Gone),
    }
}

/// Repeats what was sent with a key and not answered, as a client would.
fn ask_again(api: &Client, record: &Mutex<Record>) {
    let mut record = record.lock().expect("no writer panicked");
    let unanswered = record.unanswered.clone();
    for write in unanswered.iter().filter(|write| write.key.is_some()) {
        assert!(send(api, write).is_ok(), "{write:?}");
        record.acknowledged.insert(write.name.clone());
    }
    record.unanswered.retain(|write| write.key.is_none());
}

/// Every acknowledged product is listed once, and no other but the unanswered; returns all ids.
fn assert_each_exists_once(api: &Client, record: &Record) -> HashSet<String> {
    let mut ids = HashSet::new();
    let mut counts: HashMap<String, usize> = HashMap::new();
    for page in 1.. {
        let data = list(api, &format!("limit=1000&page={page}"));
        let products = data["products"].as_array().expect("products").clone();
        if products.is_empty() {
            break;
        }
        for product in &products {
            ids.insert(text(&product["id"]));
            *counts.entry(text(&product["name"])).or_default() += 1;
        }
    }
    let lost: Vec<&String> = record.acknowledged.iter().filter(|name| !counts.contains_key(*name)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let doubled: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    assert!(doubled.is_empty(), "doubled: {doubled:?}");
    let unanswered: HashSet<&String> = record.unanswered.iter().map(|write| &write.name).collect();
    let unknown: Vec<&String> =
        counts.keys().filter(|name| !record.acknowledged.contains(*name) && !unanswered.contains(name)).collect();
    assert!(unknown.is_empty(), "never sent: {unknown:?}");
    ids
}

/// The log tells of each product's creation once, and its positions are dense.
fn assert_each_has_one_event(server: &Server, ids: &HashSet<String>) {
    let created = "select subject from events where type like '%product.created'";
    let every = match server.topology() {
        Topology::Sqlite => created.to_owned(),
        // Committed events wait in the inbox for their position.
        Topology::Postgres | Topology::Split => {
            format!("{created} union all {}", created.replace("events", "events_inbox"))
        }
    };
    let subjects: Vec<String> = server.sql("products", &every).into_iter().flatten().collect();
    let told: HashSet<String> = subjects.iter().map(|subject| subject.replace("products/", "")).collect();
    assert_eq!(subjects.len(), told.len(), "no creation is told twice");
    assert_eq!(&told, ids, "every product, and no other");
    if !server.topology().is_sqlite() {
        // Whoever was killed while it gave out positions is followed by the next.
        eventually("every event has its position", || {
            let waiting = server.sql("products", "select count(*) from events_inbox");
            (waiting == [["0"]]).then_some(())
        });
    }
    let positions = server.sql("products", "select count(*), min(position), max(position) from events");
    let [count, min, max] = &positions[0][..] else {
        panic!("three columns: {positions:?}");
    };
    assert_eq!((min.as_str(), max), ("1", count), "positions are dense");
}
