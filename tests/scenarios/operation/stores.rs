//! A store of which a part is gone, or of another store, is refused by whoever opens it, and never taken for a new shop.

use std::path::{Path, PathBuf};

use serde_json::json;
use testkit::{Client, Deployment, Server, Topology, eventually, on_both};

use crate::people::{Person, log_in, register};
use crate::selling::{PRODUCTS, create, plain, seller, usd};
use crate::v1::text;
use crate::v2;

on_both!(
    a_lost_database_is_refused_and_not_made_anew,
    a_service_is_not_pointed_at_an_empty_database,
    servers_that_start_at_once_agree_on_one_store,
    a_store_of_the_release_before_is_known_by_its_id,
);

const SERVICES: [&str; 3] = ["auth", "products", "users"];
/// Those whose databases nothing can make anew.
const ORIGINALS: [&str; 2] = ["auth", "products"];

fn file(deployment: &Deployment, service: &str) -> PathBuf {
    deployment.data_folder().join(format!("{service}.db"))
}

/// A stopped shop with an account and a product.
fn shop(deployment: &Deployment) -> Person {
    let mut server = deployment.clone().start();
    let ada = register(&server);
    create(&seller(&server), &plain("Lamp"));
    assert!(server.terminate().success());
    ada
}

/// Whoever opens the store refuses it with the same words, which say where and what to do.
#[track_caller]
fn refused(deployment: &Deployment, words: &[&str]) {
    for command in [&["serve"][..], &["stock", "verify"], &["migrate"], &["doctor"]] {
        let outcome = deployment.run(command).expect_code(1);
        let told = if command == ["doctor"] { &outcome.stdout } else { &outcome.stderr };
        let line = told.lines().find(|line| words.iter().all(|word| line.contains(word)));
        assert!(line.is_some(), "{command:?} does not say {words:?}:\n{told}");
    }
}

fn lose(deployment: &Deployment, service: &str) {
    match deployment.topology() {
        Topology::Sqlite => std::fs::remove_file(file(deployment, service)).expect("it was there"),
        _ => drop(deployment.sql(service, &format!("alter schema {service} rename to put_aside"))),
    }
}

fn bring_back(deployment: &Deployment, service: &str, backup: &Path) {
    match deployment.topology() {
        Topology::Sqlite => drop(std::fs::copy(backup, file(deployment, service)).expect("a backup")),
        _ => drop(deployment.sql(service, &format!("alter schema put_aside rename to {service}"))),
    }
}

fn a_lost_database_is_refused_and_not_made_anew(topology: Topology) {
    let deployment = Deployment::new(topology);
    let ada = shop(&deployment);
    for service in ORIGINALS {
        let backup = deployment.folder().join("backup.db");
        if topology.is_sqlite() {
            std::fs::copy(file(&deployment, service), &backup).expect("a file");
        }
        lose(&deployment, service);
        let place = match topology {
            Topology::Sqlite => format!("{service}.db is gone or empty"),
            _ => format!("the schema {service} of PostgreSQL"),
        };
        let words = [&format!("database {service}"), &place, "is gone or empty", "backup", "database.url"];
        refused(&deployment, &words);
        // So does a process that has nothing to do with the other database.
        if !topology.is_sqlite() {
            let outcome = deployment.run(&["serve", "--role", service, "--upstreams-auth=127.0.0.1:1"]);
            assert!(outcome.expect_code(1).stderr.contains("is gone or empty"));
        }
        if topology.is_sqlite() {
            assert!(!file(&deployment, service).exists(), "not made anew");
            std::fs::write(file(&deployment, service), "").expect("an empty file");
            refused(&deployment, &words);
        }
        bring_back(&deployment, service, &backup);
    }
    log_in(&deployment.start(), &ada.email);
}

#[test]
fn a_file_of_another_shop_is_refused() {
    let (ours, theirs) = (Deployment::new(Topology::Sqlite), Deployment::new(Topology::Sqlite));
    shop(&ours);
    shop(&theirs);
    let (kept, theirs) = (ours.folder().join("kept.db"), file(&theirs, "products"));
    let own = file(&ours, "products");
    std::fs::rename(&own, &kept).expect("our own file");
    std::fs::copy(theirs, &own).expect("their file");
    refused(&ours, &["auth.db is of the store", "products.db of another", "one backup"]);
    // A release that knows no ids made this one.
    std::fs::remove_file(&own).expect("their file");
    std::fs::copy(&kept, &own).expect("our own file");
    ours.sql("products", "delete from store");
    refused(&ours, &["products.db has no mark of a store", "one backup"]);
    std::fs::rename(&kept, &own).expect("our own file");
    ours.run(&["stock", "verify"]).expect_code(0);
}

