//! POST /api/v1/auth/login with the bcrypt hashes of the monolith.

use std::time::Instant;

use testkit::{Server, Topology, eventually, on_each};

use crate::people::{PASSWORD, register};
use crate::v1::{assert_failure, log_in};

on_each!(bcrypt_passwords_log_in_and_are_hashed_anew, a_refusal_takes_as_long_whoever_is_asked_for);

const WORD: &str = "Passw0rd";
/// Of [`WORD`], cost 10, as the monolith's library and others wrote them.
const HASHES: [&str; 2] = [
    "$2b$10$abcdefghijklmnopqrstuu.NRRqldjpcd1UE8GZ/6AVMZn.grxFP.",
    "$2a$10$N9qo8uLOickgx2ZMRZoMyegFTC9G7mGJawJcm8d.ycpwxFg1l.Tlu",
];

fn bcrypt_passwords_log_in_and_are_hashed_anew(topology: Topology) {
    let mut server = Server::start(topology);
    for hash in HASHES {
        let ada = register(&server);
        let account = format!("from accounts where username = '{}'", ada.username);
        let stored = || server.sql("auth", &format!("select password_hash {account}"))[0][0].clone();
        assert!(stored().starts_with("$argon2id$"), "{}", stored());
        let update = format!("update accounts set password_hash = '{hash}' where username = '{}'", ada.username);
        server.sql("auth", &update);
        // The change came from outside: the server may take a moment to notice.
        eventually("the new password is known", || {
            (log_in(&server.client(), &ada.email, WORD).status == 200).then_some(())
        });
        let renewed = stored();
        assert!(renewed.starts_with("$argon2id$"), "{renewed}");
        let answer = log_in(&server.client(), &ada.email, "Passw0rd ");
        assert_failure(&answer, 401, "Invalid email or password");
        log_in(&server.client(), &ada.email, WORD).expect(200);
        assert_eq!(stored(), renewed, "an Argon2id hash is kept");
        server.restart();
        log_in(&server.client(), &ada.email, WORD).expect(200);
    }
}

/// Of rounds one after the other, since refusals take longer while the processor is busy. They would differ threefold if nothing were
/// done about it.
fn a_refusal_takes_as_long_whoever_is_asked_for(topology: Topology) {
    const ROUNDS: usize = 15;
    let server = Server::start(topology);
    let (moved_in, ours) = (register(&server), register(&server));
    let update =
        format!("update accounts set password_hash = '{}' where username = '{}'", HASHES[0], moved_in.username);
    server.sql("auth", &update);
    let client = server.client();
    let took = |email: &str, password: &str, status: u16| {
        let started = Instant::now();
        log_in(&client, email, password).expect(status);
        started.elapsed().as_secs_f64()
    };
    // The second is compared in two forms.
    for wrong in ["Wrong1password", "Wrong1 passwo\u{301}rd"] {
        let asked_for = [&*moved_in.email, &*ours.email, "nobody@example.com"];
        // The server may have to notice the change.
        asked_for.iter().for_each(|email| _ = took(email, wrong, 401));
        let (mut ratios, mut successes) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let times = asked_for.map(|email| took(email, wrong, 401));
            let (slowest, fastest) =
                (times.into_iter().fold(0.0, f64::max), times.into_iter().fold(f64::MAX, f64::min));
            ratios.push(slowest / fastest);
            successes.push(took(&ours.email, PASSWORD, 200) / fastest);
        }
        assert!(median(&mut ratios) < 1.3, "{ratios:?}");
        assert!(median(&mut successes) < 1.0, "who knows the password does not wait: {successes:?}");
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
