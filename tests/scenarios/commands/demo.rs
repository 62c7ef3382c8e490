//! primetrade serve --demo

use std::collections::BTreeSet;

use serde_json::json;
use testkit::{Deployment, Server, Topology, eventually, on_both};

use crate::catalogue::all_active;
use crate::people::register;
use crate::v1::{log_in, text};
use crate::v2;

on_both!(
    a_demo_shop_is_full_and_safe_to_start_twice,
    a_real_shop_does_not_become_a_demo,
    without_the_flag_there_are_no_accounts,
    a_demo_is_served_as_one_or_not_at_all,
);

/// The words printed after "log in as … with password …".
fn credentials(server: &Server) -> (String, String) {
    let stdout = eventually("it says so", || Some(server.stdout()).filter(|told| told.contains("/api-docs")));
    let words: Vec<&str> = stdout.split_whitespace().collect();
    let after = |marker: &str| {
        let at = words.iter().position(|word| word.trim_end_matches(':').eq_ignore_ascii_case(marker));
        at.and_then(|at| words.get(at + 1)).map(|word| (*word).to_owned())
    };
    let email = words.iter().find(|word| word.contains('@')).map(|word| (*word).to_owned());
    let password = after("password").expect("a password on stdout");
    (email.expect("an e-mail address on stdout"), password)
}

fn a_demo_shop_is_full_and_safe_to_start_twice(topology: Topology) {
    let mut server = Deployment::new(topology).arg("--demo").start();
    let products = all_active(&server.client());
    assert!((200..1_000).contains(&products.len()), "{} products", products.len());
    let distinct = |field: &str| products.iter().map(|product| text(&product[field])).collect::<BTreeSet<_>>().len();
    assert!(distinct("owner_id") > 1, "several sellers");
    assert!(distinct("category") > 3, "several categories");
    assert_eq!(distinct("id"), products.len());
    let (email, password) = credentials(&server);
    let log_in_works = |server: &Server| {
        let answer = log_in(&server.client(), &email, &password).expect(200).json();
        assert_eq!(answer["data"]["user"]["role"], "admin");
    };
    log_in_works(&server);

    server.restart();
    assert_eq!(all_active(&server.client()), products, "the second start changes nothing");
    assert_eq!(credentials(&server), (email.clone(), password.clone()));
    log_in_works(&server);
}

/// Its administrator's password is public.
fn a_real_shop_does_not_become_a_demo(topology: Topology) {
    let server = Server::start(topology);
    register(&server);
    let outcome = server.run(&["serve", "--demo"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("not the demo shop's"), "{}", outcome.stderr);
    assert_eq!(server.sql("auth", "select count(*) from accounts"), [["1"]]);
}

fn without_the_flag_there_are_no_accounts(topology: Topology) {
    let server = Server::start(topology);
    assert!(all_active(&server.client()).is_empty());
    assert_eq!(server.sql("auth", "select count(*) from accounts"), [["0"]]);
    let tells = || server.stdout().contains("primetrade admin create").then_some(());
    eventually("it says how to become administrator", tells);
}

fn a_demo_is_served_as_one_or_not_at_all(topology: Topology) {
    let deployment = Deployment::new(topology);
    let mut server = deployment.clone().arg("--demo").start();
    let (email, password) = credentials(&server);
    server.terminate();
    let refused = deployment.run(&["serve"]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    for word in [email.as_str(), "change the password", "--allow-demo-accounts"] {
        assert!(refused.stderr.contains(word), "{}", refused.stderr);
    }
    let examined = deployment.run(&["doctor"]);
    assert_eq!(examined.code, Some(1), "{}", examined.stdout);
    assert!(examined.stdout.contains(&format!("everybody knows the password of the administrator {email}")));
    for secret in [&refused.stderr, &examined.stdout] {
        assert!(!secret.contains(&password), "{secret}");
    }

    let mut server = deployment.clone().arg("--allow-demo-accounts").start();
    let opened = v2::open(&server.client(), &email, &password).expect(201).json();
    let api = server.client().with_token(&text(&opened["access_token"]));
    let change = json!({ "current_password": password, "new_password": "incorrect zebra capacitor" });
    api.put("/api/v2/me/password", &change).expect(204);
    server.terminate();
    assert!(!deployment.run(&["doctor"]).stdout.contains("everybody knows"));
    let mut server = deployment.clone().start();
    server.client().get("/health").expect(200);
    server.terminate();
    let server = deployment.arg("--demo").start();
    let told = eventually("it says whose works", || Some(server.stdout()).filter(|told| told.contains("/api-docs")));
    assert!(told.contains("was changed") && told.contains("seller "), "{told}");
    assert!(!told.contains("log in as"), "{told}");
}
