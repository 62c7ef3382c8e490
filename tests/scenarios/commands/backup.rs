//! primetrade backup, backup verify, restore; and the same with PostgreSQL's own tools.

use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use testkit::{Deployment, Server, Topology, eventually, on_both};

use crate::people::{self, PASSWORD, register, unique};
use crate::selling::{create, plain, seller, usd};
use crate::v1::text;
use crate::v2;

on_both!(a_backup_of_a_busy_server_is_of_one_moment);

const WRITERS: usize = 4;
/// Acknowledged before the backup begins, of each kind.
const BEFORE: usize = 12;

/// What was acknowledged, in the order of the answers.
#[derive(Default)]
struct Written {
    emails: Vec<String>,
    products: Vec<String>,
}

/// Each round makes an account, and then products of it: in the other database, and only after it was acknowledged.
fn write(server: &Server, written: &Mutex<Written>, enough: &AtomicBool) {
    while !enough.load(Ordering::Relaxed) {
        let email = v2::register(server);
        written.lock().expect("no writer panicked").emails.push(email.clone());
        let api = v2::log_in(server, &email);
        for _ in 0..5 {
            let product = create(&api, &json!({ "name": unique("product"), "price": usd(1), "stock": 3 }));
            written.lock().expect("no writer panicked").products.push(text(&product["id"]));
        }
    }
}

fn a_backup_of_a_busy_server_is_of_one_moment(topology: Topology) {
    let server = Server::start(topology);
    let restored = Deployment::new(topology);
    let (written, enough) = (Mutex::new(Written::default()), AtomicBool::new(false));
    let backup = server.folder().join("backup");
    let before = std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| write(&server, &written, &enough));
        }
        eventually("enough is written", || {
            let written = written.lock().expect("no writer panicked");
            (written.emails.len() >= BEFORE && written.products.len() >= BEFORE).then_some(())
        });
        let before = std::mem::take(&mut *written.lock().expect("no writer panicked"));
        if topology.is_sqlite() {
            server.run(&["backup", &shown(&backup)]).expect_code(0);
        } else {
            testkit::postgres::dump_into(server.database_url(), restored.database_url());
        }
        // Writers went on beside it.
        eventually("more is written", || {
            (!written.lock().expect("no writer panicked").products.is_empty()).then_some(())
        });
        enough.store(true, Ordering::Relaxed);
        before
    });
    if topology.is_sqlite() {
        server.run(&["backup", "verify", &shown(&backup)]).expect_code(0);
        let told = restored.run(&["restore", &shown(&backup)]).expect_code(0).stdout;
        assert!(told.contains("stock verify"), "{told}");
    }
    drop(server);
    restored.run(&["stock", "verify"]).expect_code(0);
    let column = |service, sql: &str| -> HashSet<String> { restored.sql(service, sql).into_iter().flatten().collect() };
    let owners = column("products", "select distinct owner_id from products");
    let accounts = column("auth", "select id from accounts");
    assert!(owners.is_subset(&accounts), "products came without their accounts: {:?}", owners.difference(&accounts));
    assert!(!owners.is_empty());
    let again = restored.start();
    for email in &before.emails {
        v2::log_in(&again, email);
    }
    let api = again.client();
    let lost: Vec<&String> = before.products.iter().filter(|id| !exists(&again, id)).collect();
    assert!(lost.is_empty(), "acknowledged before the backup, and not in it: {lost:?}");
    create(&v2::log_in(&again, &before.emails[0]), &plain("After"));
    api.get("/api/v2/products").expect(200);
}