#[test]
fn a_broken_file_is_named_with_what_to_do() {
    let deployment = Deployment::new(Topology::Sqlite);
    shop(&deployment);
    for service in SERVICES {
        let whole = std::fs::read(file(&deployment, service)).expect("a file");
        let mut broken = whole.clone();
        broken[..16].fill(0);
        std::fs::write(file(&deployment, service), broken).expect("our own file");
        let place = file(&deployment, service).display().to_string();
        refused(&deployment, &[&place, "not a database", "bring a backup back"]);
        std::fs::write(file(&deployment, service), whole).expect("our own file");
    }
    deployment.run(&["stock", "verify"]).expect_code(0);
}

fn a_service_is_not_pointed_at_an_empty_database(topology: Topology) {
    let deployment = Deployment::new(topology);
    shop(&deployment);
    let elsewhere = Deployment::new(topology);
    for (service, setting) in [("auth", "AUTH__DATABASE__URL"), ("products", "PRODUCTS__DATABASE__URL")] {
        let pointed = deployment.clone().set(setting, elsewhere.database_url());
        let setting = format!("{service}.database.url");
        refused(&pointed, &[&format!("database {service}"), "is gone or empty", &setting]);
        assert!(!elsewhere.data_folder().exists(), "nothing is made");
    }
    deployment.run(&["stock", "verify"]).expect_code(0);
}

fn servers_that_start_at_once_agree_on_one_store(topology: Topology) {
    let deployment = Deployment::new(topology);
    let servers: Vec<Server> = std::thread::scope(|scope| {
        let start = |_| scope.spawn(|| deployment.clone().start());
        let starting: Vec<_> = (0..3).map(start).collect();
        starting.into_iter().map(|server| server.join().expect("it starts")).collect()
    });
    let marks: Vec<_> = SERVICES.iter().map(|service| deployment.sql(service, "select id from store")).collect();
    assert!(marks.iter().all(|mark| *mark == marks[0]), "{marks:?}");
    assert_eq!(marks[0].len(), 1);
    for service in SERVICES {
        let listed = deployment.sql(service, "select service from store_services order by service");
        assert_eq!(listed, SERVICES.map(|service| [service]), "{service}");
    }
    drop(servers);
    deployment.start();
}

/// Services that start before auth have no id to take over yet.
#[test]
fn a_service_that_came_first_takes_the_id_over() {
    let deployment = Deployment::new(Topology::Postgres);
    let id = |service| deployment.sql(service, "select id from store");
    let products = vec!["--role=products".to_owned(), "--upstreams-auth=127.0.0.1:1".to_owned()];
    let _products = deployment.clone().start_as(&[("products-1", products)]);
    assert!(id("products").is_empty(), "it made one of its own");
    let _auth = deployment.clone().start_as(&[("auth-1", vec!["--role=auth".to_owned()])]);
    let of_auth = id("auth");
    assert_eq!(of_auth.len(), 1);
    eventually("products has the same", || (id("products") == of_auth).then_some(()));
    for service in ORIGINALS {
        let listed = || deployment.sql(service, "select service from store_services order by service");
        eventually("both are listed", || (listed() == ORIGINALS.map(|service| [service])).then_some(()));
    }
}

/// A kill in the middle of the first start leaves nothing that the next start refuses.
#[test]
fn a_first_start_that_is_killed_can_be_repeated() {
    for pause in (0..60).step_by(4) {
        let deployment = Deployment::new(Topology::Sqlite);
        let killed = deployment.spawn(&["serve"]);
        std::thread::sleep(std::time::Duration::from_millis(pause));
        drop(killed);
        register(&deployment.start());
    }
}

#[test]
fn a_store_that_moved_is_served() {
    let (from, to) = (Deployment::new(Topology::Sqlite), Deployment::new(Topology::Sqlite));
    let ada = shop(&from);
    std::fs::rename(from.data_folder(), to.data_folder()).expect("one file system");
    log_in(&to.start(), &ada.email);
}

fn a_store_of_the_release_before_is_known_by_its_id(topology: Topology) {
    let Some(before) = testkit::previous() else { return };
    let deployment = Deployment::new(topology);
    let ada = shop(&deployment.under(&before));
    let backup = deployment.folder().join("backup.db");
    if topology.is_sqlite() {
        std::fs::copy(file(&deployment, "products"), &backup).expect("a file");
    }
    lose(&deployment, "products");
    refused(&deployment, &["database products", "is gone or empty"]);
    bring_back(&deployment, "products", &backup);
    let mut server = deployment.clone().start();
    log_in(&server, &ada.email);
    assert!(server.terminate().success());
    // Of either release it is the same store.
    log_in(&deployment.under(&before).start(), &ada.email);
}

