//! Usernames that look alike, wherever one is chosen.

use serde_json::{Value, json};
use testkit::{Client, Response, Server, Topology, eventually, on_each};

use crate::people::PASSWORD;
use crate::v1::assert_failure;
use crate::v2::{assert_taken, log_in, patch};

on_each!(
    a_new_name_differs_in_more_than_case_and_look,
    of_many_at_once_one_gets_the_name,
    accounts_of_before_stay_as_they_are,
);

const TAKEN: &str = "User with this email or username already exists";

fn account(name: &str) -> Value {
    // Addresses are one in any case; these differ where the names do.
    let email: String = name.bytes().map(|byte| format!("{byte:x}")).chain(["@example.com".into()]).collect();
    json!({ "username": name, "email": email, "password": PASSWORD })
}

fn v1(client: &Client, name: &str) -> Response {
    client.post("/api/v1/auth/register", &account(name))
}

fn v2(client: &Client, name: &str) -> Response {
    client.post("/api/v2/accounts", &account(name))
}

fn a_new_name_differs_in_more_than_case_and_look(topology: Topology) {
    let server = Server::start(topology);
    let client = server.client();
    v2(&client, "Paypal_10").expect(201);
    v1(&client, "lilo").expect(201);
    for alike in ["paypal_10", "PAYPAI_10", "paypa1_lO", "PaypaI_io", "LILO", "1i10", "IiLo"] {
        assert_taken(&v2(&client, alike), "/username");
        assert_failure(&v1(&client, alike), 409, TAKEN);
        let admin = ["admin", "create", "--username", alike, "--email", "x@example.com", "--password-stdin"];
        server.run_with_input(&admin, &format!("{PASSWORD}\n")).expect_code(1);
    }
    let other = v2(&client, "other").expect(201).json();
    let me = log_in(&server, other["email"].as_str().expect("an address"));
    assert_taken(&patch(&me, "/api/v2/me", "*", &json!({ "username": "Lil0" })), "/username");
    // One's own name in another case is nobody else's.
    patch(&me, "/api/v2/me", "*", &json!({ "username": "0THER" })).expect(200);
    assert_taken(&v2(&client, "Other"), "/username");
    for different in ["paypal_2", "lil", "_lilo", "5other"] {
        v2(&client, different).expect(201);
    }
    // A name that somebody gave up is free.
    patch(&me, "/api/v2/me", "*", &json!({ "username": "another" })).expect(200);
    v2(&client, "Other").expect(201);
}

fn of_many_at_once_one_gets_the_name(topology: Topology) {
    let server = Server::start(topology);
    let names = ["lilo", "LILO", "1i1o", "Li10", "l1l0", "iIl0", "I1iO", "LlIo"];
    let made: Vec<u16> = std::thread::scope(|scope| {
        let register = |(n, name): (usize, &'static str)| {
            let client = server.client();
            scope.spawn(move || if n % 2 == 0 { v1(&client, name) } else { v2(&client, name) }.status)
        };
        let racers: Vec<_> = names.into_iter().enumerate().map(register).collect();
        racers.into_iter().map(|racer| racer.join().expect("no racer panics")).collect()
    });
    assert_eq!(made.iter().filter(|status| **status == 201).count(), 1, "{made:?}");
    // Those who are too many at once are told to come back.
    assert!(made.iter().all(|status| matches!(status, 201 | 409 | 503)), "{made:?}");
}

/// Those that were alike before there was a rule.
fn accounts_of_before_stay_as_they_are(topology: Topology) {
    let server = Server::start(topology);
    let client = server.client();
    for name in ["single", "twin", "other"] {
        v2(&client, name).expect(201);
    }
    server.sql("auth", "update accounts set username = 'TW1N', username_excepted = true where username = 'other'");
    let address = account("other")["email"].as_str().expect("an address").to_owned();
    let me = eventually("the change from outside is known", || {
        let me = log_in(&server, &address);
        (me.get("/api/v2/me").json()["username"] == "TW1N").then_some(me)
    });
    let moved = patch(&me, "/api/v2/me", "*", &json!({ "email": "moved@example.com" })).expect(200).json();
    assert_eq!(moved["pending_email"], "moved@example.com");
    assert_eq!(me.get("/api/v2/me").json()["username"], "TW1N");
    assert_taken(&patch(&me, "/api/v2/me", "*", &json!({ "username": "tw1n" })), "/username");
    // The other twin goes; this one is there.
    let twin = log_in(&server, account("twin")["email"].as_str().expect("an address"));
    patch(&twin, "/api/v2/me", "*", &json!({ "username": "lonely" })).expect(200);
    assert_taken(&v2(&client, "twin"), "/username");
    assert_failure(&v1(&client, "TWIN"), 409, TAKEN);
}