fn exists(server: &Server, product: &str) -> bool {
    let sql = match server.topology() {
        Topology::Sqlite => format!("select 1 from products where hex(id) = upper('{}')", product.replace('-', "")),
        _ => format!("select 1 from products where id = '{product}'"),
    };
    !server.sql("products", &sql).is_empty()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// A stopped shop with a product, and a backup of it.
fn backed_up() -> (Deployment, people::Person, PathBuf) {
    let deployment = Deployment::new(Topology::Sqlite);
    let mut server = deployment.clone().start();
    let ada = register(&server);
    create(&seller(&server), &plain("Lamp"));
    assert!(server.terminate().success());
    let backup = deployment.folder().join("backup");
    deployment.run(&["backup", &shown(&backup)]).expect_code(0);
    (deployment, ada, backup)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect();
    names.sort();
    names
}

#[test]
fn a_flipped_byte_is_found_in_every_file() {
    let (deployment, _, backup) = backed_up();
    let files = names(&backup);
    assert_eq!(files, ["auth.db", "keys.json", "manifest.json", "manifest.json.sha256", "products.db", "users.db"]);
    let restored = deployment.folder().join("restored");
    for name in &files {
        let file = backup.join(name);
        let whole = std::fs::read(&file).expect("a file");
        for place in [0, whole.len() / 2, whole.len() - 1] {
            let mut flipped = whole.clone();
            flipped[place] ^= 1;
            std::fs::write(&file, flipped).expect("our own file");
            let verify = deployment.run(&["backup", "verify", &shown(&backup)]).expect_code(1);
            let told = verify.stdout + &verify.stderr;
            assert!(told.contains(name.as_str()), "byte {place} of {name}: {told}");
            deployment.run(&["restore", &shown(&backup), "--into", &shown(&restored)]).expect_code(1);
            assert!(!restored.exists(), "nothing is restored");
        }
        std::fs::remove_file(&file).expect("our own file");
        let verify = deployment.run(&["backup", "verify", &shown(&backup)]).expect_code(1);
        assert!((verify.stdout + &verify.stderr).contains(name.as_str()), "{name} is gone");
        std::fs::write(&file, whole).expect("our own file");
    }
    // SQLite would read it with the file.
    std::fs::write(backup.join("auth.db-wal"), "x").expect("our own file");
    let verify = deployment.run(&["backup", "verify", &shown(&backup)]).expect_code(1);
    assert!(verify.stdout.contains("auth.db-wal"), "{}", verify.stdout);
    std::fs::remove_file(backup.join("auth.db-wal")).expect("our own file");
    deployment.run(&["backup", "verify", &shown(&backup)]).expect_code(0);
    assert_eq!(names(&backup), files, "to verify leaves nothing there");
}

#[test]
fn a_restored_store_goes_on_with_its_sessions_if_it_has_its_keys() {
    let (deployment, ada, backup) = backed_up();
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&backup), 0o700);
    for name in names(&backup) {
        assert_eq!(mode(&backup.join(&name)), 0o600, "{name}");
    }
    let moved = Deployment::new(Topology::Sqlite);
    moved.run(&["restore", &shown(&backup)]).expect_code(0);
    assert_eq!(mode(&moved.data_folder()), 0o700);
    assert_eq!(mode(&moved.data_folder().join("keys.json")), 0o600);
    assert_eq!(names(&moved.data_folder()), ["auth.db", "keys.json", "products.db", "users.db"]);
    let server = moved.start();
    server.client().with_token(&ada.token).get("/api/v1/auth/me").expect(200);
    drop(server);

    let keyless = deployment.folder().join("keyless");
    let told = deployment.run(&["backup", &shown(&keyless), "--without-keys"]).expect_code(0).stdout;
    assert!(told.contains("no keys"), "{told}");
    assert!(!keyless.join("keys.json").exists());
    let moved = Deployment::new(Topology::Sqlite);
    let told = moved.run(&["restore", &shown(&keyless)]).expect_code(0).stdout;
    assert!(told.contains("without keys"), "{told}");
    let server = moved.start();
    server.client().with_token(&ada.token).get("/api/v1/auth/me").expect(401);
    v2::open(&server.client(), &ada.email, PASSWORD).expect(201);
}