/// Whoever restores a backup, or cleans up, may forget the server.
#[test]
fn a_server_whose_files_are_gone_takes_no_writes_and_says_why() {
    let deployment = Deployment::new(Topology::Sqlite);
    let server = deployment.clone().start();
    let seller = seller(&server);
    let lamp = create(&seller, &plain("Lamp"));
    let (data, aside) = (deployment.data_folder(), deployment.folder().join("aside"));
    let probe = || Client::plain(server.admin_url()).get("/readyz");
    let write = |name: &str| seller.post(PRODUCTS, &plain(name));
    probe().expect(200);
    let refused = |why: &str| {
        v2::assert_problem(&write("Chair"), 503, "unavailable");
        let ready = probe().expect(503).text();
        assert!(ready.contains("removed or replaced"), "{why}: {ready}");
        let doctor = deployment.run(&["doctor", "--admin-listen", server.admin_url().trim_start_matches("http://")]);
        assert!(doctor.stdout.contains("removed or replaced"), "{why}: {}", doctor.stdout);
    };
    std::fs::rename(&data, &aside).expect("our own folder");
    refused("removed");
    let logged = || server.log_lines().into_iter().find(|line| line["event"] == "store.moved");
    let line = eventually("it is logged", logged);
    assert!(line["error"].as_str().is_some_and(|error| error.contains(".db was removed or replaced")), "{line}");
    std::fs::create_dir(&data).expect("a new folder");
    for service in SERVICES {
        std::fs::copy(aside.join(format!("{service}.db")), file(&deployment, service)).expect("a copy");
    }
    refused("replaced");
    std::fs::remove_dir_all(&data).expect("our own folder");
    std::fs::rename(&aside, &data).expect("our own folder");
    write("Table").expect(201);
    probe().expect(200);
    let log = data.join("products.db-wal");
    std::fs::rename(&log, &aside).expect("our own file");
    refused("its log removed");
    std::fs::rename(&aside, &log).expect("our own file");
    probe().expect(200);
    // Nothing of what was refused was written anywhere.
    let names = deployment.sql("products", "select name from products order by name");
    assert_eq!(names, [[text(&lamp["name"])], ["Table".into()]]);
}

#[test]
fn a_folder_that_cannot_be_looked_into_is_not_called_empty() {
    let deployment = Deployment::new(Topology::Sqlite);
    // It leads to itself, which stops the superuser too.
    std::os::unix::fs::symlink(deployment.data_folder(), deployment.data_folder()).expect("a link");
    for command in [&["serve"][..], &["stock", "verify"], &["backup", "copy"], &["doctor"]] {
        let outcome = deployment.run(command).expect_code(1);
        let told = outcome.stdout + &outcome.stderr;
        assert!(told.contains("symbolic links") && told.contains("auth.db"), "{command:?}: {told}");
        assert!(!told.contains("no shop") && !told.contains(", empty"), "{command:?}: {told}");
    }
}

/// A second server on the folder is named by both its log and the doctor; a killed one is no server any more.
#[test]
fn servers_that_share_a_folder_are_named() {
    let deployment = Deployment::new(Topology::Sqlite);
    let names = |server: &Server| server.member("all").id().to_string();
    let shared = |server: &Server| {
        let lines = server.log_lines().into_iter().filter(|line| line["event"] == "store.shared");
        lines.map(|line| line.to_string()).collect::<Vec<_>>()
    };
    let mut first = deployment.clone().start();
    assert!(shared(&first).is_empty());
    first.kill9();
    let first = deployment.clone().start();
    assert!(shared(&first).is_empty(), "the killed one left its place");
    let doctor = deployment.run(&["doctor"]).stdout;
    assert!(doctor.contains("a server works on") && doctor.contains(&names(&first)), "{doctor}");
    assert!(!doctor.contains("servers work on"), "{doctor}");
    let second = deployment.clone().start();
    let warning = eventually("it is logged", || shared(&second).pop());
    assert!(warning.contains(&names(&first)) && warning.contains(&names(&second)), "{warning}");
    let banner = eventually("the banner says it", || {
        Some(second.stdout())
            .filter(|banner| banner.contains("Warning: "))
            .filter(|banner| banner.contains("Settings: "))
    });
    assert!(banner.contains(&names(&first)), "{banner}");
    let doctor = deployment.run(&["doctor"]).stdout;
    let line = doctor.lines().find(|line| line.starts_with("warning  database.url: 2 servers work on"));
    let line = line.unwrap_or_else(|| panic!("{doctor}"));
    assert!(line.contains(&names(&first)) && line.contains(&names(&second)), "{line}");
    let both: [Client; 2] = [first.client(), second.client()];
    let seller = seller(&first);
    let product = create(&seller, &json!({ "name": "Lamp", "price": usd(1), "status": "active" }));
    both.iter().for_each(|client| drop(client.get(&format!("{PRODUCTS}/{}", text(&product["id"]))).expect(200)));
}
