//! Guessing of passwords at POST /api/v1/auth/login, with the limits that other tests turn off.

use testkit::{Deployment, Server, Topology, on_each};

use crate::people::{PASSWORD, register};
use crate::v1::{assert_failure, log_in};

on_each!(
    an_account_is_held_back_after_ten_failures,
    a_success_forgets_the_failures_before_it,
    unknown_accounts_are_held_back_alike,
);

const WRONG: &str = "Wrong1password";
const TOO_MANY: &str = "Too many attempts. Please try again later.";

fn with_limits(topology: Topology) -> Server {
    Deployment::new(topology).set("LIMITS__ENABLED", "true").start()
}

fn an_account_is_held_back_after_ten_failures(topology: Topology) {
    let server = with_limits(topology);
    let (ada, bob) = (register(&server), register(&server));
    let client = server.client();
    for _ in 0..10 {
        log_in(&client, &ada.email, WRONG).expect(401);
    }
    for password in [WRONG, PASSWORD] {
        let refused = log_in(&client, &ada.email.to_uppercase(), password);
        assert_failure(&refused, 429, TOO_MANY);
        let seconds: u64 = refused.header("retry-after").and_then(|value| value.parse().ok()).expect("Retry-After");
        assert!((1..=600).contains(&seconds), "{seconds}");
    }
    log_in(&client, &bob.email, PASSWORD).expect(200);
    ada.api.get("/api/v1/auth/me").expect(200);
}

fn a_success_forgets_the_failures_before_it(topology: Topology) {
    let server = with_limits(topology);
    let ada = register(&server);
    for _ in 0..3 {
        for _ in 0..9 {
            log_in(&server.client(), &ada.email, WRONG).expect(401);
        }
        log_in(&server.client(), &ada.email, PASSWORD).expect(200);
    }
}

fn unknown_accounts_are_held_back_alike(topology: Topology) {
    let server = with_limits(topology);
    let attempts = (0..12).map(|_| log_in(&server.client(), "nobody@example.com", WRONG).status);
    assert_eq!(attempts.collect::<Vec<_>>(), [[401; 10].as_slice(), &[429; 2]].concat());
}
