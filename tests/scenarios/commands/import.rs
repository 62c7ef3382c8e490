//! primetrade import csv

use serde_json::json;
use testkit::{Deployment, Server, Topology, on_both};

use crate::catalogue::{APPAREL, HOME, all_active, file, import};
use crate::people::{log_in, register};
use crate::v1::{create_named, list, names};

on_both!(
    running_it_twice_changes_nothing,
    a_dry_run_writes_nothing,
    unknown_owners_and_files_are_failures,
    a_store_that_is_not_there_is_not_made,
    refused_rows_are_a_finding_and_the_rest_arrives,
    owners_see_imported_products_through_v1,
    columns_without_a_home_are_reported,
    a_file_does_not_command_the_terminal,
);

fn running_it_twice_changes_nothing(topology: Topology) {
    let mut server = Server::start(topology);
    let ada = register(&server);
    for name in [APPAREL, HOME] {
        import(&server, name, &ada.email).expect_code(0);
    }
    let everything = all_active(&server.client());
    assert_eq!(everything.len(), 40);
    let events = events(&server);
    for name in [HOME, APPAREL] {
        import(&server, name, &ada.email).expect_code(0);
    }
    // The address is compared without regard to case.
    import(&server, HOME, &ada.email.to_uppercase()).expect_code(0);
    // A new process has nothing cached.
    server.restart();
    assert_eq!(all_active(&server.client()), everything);
    assert_eq!(self::events(&server), events, "nothing happened");
}

/// How many events the products have.
fn events(server: &Server) -> u64 {
    // Committed events wait in PostgreSQL's inbox for their position.
    let count = match server.topology() {
        Topology::Sqlite => "select count(*) from events",
        Topology::Postgres | Topology::Split => {
            "select (select count(*) from events) + (select count(*) from events_inbox)"
        }
    };
    server.sql("products", count)[0][0].parse().expect("a number")
}

fn a_dry_run_writes_nothing(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let command = ["import", "csv", &file(HOME), "--owner", &ada.email, "--dry-run"];
    let outcome = server.run(&command).expect_code(0);
    assert!(outcome.stdout.contains("20"), "{}", outcome.stdout);
    assert_eq!(list(&ada.api, "")["pagination"]["total"], 0);
}

fn unknown_owners_and_files_are_failures(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let outcome = import(&server, HOME, "nobody@example.com").expect_code(1);
    assert!(outcome.stderr.contains("nobody@example.com"), "{}", outcome.stderr);
    let outcome = import(&server, "shopify/missing.csv", &ada.email).expect_code(1);
    assert!(outcome.stderr.contains("missing.csv"), "{}", outcome.stderr);
    assert!(all_active(&server.client()).is_empty());
}

fn a_store_that_is_not_there_is_not_made(topology: Topology) {
    let deployment = Deployment::new(topology);
    let outcome = import(&deployment, HOME, "ada@example.com").expect_code(1);
    // A database is always there; then it is the owner who is not.
    let missing = if topology == Topology::Sqlite { "there is no store /" } else { "ada@example.com" };
    assert!(outcome.stderr.contains(missing), "{}", outcome.stderr);
    assert!(!deployment.data_folder().exists());
}

fn refused_rows_are_a_finding_and_the_rest_arrives(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let path = server.folder().join("shop.csv");
    let rows = "Handle,Title,Status,Variant Price,Variant Inventory Qty\n\
                good,Good,active,9.99,1\n\
                dear,Dear,active,a fortune,1\n\
                also-good,\"Also, good\",active,5,2\n";
    std::fs::write(&path, rows).expect("a file");
    let command = ["import", "csv", &path.display().to_string(), "--owner", &ada.email];
    let outcome = server.run(&command).expect_code(1);
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    assert!(said.contains("a fortune") && said.contains('3'), "the value and its row: {said}");
    let mut names = names(&ada.api, "");
    names.sort_unstable();
    assert_eq!(names, ["Also, good", "Good"]);
    // Mended, the whole file arrives.
    std::fs::write(&path, rows.replace("a fortune", "1000")).expect("a file");
    server.run(&command).expect_code(0);
    assert_eq!(list(&ada.api, "")["pagination"]["total"], 3);
}

fn owners_see_imported_products_through_v1(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob) = (register(&server), register(&server));
    create_named(&ada.api, "made through v1");
    import(&server, HOME, &ada.email).expect_code(0);
    assert_eq!(list(&ada.api, "")["pagination"]["total"], 21);
    assert_eq!(list(&bob.api, "")["pagination"]["total"], 0);
    let found = list(&ada.api, "search=clay+plant")["products"][0].clone();
    // Of several variants: the lowest price and the summed stock.
    assert_eq!(found["price"], "9.99");
    assert_eq!(found["stock"], 4);
    assert_eq!(found["category"], "Outdoor");
    let outdoor = list(&ada.api, "category=Outdoor&limit=100")["pagination"]["total"].clone();
    assert!(outdoor.as_u64().is_some_and(|total| total > 1), "{outdoor}");
    // They are read-only, and the rest is not.
    let path = crate::v1::path(&found);
    for body in [json!({ "price": "1.00" }), json!({ "stock": 99 })] {
        let answer = ada.api.put(&path, &body);
        assert!(answer.status < 500, "{}", answer.text());
        let read = ada.api.get(&path).expect(200).json()["data"]["product"].clone();
        assert_eq!((&read["price"], &read["stock"]), (&json!("9.99"), &json!(4)));
    }
    let answer = ada.api.put(&path, &json!({ "name": "Clay Pot" })).expect(200).json();
    assert_eq!(answer["data"]["product"]["stock"], 4);
    // A plain one is changed like any other.
    let lamp = crate::v1::path(&list(&ada.api, "search=copper")["products"][0]);
    let answer = ada.api.put(&lamp, &json!({ "price": 1, "stock": 9 })).expect(200).json();
    assert_eq!(answer["data"]["product"]["price"], "1.00");
    assert_eq!(answer["data"]["product"]["stock"], 9);
    log_in(&server, &ada.email).api.delete(&path).expect(200);
}

fn columns_without_a_home_are_reported(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let outcome = import(&server, HOME, &ada.email).expect_code(0);
    // Results go to stdout, logs to stderr.
    for column in ["Variant Weight Unit", "Variant Fulfillment Service"] {
        assert!(outcome.stdout.contains(column), "{column}: {}", outcome.stdout);
    }
    // One of the products has a tracker, the others keep their quantity and are always in stock.
    assert!(outcome.stdout.contains("did not count: 20"), "{}", outcome.stdout);
}

fn a_file_does_not_command_the_terminal(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let path = server.folder().join("shop.csv");
    let rows = "Handle,Title,Status,Variant Price,Bad \u{1b}]0;x\u{7}column\n\
                \"a\u{1b}[2J\u{9b}31m\u{202e}\nb\",Good,active,a \u{1b}[1mfortune,1\n";
    std::fs::write(&path, rows).expect("a file");
    let outcome = server.run(&["import", "csv", &path.display().to_string(), "--owner", &ada.email]).expect_code(1);
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    for shown in [r"\u001b[2J\u009b31m\u202e", "[1mfortune", r"\u001b]0;x\u0007column"] {
        assert!(said.contains(shown), "{shown}: {said}");
    }
    assert!(said.lines().all(|line| !line.contains(|c: char| c.is_control() || c == '\u{202e}')), "{said:?}");
}
