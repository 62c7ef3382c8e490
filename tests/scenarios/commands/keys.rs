//! primetrade keys rotate, and the keys that everyone may see.

use std::sync::atomic::{AtomicBool, Ordering};

use testkit::{Deployment, Server, Topology, eventually, on_both};

use crate::people::{log_in, register};
use crate::v1::{keys, text};

on_both!(keys_are_rotated_without_a_failed_request, a_ring_that_nobody_signs_with_is_not_made);

fn kids(server: &Server) -> Vec<String> {
    let set = server.client().get("/.well-known/jwks.json").expect(200);
    assert_eq!(set.header("content-type"), Some("application/jwk-set+json"));
    let set = set.json()["keys"].as_array().expect("a key set").clone();
    for key in &set {
        // The private part is `d`.
        assert_eq!(keys(key), ["alg", "crv", "kid", "kty", "use", "x"]);
        assert_eq!((&key["kty"], &key["crv"], &key["alg"]), (&"OKP".into(), &"Ed25519".into(), &"EdDSA".into()));
    }
    set.iter().map(|key| text(&key["kid"])).collect()
}

fn keys_are_rotated_without_a_failed_request(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let before = kids(&server);
    assert_eq!(before.len(), 1);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                ada.api.get("/api/v1/auth/me").expect(200);
            }
        });
        server.run(&["keys", "rotate"]).expect_code(0);
        let after = eventually("the new key is published", || Some(kids(&server)).filter(|kids| kids.len() == 2));
        assert_eq!(after[0], before[0], "the old one still verifies");
        eventually("tokens are signed with it", || {
            let person = log_in(&server, &ada.email);
            person.api.get("/api/v1/auth/me").expect(200);
            // The head of a token is the same for the same key.
            let head = |token: &str| token.split('.').next().map(str::to_owned);
            (head(&person.token) != head(&ada.token)).then_some(())
        });
        done.store(true, Ordering::Relaxed);
    });
}

fn a_ring_that_nobody_signs_with_is_not_made(topology: Topology) {
    let deployment = Deployment::new(topology);
    let rotated = deployment.run(&["keys", "rotate"]).expect_code(1);
    assert!(rotated.stderr.contains("there is no key ring /"), "{}", rotated.stderr);
    assert!(!deployment.data_folder().exists());
}
