//! How often the password of one account may be tried from everywhere, through both versions. A trusted proxy says where from.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use testkit::{Client, Deployment, Response, Server, Topology, on_each};

use crate::people::{PASSWORD, register, unique};
use crate::v1::text;
use crate::v2::assert_invalid;

on_each!(
    an_account_is_tried_a_hundred_times_an_hour,
    the_owner_is_not_locked_out,
    unknown_addresses_are_counted_alike,
    a_present_password_is_tried_as_often,
    nothing_is_counted_where_limits_are_off,
);

const WRONG: &str = "Wrong1password";
const LOG_INS: [&str; 2] = ["/api/v1/auth/login", "/api/v2/sessions"];
/// Where owners are at home, and where nobody was before.
const HOME: &str = "198.51.100.7";
const ELSEWHERE: &str = "203.0.113.99";

fn start(topology: Topology) -> Server {
    Deployment::new(topology).set("LIMITS__ENABLED", "true").set("HTTP__TRUSTED_PROXIES", "127.0.0.1").start()
}

/// Asks as somebody at this address.
fn ask(client: &Client, method: &str, path: &str, address: &str, cookie: &str, body: &Value) -> Response {
    let headers = [("content-type", "application/json"), ("x-forwarded-for", address), ("cookie", cookie)];
    client.send(method, path, &headers, Some(body.to_string().as_bytes()))
}

fn log_in(client: &Client, path: &str, address: &str, email: &str, password: &str) -> Response {
    ask(client, "POST", path, address, "", &json!({ "email": email, "password": password }))
}

/// Tries sixty addresses ten times each, at the same time, through each listener and version. Returns how often what was answered.
fn attack(server: &Server, email: &str) -> HashMap<u16, usize> {
    const ATTACKERS: usize = 12;
    let clients: Vec<Client> = server.urls().into_iter().map(Client::public).collect();
    let next = AtomicUsize::new(0);
    let attacker = || {
        let numbers = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)).filter(|n| *n < 600));
        let status = |n: usize| {
            let address = format!("192.0.2.{}", n % 60 + 1);
            log_in(&clients[n % clients.len()], LOG_INS[n / 7 % 2], &address, email, WRONG).status
        };
        numbers.map(status).collect::<Vec<u16>>()
    };
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let attackers: Vec<_> = (0..ATTACKERS).map(|_| scope.spawn(attacker)).collect();
        attackers.into_iter().flat_map(|attacker| attacker.join().expect("answers")).collect()
    });
    statuses.into_iter().fold(HashMap::new(), |mut counts, status| {
        *counts.entry(status).or_default() += 1;
        counts
    })
}

fn stopped_at_a_hundred() -> HashMap<u16, usize> {
    HashMap::from([(401, 100), (429, 500)])
}

fn an_account_is_tried_a_hundred_times_an_hour(topology: Topology) {
    let mut server = start(topology);
    let ada = register(&server);
    assert_eq!(attack(&server, &ada.email), stopped_at_a_hundred());
    for _ in 0..2 {
        let refused = log_in(&server.client(), LOG_INS[1], ELSEWHERE, &ada.email, PASSWORD).expect(429);
        let seconds: u64 = refused.header("retry-after").and_then(|value| value.parse().ok()).expect("Retry-After");
        assert!((1..=4_000).contains(&seconds), "{seconds}");
        server.restart();
    }
    assert!(!server.sql("auth", "select account_key from log_in_failures").concat().concat().contains(&ada.email));
}

fn the_owner_is_not_locked_out(topology: Topology) {
    let mut server = start(topology);
    for (version, path) in LOG_INS.into_iter().enumerate() {
        let email = register(&server).email;
        let at = |server: &Server, address: &str, cookie: &str| {
            let body = json!({ "email": email, "password": PASSWORD });
            ask(&server.client(), "POST", path, address, cookie, &body)
        };
        let known = at(&server, HOME, "");
        assert!(known.status < 300, "{}", known.text());
        assert_eq!(attack(&server, &email), stopped_at_a_hundred());
        at(&server, ELSEWHERE, "").expect(429);
        // The owner failed too, and the server was started anew.
        for _ in 0..9 {
            log_in(&server.client(), path, HOME, &email, WRONG).expect(401);
        }
        server.restart();
        at(&server, HOME, "").expect(known.status);
        at(&server, "198.51.100.8", "").expect(429);
        if version == 1 {
            let cookie = known.header("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("a cookie");
            at(&server, ELSEWHERE, cookie).expect(201);
        }
        // A month later nobody knows the address.
        server.sql("auth", "update known_networks set last_log_in_at = last_log_in_at - 2592000000000");
        server.restart();
        at(&server, HOME, "").expect(429);
    }
}

fn unknown_addresses_are_counted_alike(topology: Topology) {
    let server = start(topology);
    assert_eq!(attack(&server, &format!("{}@example.com", unique("nobody"))), stopped_at_a_hundred());
}

fn a_present_password_is_tried_as_often(topology: Topology) {
    let server = start(topology);
    let ada = register(&server);
    let opened = log_in(&server.client(), LOG_INS[1], HOME, &ada.email, PASSWORD).expect(201).json();
    let api = server.client().with_token(&text(&opened["access_token"]));
    let change = |address: &str, current: &str| {
        let body = json!({ "current_password": current, "new_password": "incorrect zebra capacitor" });
        ask(&api, "PUT", "/api/v2/me/password", address, "", &body)
    };
    for n in 0..100 {
        let refused = change(&format!("192.0.2.{}", n % 20), WRONG);
        assert_invalid(&refused, &[("/current_password", "wrong")]);
    }
    change(ELSEWHERE, PASSWORD).expect(429);
    log_in(&server.client(), LOG_INS[0], ELSEWHERE, &ada.email, PASSWORD).expect(429);
    change(HOME, PASSWORD).expect(204);
}

fn nothing_is_counted_where_limits_are_off(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    for _ in 0..11 {
        log_in(&server.client(), LOG_INS[0], HOME, &ada.email, WRONG).expect(401);
    }
    for table in ["known_networks", "log_in_failures"] {
        assert!(server.sql("auth", &format!("select 1 from {table}")).is_empty(), "{table}");
    }
}
