//! primetrade admin create

use testkit::{Deployment, Outcome, Server, Topology, on_both};

use crate::people::{PASSWORD, log_in, register};
use crate::v1;

on_both!(
    the_first_administrator_is_made_on_an_empty_store,
    administrators_are_made_while_the_server_runs,
    bad_accounts_are_refused,
);

fn create(deployment: &Deployment, username: &str, email: &str, stdin: &str) -> Outcome {
    let args = ["admin", "create", "--username", username, "--email", email, "--password-stdin"];
    deployment.run_with_input(&args, stdin)
}

fn the_first_administrator_is_made_on_an_empty_store(topology: Topology) {
    let deployment = Deployment::new(topology);
    create(&deployment, "root_1", "root@example.com", &format!("{PASSWORD}\nmore\n")).expect_code(0);
    let server = deployment.start();
    let admin = log_in(&server, "root@example.com");
    let me = admin.api.get("/api/v1/auth/me").expect(200).json();
    assert_eq!(me["data"]["user"]["role"], "admin");
    admin.api.get("/api/v1/users").expect(200);
}

fn administrators_are_made_while_the_server_runs(topology: Topology) {
    let server = Server::start(topology);
    // Without the end of line, and with that of another system.
    for (name, stdin) in [("plain", PASSWORD.to_owned()), ("dos", format!("{PASSWORD}\r\n"))] {
        let email = format!("{name}@example.com");
        let outcome = create(&server, name, &email, &stdin).expect_code(0);
        assert!(!outcome.stdout.contains(PASSWORD) && !outcome.stderr.contains(PASSWORD));
        log_in(&server, &email).api.get("/api/v1/users").expect(200);
    }
}

fn bad_accounts_are_refused(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let stdin = format!("{PASSWORD}\n");
    for (username, email, stdin) in [
        (ada.username.as_str(), "new@example.com", stdin.as_str()),
        ("new_admin", &ada.email.to_uppercase(), &stdin),
        ("a", "new@example.com", &stdin),
        ("new admin", "new@example.com", &stdin),
        ("new_admin", "nowhere", &stdin),
        ("new_admin", "new@example.com", "\n"),
        ("new_admin", "new@example.com", ""),
        ("new_admin", "new@example.com", "Ab1\n"),
    ] {
        let outcome = create(&server, username, email, stdin).expect_code(1);
        assert!(!outcome.stderr.is_empty() && outcome.stdout.is_empty(), "{outcome:?}");
    }
    let taken = create(&server, &ada.username, "new@example.com", &stdin).expect_code(1);
    assert!(taken.stderr.contains("PATCH /api/v2/users/ID"), "the way on: {}", taken.stderr);
    let weak = create(&server, "new_admin", "new@example.com", "Secret-1\n").expect_code(1);
    assert!(weak.stderr.contains("too easy to guess") && !weak.stderr.contains("Secret-1"), "{}", weak.stderr);
    // Refused accounts do not exist, and nobody became administrator.
    v1::log_in(&server.client(), "new@example.com", PASSWORD).expect(401);
    ada.api.get("/api/v1/users").expect(403);
    let missing = server.run(&["admin", "create", "--username", "new_admin"]);
    missing.expect_code(2);
}
