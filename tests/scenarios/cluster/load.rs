//! Clients that work through both gateways without a pause, and what became of their requests.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::{Client, Response, Server, eventually, is_refused};

use super::{gateways, token};
use crate::people::{self, PASSWORD};
use crate::selling::{PRODUCTS, usd};
use crate::v1::text;
use crate::v2;

/// What a client does when a request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Goes on to its next request.
    Once,
    /// Sends the same again, once, to the other gateway.
    Again,
}

/// A client of all gateways, as one who asks in turn. Where nobody listens it goes on to the next: nothing was sent.
pub struct Balanced {
    gateways: Vec<Client>,
    turn: Cell<usize>,
}

impl Balanced {
    pub fn new(urls: &[String], first: usize) -> Self {
        Self { gateways: urls.iter().map(|url| Client::plain(url)).collect(), turn: Cell::new(first) }
    }

    /// # Errors
    /// What became of a request that was not answered as it should be.
    fn send(&self, token: Option<&str>, ask: &Ask) -> Result<Response, String> {
        let mut headers = Vec::new();
        let bearer = token.map(|token| format!("Bearer {token}"));
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        headers.extend(ask.body.as_ref().map(|_| ("content-type", "application/json")));
        headers.extend(ask.key.as_deref().map(|key| ("idempotency-key", key)));
        let turn = self.turn.replace(self.turn.get() + 1);
        let told = |what: String| format!("{} {}: {what}", ask.method, ask.path);
        let mut refused = String::new();
        for other in 0..self.gateways.len() {
            let gateway = &self.gateways[(turn + other) % self.gateways.len()];
            let body = ask.body.as_deref().map(str::as_bytes);
            match gateway.try_send(ask.method, &ask.path, &headers, body) {
                Ok(answer) if answer.status == ask.expected => return Ok(answer),
                Ok(answer) => return Err(told(format!("{} {}", answer.status, answer.text()))),
                Err(error) if is_refused(&error) => refused = error.to_string(),
                Err(error) => return Err(told(format!("{error:?}"))),
            }
        }
        Err(told(refused))
    }
}

/// One request.
struct Ask {
    method: &'static str,
    path: String,
    body: Option<String>,
    key: Option<String>,
    expected: u16,
}

impl Ask {
    fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), body: None, key: None, expected: 200 }
    }
}

/// Whoever acts in the load.
pub struct Load {
    urls: Vec<String>,
    seller: String,
    seller_v1: String,
    admin: String,
    email: String,
    /// For names that no other run has.
    number: AtomicUsize,
}

/// What became of the requests of one run.
#[derive(Default)]
pub struct Report {
    pub answered: usize,
    /// Of those that are sent once; in words.
    pub failed_once: Vec<String>,
    /// Of those that are sent again: the second time.
    pub failed_again: Vec<String>,
    /// How many were sent again.
    pub repeated: usize,
    /// Names of products whose creation was acknowledged.
    created: Vec<String>,
    /// Names of those that may or may not exist: nobody heard.
    uncertain: Vec<String>,
}

/// A run that is going on.
pub struct Run {
    report: Mutex<Report>,
    over: AtomicBool,
}

/// Ends the run, also when its test has failed.
struct Ends<'r>(&'r Run);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

impl Run {
    pub fn look<T>(&self, look: impl FnOnce(&Report) -> T) -> T {
        look(&self.report.lock().expect("no client panicked"))
    }

    /// Waits until so many more requests were answered.
    pub fn goes_on(&self, more: usize) {
        let wanted = self.look(|report| report.answered) + more;
        eventually("the clients went on", || self.look(|report| report.answered >= wanted).then_some(()));
    }
}

impl Load {
    /// Makes a seller and an administrator.
    pub fn of(server: &Server) -> Self {
        let person = people::register(server);
        let admin = people::administrator(server);
        let (seller, admin) = (token(server, &person.email), token(server, &admin.email));
        let (urls, seller_v1, email) = (gateways(server), person.token, person.email);
        Self { urls, seller, seller_v1, admin, email, number: AtomicUsize::new(0) }
    }

    /// Has one client of each manner work while `meanwhile` happens.
    pub fn during(&self, manners: &[Manner], meanwhile: impl FnOnce(&Run)) -> Report {
        let run = Run { report: Mutex::default(), over: AtomicBool::new(false) };
        std::thread::scope(|scope| {
            let ends = Ends(&run);
            for (number, manner) in manners.iter().enumerate() {
                let run = &run;
                scope.spawn(move || self.work(run, number, *manner));
            }
            meanwhile(&run);
            drop(ends);
        });
        run.report.into_inner().expect("no client panicked")
    }