#[test]
fn nothing_is_ever_overwritten() {
    let (deployment, _, backup) = backed_up();
    let before = names(&deployment.data_folder());
    for command in [&["restore", &shown(&backup)][..], &["backup", &shown(&backup)]] {
        let refused = deployment.run(command).expect_code(1).stderr;
        assert!(refused.contains("is not empty"), "{command:?}: {refused}");
        assert_eq!(refused.contains("--into"), command[0] == "restore", "the way on: {refused}");
    }
    assert_eq!(names(&deployment.data_folder()), before);
    deployment.run(&["backup", "verify", &shown(&backup)]).expect_code(0);
    // An empty folder is nobody's.
    let empty = deployment.folder().join("empty");
    std::fs::create_dir(&empty).expect("a folder");
    deployment.run(&["backup", &shown(&empty)]).expect_code(0);
    let nobody = Deployment::new(Topology::Sqlite);
    let refused = nobody.run(&["backup", &shown(&nobody.folder().join("backup"))]).expect_code(1).stderr;
    assert!(refused.contains("there is no shop"), "{refused}");
    let refused = nobody.run(&["restore", "/nonexistent"]).expect_code(1).stderr;
    assert!(refused.contains("is no whole backup"), "{refused}");
    assert!(!nobody.data_folder().exists());
}

#[test]
fn a_killed_backup_leaves_nothing_that_looks_whole() {
    let server = Server::start(Topology::Sqlite);
    let seller = seller(&server);
    // Takes a while to copy.
    server.sql("products", "create table ballast (bytes blob)");
    for _ in 0..8 {
        server.sql("products", "insert into ballast values (zeroblob(8000000))");
    }
    let backups = server.folder().join("backups");
    let backup = backups.join("of-today");
    for _ in 0..3 {
        let mut killed = server.spawn(&["backup", &shown(&backup)]);
        eventually("it has begun to copy", || {
            let unfinished = || names(&backups).into_iter().find(|name| name.ends_with(".unfinished"));
            let begun =
                backups.exists() && unfinished().is_some_and(|name| backups.join(name).join("auth.db").exists());
            begun.then_some(())
        });
        assert!(killed.is_alive(), "the copy is too quick to be killed");
        drop(killed);
        assert!(!backup.exists());
        let left: Vec<String> = names(&backups);
        assert_eq!(left.len(), 1, "{left:?}");
        let left = backups.join(&left[0]);
        server.run(&["backup", "verify", &shown(&left)]).expect_code(1);
        server.run(&["restore", &shown(&left), "--into", &shown(&backups.join("restored"))]).expect_code(1);
        std::fs::remove_dir_all(left).expect("a folder of ours");
        create(&seller, &plain(&unique("lamp")));
    }
    server.run(&["backup", &shown(&backup)]).expect_code(0);
    server.run(&["backup", "verify", &shown(&backup)]).expect_code(0);
    server.run(&["stock", "verify"]).expect_code(0);
}

#[test]
fn on_postgresql_it_says_what_to_run() {
    let server = Server::start(Topology::Postgres);
    let backup = server.folder().join("backup");
    let told = server.run(&["backup", &shown(&backup)]).expect_code(1).stderr;
    assert!(told.contains("pg_dump") && told.contains("docs/operation.md") && told.contains("keys.json"), "{told}");
    assert!(!backup.exists());
    let told = server.run(&["restore", &shown(&backup)]).expect_code(1).stderr;
    assert!(told.contains("--into"), "{told}");
}

/// Whoever keeps the last few backups must not replace good ones by copies of what is damaged.
#[test]
fn a_damaged_store_is_told_of() {
    let (deployment, _, folder) = backed_up();
    let file = deployment.data_folder().join("products.db");
    let mut bytes = std::fs::read(&file).expect("the file");
    // The file opens, and a page in its middle is none.
    let middle = bytes.len() / 2 / 4_096 * 4_096;
    bytes[middle..middle + 4_096].fill(0xff);
    std::fs::write(&file, bytes).expect("our own file");
    let outcome = deployment.run(&["backup", &shown(&folder.with_file_name("damaged"))]).expect_code(1);
    assert!(outcome.stderr.contains("the store itself is damaged"), "{}", outcome.stderr);
}
