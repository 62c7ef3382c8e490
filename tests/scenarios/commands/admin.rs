//! primetrade admin create, grant, revoke, list and reset-password

use testkit::{Deployment, Outcome, Server, Topology, eventually, on_both};

use crate::people::{PASSWORD, log_in, register};
use crate::{v1, v2};

on_both!(
    the_first_administrator_is_made_on_an_empty_store,
    administrators_are_made_while_the_server_runs,
    bad_accounts_are_refused,
    accounts_become_administrators_and_users_again,
    an_operator_sets_another_password,
);

fn accounts_become_administrators_and_users_again(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let admins = || server.run(&["admin", "list"]).expect_code(0).stdout;
    assert!(admins().contains("there is no administrator yet"), "{}", admins());
    let granted = server.run(&["admin", "grant", &ada.email.to_uppercase()]).expect_code(0);
    assert!(
        granted.stdout.contains(&format!("{} <{}> is an administrator", ada.username, ada.email)),
        "{}",
        granted.stdout
    );
    let again = server.run(&["admin", "grant", &ada.email]).expect_code(0);
    assert!(again.stdout.contains("already"), "{}", again.stdout);
    // At once, while the server runs.
    ada.api.get("/api/v1/users").expect(200);
    assert!(admins().contains(&ada.email) && admins().contains(&ada.id), "{}", admins());
    let last = server.run(&["admin", "revoke", &ada.email]).expect_code(1);
    assert!(last.stderr.contains("last administrator"), "{}", last.stderr);
    create(&server, "other", "other@example.com", &format!("{PASSWORD}\n")).expect_code(0);
    server.run(&["admin", "revoke", &ada.email]).expect_code(0);
    eventually("she is a user again", || (ada.api.get("/api/v1/users").status == 403).then_some(()));
    assert_eq!(admins().lines().count(), 1, "{}", admins());
    for command in ["grant", "revoke"] {
        let nobody = server.run(&["admin", command, "nobody@example.com"]).expect_code(1);
        assert!(nobody.stderr.contains("nobody@example.com"), "{}", nobody.stderr);
    }
}

fn an_operator_sets_another_password(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let reset = |email: &str, stdin: &str| {
        server.run_with_input(&["admin", "reset-password", email, "--password-stdin"], stdin)
    };
    let weak = reset(&ada.email, "password\n").expect_code(1);
    assert!(!weak.stderr.is_empty(), "{}", weak.stderr);
    ada.api.get("/api/v1/auth/me").expect(200);
    // Somebody with her session would like to have her account.
    let there = v2::log_in(&server, &ada.email);
    v2::patch(&there, "/api/v2/me", "*", &serde_json::json!({ "email": "thief@example.com" })).expect(200);
    let new = "another correct horse battery";
    let done = reset(&ada.email, &format!("{new}\n")).expect_code(0);
    assert!(!done.stdout.contains(new) && done.stdout.contains(&ada.email), "{}", done.stdout);
    eventually("her sessions are over", || (ada.api.get("/api/v1/auth/me").status == 401).then_some(()));
    v1::log_in(&server.client(), &ada.email, PASSWORD).expect(401);
    v1::log_in(&server.client(), &ada.email, new).expect(200);
    let tokens = v2::open(&server.client(), &ada.email, new).expect(201).json();
    let me = server.client().with_token(&v1::text(&tokens["access_token"])).get("/api/v2/me").expect(200).json();
    assert_eq!(me["pending_email"], serde_json::Value::Null, "it is not pending any more: {me}");
    reset("nobody@example.com", &format!("{new}\n")).expect_code(1);
}

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
    assert!(taken.stderr.contains("Name another") && !taken.stderr.contains("admin grant"), "{}", taken.stderr);
    let known = create(&server, "new_admin", &ada.email, &stdin).expect_code(1);
    assert!(known.stderr.contains("admin grant"), "the way on: {}", known.stderr);
    let weak = create(&server, "new_admin", "new@example.com", "Secret-1\n").expect_code(1);
    assert!(weak.stderr.contains("too easy to guess") && !weak.stderr.contains("Secret-1"), "{}", weak.stderr);
    // Refused accounts do not exist, and nobody became administrator.
    v1::log_in(&server.client(), "new@example.com", PASSWORD).expect(401);
    ada.api.get("/api/v1/users").expect(403);
    let missing = server.run(&["admin", "create", "--username", "new_admin"]);
    missing.expect_code(2);
}