    fn work(&self, run: &Run, client: usize, manner: Manner) {
        let balanced = Balanced::new(&self.urls, client);
        let mut last = None;
        for round in client.. {
            if run.over.load(Ordering::Relaxed) {
                return;
            }
            let (ask, name) = self.next(round, manner, last.as_deref());
            let token = self.token_for(&ask.path);
            let mut result = balanced.send(token, &ask);
            let repeats = result.is_err() && manner == Manner::Again;
            if repeats {
                result = self.again(&balanced, token, &ask);
            }
            let mut report = run.report.lock().expect("no client panicked");
            report.repeated += usize::from(repeats);
            match result {
                Ok(answer) => {
                    report.answered += 1;
                    if name.is_some() {
                        last = Some(text(&answer.json()["id"]));
                    }
                    report.created.extend(name);
                }
                Err(failure) => {
                    drop(report);
                    std::thread::sleep(Duration::from_millis(10));
                    let mut report = run.report.lock().expect("no client panicked");
                    report.uncertain.extend(name);
                    let failures =
                        if manner == Manner::Once { &mut report.failed_once } else { &mut report.failed_again };
                    failures.push(failure);
                }
            }
        }
    }

    /// A key that is being worked on is told so at once; then its client waits for the one answer.
    fn again(&self, balanced: &Balanced, token: Option<&str>, ask: &Ask) -> Result<Response, String> {
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            let result = balanced.send(token, ask);
            let in_flight = result.as_ref().is_err_and(|failure| failure.contains("idempotency-in-flight"));
            if !in_flight || Instant::now() > until {
                return result;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn token_for(&self, path: &str) -> Option<&str> {
        match path {
            "/api/v2/sessions" => None,
            _ if path.starts_with("/api/v1/") => Some(&self.seller_v1),
            _ if path.starts_with("/api/v2/users") => Some(&self.admin),
            _ => Some(&self.seller),
        }
    }

    /// The next request, and the name of the product that it makes. Who sends creations again sends keys, as one must.
    fn next(&self, round: usize, manner: Manner, last: Option<&str>) -> (Ask, Option<String>) {
        let ask = match round % 40 {
            // Costs as much as all the others.
            7 => {
                let body = json!({ "email": self.email, "password": PASSWORD }).to_string();
                let path = "/api/v2/sessions".into();
                Ask { method: "POST", path, body: Some(body), key: None, expected: 201 }
            }
            turn => match turn % 8 {
                0 | 4 => {
                    let name = format!("load {}", self.number.fetch_add(1, Ordering::Relaxed));
                    let keyed = manner == Manner::Again || round.is_multiple_of(3);
                    let key = keyed.then(|| name.replace(' ', "-"));
                    let body = Some(json!({ "name": name, "price": usd(100), "status": "active" }).to_string());
                    return (Ask { method: "POST", path: PRODUCTS.into(), body, key, expected: 201 }, Some(name));
                }
                1 | 5 => Ask::get(last.map_or(format!("{PRODUCTS}?limit=5"), |id| format!("{PRODUCTS}/{id}"))),
                2 => Ask::get("/api/v2/me"),
                3 => Ask::get("/api/v2/users?limit=5"),
                6 => Ask::get("/api/v1/products?limit=5"),
                _ => Ask::get("/api/v2/me/products?limit=5"),
            },
        };
        (ask, None)
    }
}

impl Load {
    /// What was acknowledged exists once; nothing else does, but what nobody heard of.
    pub fn assert_kept(&self, report: &Report) {
        let api = Client::public(&self.urls[0]).with_token(&self.seller);
        let mut counts: HashMap<String, usize> = HashMap::new();
        for product in v2::walk(&api, "/api/v2/me/products?", 100) {
            *counts.entry(text(&product["name"])).or_default() += 1;
        }
        let of = |name: &String| counts.get(name).copied().unwrap_or(0);
        let lost: Vec<_> = report.created.iter().filter(|name| of(name) == 0).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        let doubled: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
        assert!(doubled.is_empty(), "doubled: {doubled:?}");
        let unheard = report.uncertain.iter().filter(|name| of(name) == 1).count();
        assert_eq!(counts.len(), report.created.len() + unheard, "nothing that nobody asked for");
    }
}
