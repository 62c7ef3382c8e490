//! An account of PostgreSQL that lacks rights: refused at the start with the doctor's words, and noticed while a server runs.

use serde_json::Value;
use testkit::{Client, Deployment, Server, Topology, eventually};

/// A role that may log in, and no more.
fn account(server: &Server, name: &str) -> String {
    server.sql("auth", &format!("create role {name} login"));
    server.database_url().replace("postgres@", &format!("{name}@"))
}

/// A role that reads and writes rows, and no more.
pub fn account_of_rows(server: &Server, name: &str) -> String {
    let url = account(server, name);
    server.sql("auth", &format!("grant usage on schema auth, products, users to {name}"));
    let rights = "select, insert, update, delete on all tables";
    server.sql("auth", &format!("grant {rights} in schema auth, products, users to {name}"));
    server.sql("auth", &format!("grant usage on all sequences in schema auth, products, users to {name}"));
    url
}

/// What `doctor` and `serve` say of the account, which have to be the same words.
#[track_caller]
fn refused(deployment: &Deployment, url: &str, words: &str) {
    let account = [("PRIMETRADE_DATABASE__URL", url)];
    let doctor = deployment.run_with(&["doctor"], &account, "").expect_code(1);
    let line = doctor.stdout.lines().find(|line| line.starts_with("failed") && line.contains(words));
    let line = line.unwrap_or_else(|| panic!("{words}: {}", doctor.stdout)).trim_start_matches("failed").trim();
    for command in [&["serve"][..], &["serve", "--no-migrate"]] {
        let serve = deployment.run_with(command, &account, "").expect_code(1);
        assert!(serve.stderr.contains(line), "{command:?}: {}\nis not what the doctor said: {line}", serve.stderr);
    }
}

#[test]
fn an_account_without_rights_does_not_serve() {
    let mut server = Server::start(Topology::Postgres);
    server.terminate();
    let url = account(&server, "stores_nobody");
    refused(&server, &url, "the account may not use the schema auth");
    server.sql("auth", "grant usage on schema auth, products, users to stores_nobody");
    refused(&server, &url, "the account may not read and write auth's tables accounts, ");
    server.sql("auth", "grant select on all tables in schema auth, products, users to stores_nobody");
    refused(&server, &url, "the account may not read and write auth's tables accounts, ");
    server.sql(
        "auth",
        "grant select, insert, update, delete on all tables in schema auth, products, users to stores_nobody",
    );
    server.sql("auth", "revoke update on products.variants from stores_nobody");
    refused(&server, &url, "the account may not read and write products's tables variants");
    server.sql("auth", "grant update on products.variants to stores_nobody");
    server.sql("auth", "grant usage on all sequences in schema auth, products, users to stores_nobody");
    // Nothing is to be made, so nobody has to be allowed to.
    for arguments in [&["--no-migrate"][..], &[]] {
        let limited = server.clone().set("DATABASE__URL", &url);
        is_ready(&arguments.iter().fold(limited, |limited, argument| limited.arg(argument)).start());
    }
}

#[test]
fn an_account_that_may_make_nothing_does_not_serve_an_empty_database() {
    let server = Server::start(Topology::Postgres);
    let empty = Deployment::new(Topology::Postgres);
    let url = empty.database_url().replace("postgres@", "stores_newcomer@");
    account(&server, "stores_newcomer");
    let account = [("PRIMETRADE_DATABASE__URL", url.as_str())];
    let doctor = empty.run_with(&["doctor"], &account, "").expect_code(1).stdout;
    let line = doctor.lines().find(|line| line.starts_with("failed   database auth")).expect("a line");
    assert!(line.contains("stores_newcomer may not make or change the schema"), "{line}");
    let serve = empty.run_with(&["serve"], &account, "").expect_code(1).stderr;
    assert!(serve.contains(line.trim_start_matches("failed").trim()), "{serve}\nis not {line}");
}

fn is_ready(server: &Server) {
    eventually("it is ready", || (probe(server) == 200).then_some(()));
}

fn probe(server: &Server) -> u16 {
    Client::plain(server.admin_url()).get("/readyz").status
}

#[test]
fn a_server_notices_that_its_rights_or_tables_are_gone() {
    let server = Server::start(Topology::Postgres);
    is_ready(&server);
    let url = account_of_rows(&server, "stores_revoked");
    let limited = server.clone().set("DATABASE__URL", &url).arg("--no-migrate").start();
    is_ready(&limited);
    for (gone, back) in [
        ("revoke select on products.events from stores_revoked", "grant select on products.events to stores_revoked"),
        ("revoke usage on schema auth from stores_revoked", "grant usage on schema auth to stores_revoked"),
        ("alter schema products rename to put_aside", "alter schema put_aside rename to products"),
        ("alter table products.variants rename to put_aside", "alter table products.put_aside rename to variants"),
    ] {
        server.sql("public", gone);
        eventually("it is not ready", || (probe(&limited) == 503).then_some(()));
        for _ in 0..20 {
            assert_eq!(probe(&limited), 503, "{gone}");
        }
        server.sql("public", back);
        is_ready(&limited);
    }
    // Each kind of failure has a line when it begins, and none for each round of a loop that fails many times a second.
    let lines = limited.log_lines();
    let of = |event: &str| lines.iter().filter(|line| line["event"] == event).collect::<Vec<&Value>>();
    let unready = of("readiness.failed");
    assert_eq!(unready.len(), 4, "one for each time: {unready:?}");
    let words =
        ["products's tables events", "may not use the schema auth", "products", "products's tables variants are gone"];
    for (line, words) in unready.iter().zip(words) {
        assert!(line["error"].as_str().is_some_and(|error| error.contains(words)), "{line}");
        assert_eq!(line["failures"], 1);
    }
    assert!(of("events.sequencer.failed").len() <= 2 * 4, "{:?}", of("events.sequencer.failed"));
    assert!(lines.len() < 400, "{} lines", lines.len());
}
