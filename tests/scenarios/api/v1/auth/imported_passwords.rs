//! POST /api/v1/auth/login with the bcrypt hashes of the monolith.

use testkit::{Server, Topology, eventually, on_each};

use crate::people::register;
use crate::v1::{assert_failure, log_in};

on_each!(bcrypt_passwords_log_in_and_are_hashed_anew);

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
