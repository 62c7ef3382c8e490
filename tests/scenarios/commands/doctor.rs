//! primetrade doctor

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

use testkit::tls::{Authority, authority};
use testkit::{Deployment, Outcome, Server, Topology, eventually, on_both};

use crate::people::{PASSWORD, log_in};

on_both!(
    nothing_is_wrong_with_what_is_new_or_runs,
    a_key_file_that_others_can_read_is_a_failure,
    a_ring_that_is_gone_is_a_failure_once_people_are_logged_in,
    missing_migrations_are_named,
    a_schema_of_a_newer_release_is_a_failure,
);

/// Settings by which the doctor looks at a running member.
fn of_member(server: &Server, name: &str) -> Vec<String> {
    let process = server.member(name);
    let listens = [("--http-listen=", &process.url), ("--admin-listen=", &process.admin_url)];
    let is_listener = |argument: &&String| listens.iter().any(|(flag, _)| argument.starts_with(flag));
    let others = server.arguments(name).iter().filter(|argument| !is_listener(argument)).cloned();
    others.chain(listens.map(|(flag, url)| format!("{flag}{}", url.trim_start_matches("http://")))).collect()
}

fn doctor(deployment: &Deployment, arguments: &[String]) -> Outcome {
    let arguments: Vec<&str> = ["doctor"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
    deployment.run(&arguments)
}

/// The line in that state about a check that begins so.
#[track_caller]
fn line<'o>(outcome: &'o Outcome, state: &str, check: &str) -> &'o str {
    let start = format!("{state:<9}{check}");
    let found = outcome.stdout.lines().find(|line| line.starts_with(&start));
    found.unwrap_or_else(|| panic!("no line {start:?} in\n{}", outcome.stdout))
}

#[track_caller]
fn no_failure(outcome: Outcome) -> Outcome {
    assert!(!outcome.stdout.lines().any(|line| line.starts_with("failed")), "{}", outcome.stdout);
    outcome.expect_code(0)
}

/// Every file below a folder, with what a change would change.
fn files(folder: &Path) -> Vec<(String, u64, SystemTime)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
        let metadata = entry.metadata().expect("metadata");
        if metadata.is_dir() {
            found.extend(files(&entry.path()))
        } else {
            let modified = metadata.modified().expect("a time");
            found.push((entry.path().display().to_string(), metadata.len(), modified));
        }
    }
    found.sort();
    found
}

fn nothing_is_wrong_with_what_is_new_or_runs(topology: Topology) {
    let deployment = Deployment::new(topology);
    let new = no_failure(deployment.run(&["doctor"]));
    assert!(line(&new, "ok", "database auth").contains("empty"), "{}", new.stdout);
    assert!(line(&new, "warning", "auth.key_file").contains("not there yet"), "{}", new.stdout);
    assert!(line(&new, "warning", "mail.sink").contains("no mail is written"), "{}", new.stdout);
    assert_eq!(files(deployment.folder()), [], "nothing is made");
    let mut server = deployment.start();
    eventually("it is told at the start too", || server.stdout().contains("No mails are written").then_some(()));
    let runs = no_failure(doctor(&server, &of_member(&server, "all")));
    assert!(line(&runs, "ok", "http.listen").contains("the server answers"), "{}", runs.stdout);
    assert!(line(&runs, "ok", "admin.listen").contains("/livez says ok, /readyz says ok"), "{}", runs.stdout);
    for service in ["database auth", "database products"] {
        assert!(line(&runs, "ok", service).contains("which is current"), "{}", runs.stdout);
    }
    line(&runs, "ok", "auth.key_file");
    server.terminate();
    let before = files(server.folder());
    no_failure(server.run(&["doctor"]));
    assert_eq!(files(server.folder()), before, "nothing is changed");
}

fn a_key_file_that_others_can_read_is_a_failure(topology: Topology) {
    let mut server = Server::start(topology);
    server.terminate();
    let file = match topology {
        Topology::Sqlite => server.data_folder().join("keys.json"),
        _ => server.folder().join("keys.json"),
    };
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).expect("our own file");
    let outcome = server.run(&["doctor"]).expect_code(1);
    let told = line(&outcome, "failed", "auth.key_file");
    assert!(told.contains("mode 640") && told.contains("chmod 600"), "{told}");
    let mode = std::fs::metadata(&file).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o640, "not changed");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("our own file");
    let seed = std::fs::read_to_string(&file).expect("a ring");
    let seed = seed.split("\"seed\": \"").nth(1).and_then(|rest| rest.split('"').next()).expect("a seed");
    let outcome = no_failure(server.run(&["doctor"]));
    assert!(!outcome.stdout.contains(seed) && !outcome.stderr.contains(seed));
    std::fs::write(&file, "{}").expect("our own file");
    line(&server.run(&["doctor"]).expect_code(1), "failed", "auth.key_file");
}

fn a_ring_that_is_gone_is_a_failure_once_people_are_logged_in(topology: Topology) {
    let deployment = Deployment::new(topology);
    let command = ["admin", "create", "--username", "root", "--email", "root@example.com", "--password-stdin"];
    deployment.run_with_input(&command, PASSWORD).expect_code(0);
    line(&no_failure(deployment.run(&["doctor"])), "warning", "auth.key_file");
    let mut server = deployment.clone().start();
    let made = |server: &Server| server.log_lines().into_iter().any(|line| line["event"] == "keys.made");
    assert!(!made(&server), "nobody was logged in");
    log_in(&server, "root@example.com");
    server.terminate();
    let folder = if topology.is_sqlite() { deployment.data_folder() } else { deployment.folder().to_owned() };
    std::fs::remove_file(folder.join("keys.json")).expect("a ring");
    let outcome = deployment.run(&["doctor"]).expect_code(1);
    assert!(line(&outcome, "failed", "auth.key_file").contains("all sessions end"), "{}", outcome.stdout);
    let server = deployment.start();
    assert!(made(&server));
}

/// Has the database say that so many migrations were applied.
fn pretend(server: &Server, version: i64) {
    let sql = match server.topology() {
        Topology::Sqlite => format!("pragma user_version = {version}"),
        _ => format!(
            "delete from schema_version where version > {version}; \
            insert into schema_version values ({version}, 'pretended') on conflict do nothing"
        ),
    };
    server.sql("auth", &sql);
}

fn missing_migrations_are_named(topology: Topology) {
    let mut server = Server::start(topology);
    server.terminate();
    pretend(&server, 2);
    let outcome = no_failure(server.run(&["doctor"]));
    let told = line(&outcome, "warning", "database auth");
    assert!(told.contains("3 (sessions_v2)") && told.contains("primetrade migrate"), "{told}");
    assert!(line(&outcome, "ok", "database products").contains("current"), "{}", outcome.stdout);
}

fn a_schema_of_a_newer_release_is_a_failure(topology: Topology) {
    let mut server = Server::start(topology);
    server.terminate();
    pretend(&server, 99);
    let outcome = server.run(&["doctor"]).expect_code(1);
    assert!(line(&outcome, "failed", "database auth").contains("99"), "{}", outcome.stdout);
}

#[test]
fn a_damaged_file_and_a_closed_database_are_failures() {
    let mut server = Server::start(Topology::Sqlite);
    server.terminate();
    std::fs::write(server.data_folder().join("products.db"), [7; 8192]).expect("our own file");
    let outcome = server.run(&["doctor"]).expect_code(1);
    assert!(line(&outcome, "failed", "database products").contains("products.db"), "{}", outcome.stdout);
    // Port 1 has no server.
    let url = "postgres://shop:hunter2@127.0.0.1:1/shop";
    let variables = [("PRIMETRADE_DATABASE__URL", url), ("PRIMETRADE_AUTH__KEY_FILE", "/nonexistent/keys.json")];
    let outcome = server.run_with(&["doctor"], &variables, "").expect_code(1);
    let told = line(&outcome, "failed", "database auth");
    assert!(told.contains("127.0.0.1:1, database shop, user shop") && told.contains("database.url"), "{told}");
    line(&outcome, "failed", "database products");
    assert!(!outcome.stdout.contains("hunter2") && !outcome.stderr.contains("hunter2"), "{outcome:?}");
}

#[test]
fn what_an_account_of_postgresql_may_not_do_is_told() {
    let mut server = Server::start(Topology::Postgres);
    line(&no_failure(server.run(&["doctor"])), "warning", "database auth: the account postgres is a superuser");
    server.terminate();
    server.sql(
        "auth",
        "create role doctors_reader login; grant usage on schema auth, products, users to doctors_reader; \
        grant select on all tables in schema auth, products, users to doctors_reader",
    );
    let url = server.database_url().replace("postgres@", "doctors_reader@");
    let reader = [("PRIMETRADE_DATABASE__URL", url.as_str())];
    let outcome = server.run_with(&["doctor"], &reader, "").expect_code(1);
    let told = line(&outcome, "failed", "database auth");
    assert!(told.contains("accounts") && told.contains("cannot be written"), "{told}");
    server.sql("auth", "grant insert, update, delete on all tables in schema auth, products, users to doctors_reader");
    let outcome = no_failure(server.run_with(&["doctor"], &reader, ""));
    assert!(!outcome.stdout.contains("superuser"), "{}", outcome.stdout);
    let both = [reader[0], ("PRIMETRADE_DATABASE__MIGRATE_URL", server.database_url())];
    line(&no_failure(server.run_with(&["doctor"], &both, "")), "ok", "database.migrate_url");
    pretend(&server, 2);
    server.run_with(&["doctor"], &reader, "").expect_code(1);
    no_failure(server.run_with(&["doctor"], &both, ""));
}

#[test]
fn settings_are_checked_first() {
    let deployment = Deployment::new(Topology::Postgres);
    let outcome = deployment.run(&["doctor", "--role", "gateway"]).expect_code(2);
    for setting in ["upstreams.auth", "upstreams.products", "upstreams.users"] {
        line(&outcome, "failed", &format!("settings: {setting}"));
    }
    let outcome = deployment.run(&["doctor", "--http-body-limit", "little"]).expect_code(2);
    line(&outcome, "failed", "settings: http.body_limit");
    let exposed = ["doctor", "--http-listen", "0.0.0.0:0", "--admin-listen", "0.0.0.0:0"];
    let outcome = no_failure(deployment.run(&exposed));
    assert!(line(&outcome, "warning", "http.listen").contains("limits.enabled"), "{}", outcome.stdout);
    line(&outcome, "warning", "admin.listen");
}

#[test]
fn ports_that_others_have_are_told_apart() {
    let stranger = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = stranger.local_addr().expect("it is bound").to_string();
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    std::thread::spawn(move || stranger.incoming().for_each(drop));
    let server = Server::start(Topology::Sqlite);
    let at = |http: &str, admin: &str| server.run(&["doctor", "--http-listen", http, "--admin-listen", admin]);
    let outcome = at(&taken, &free.to_string()).expect_code(1);
    assert!(line(&outcome, "failed", "http.listen").contains("not answer as a PrimeTrade"), "{}", outcome.stdout);
    line(&outcome, "ok", "admin.listen");
    let ours = server.url().trim_start_matches("http://");
    let outcome = at(ours, &free.to_string()).expect_code(1);
    assert!(line(&outcome, "failed", "http.listen").contains("another PrimeTrade"), "{}", outcome.stdout);
    line(&at(&free.to_string(), &taken).expect_code(1), "failed", "admin.listen");
}

#[test]
fn the_report_is_also_for_programs() {
    let outcome = Deployment::new(Topology::Sqlite).run(&["doctor", "--format", "json"]).expect_code(0);
    for line in outcome.stdout.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("one object a line");
        assert!(line["check"].is_string() && line["found"].is_string() && line["advice"].is_string(), "{line}");
        assert!(["ok", "warning"].contains(&line["state"].as_str().expect("a word")), "{line}");
    }
    assert!(outcome.stdout.lines().count() > 5);
}

/// Answers every request so, and closes.
fn answering(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap_or(0);
            // Who asked may be gone.
            let _ = stream.write_all(answer(&String::from_utf8_lossy(&request[..read])).as_bytes());
        }
    });
    address
}

#[test]
fn the_collector_and_the_mail_folder_are_tried() {
    let deployment = Deployment::new(Topology::Sqlite);
    std::fs::write(deployment.folder().join("file"), "").expect("a file");
    let with = |collector: &str, sink: &str| {
        let collector = format!("http://{collector}");
        deployment.run(&["doctor", "--telemetry-otlp-endpoint", &collector, "--mail-sink", sink])
    };
    let collector = answering(|_| "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}".into());
    let good = no_failure(with(&collector, "mails"));
    line(&good, "ok", "telemetry.otlp_endpoint");
    line(&good, "ok", "mail.sink");
    assert!(!deployment.folder().join("mails").exists(), "not made");
    let bad = with("127.0.0.1:9", "file").expect_code(1);
    line(&bad, "warning", "telemetry.otlp_endpoint");
    line(&bad, "failed", "mail.sink");
}

#[test]
fn every_process_of_a_cluster_is_told_what_it_reaches() {
    let mut server = Server::start(Topology::Split);
    for (name, upstreams) in
        [("gateway-1", 6), ("users-2", 4), ("products-1", 2), ("auth-2", 0), ("notifications-1", 0)]
    {
        let outcome = no_failure(doctor(&server, &of_member(&server, name)));
        let believed = outcome.stdout.lines().filter(|line| line.contains("believes this process")).count();
        assert_eq!(believed, upstreams, "{name}:\n{}", outcome.stdout);
        assert!(line(&outcome, "ok", "admin.listen").contains("/readyz says ok"), "{}", outcome.stdout);
        line(&outcome, "ok", "internal.key_file");
    }
    let gateway = of_member(&server, "gateway-1");
    let address = |name: &str| server.member(name).url.trim_start_matches("http://").to_owned();
    let (auth, products, users) = (address("auth-1"), address("products-2"), address("users-1"));
    server.kill9_member("auth-1");
    server.member("products-2").signal("STOP");
    let outcome = doctor(&server, &gateway).expect_code(1);
    server.member("products-2").signal("CONT");
    let refused = line(&outcome, "failed", &format!("upstreams.auth {auth}"));
    assert!(refused.contains("refuses") && refused.contains("Start the process with the role auth"), "{refused}");
    let hung = line(&outcome, "failed", &format!("upstreams.products {products}"));
    assert!(hung.contains("does not answer in time"), "{hung}");
    line(&outcome, "ok", &format!("upstreams.users {users}"));
}

#[test]
fn a_process_with_another_key_or_another_role_is_told_so() {
    let server = Server::start(Topology::Split);
    let mut gateway = of_member(&server, "gateway-1");
    let with = |more: &str| doctor(&server, &[gateway.clone(), vec![more.to_owned()]].concat());
    // The other ring is a ring too.
    let outcome = with("--internal-key-file=keys.json").expect_code(1);
    for role in ["auth", "products", "users"] {
        let told = line(&outcome, "failed", &format!("upstreams.{role}"));
        assert!(told.contains("its key is not that of keys.json"), "{told}");
    }
    let outcome = no_failure(with("--internal-key-file=absent.json"));
    assert!(line(&outcome, "warning", "upstreams.auth").contains("without a key"), "{}", outcome.stdout);
    assert!(!server.folder().join("absent.json").exists(), "not made");
    let products = server.member("products-1").url.trim_start_matches("http://").to_owned();
    gateway.retain(|argument| !argument.starts_with("--upstreams-auth="));
    gateway.push(format!("--upstreams-auth={products},nowhere.invalid:80"));
    let outcome = doctor(&server, &gateway).expect_code(1);
    let told = line(&outcome, "failed", &format!("upstreams.auth {products}"));
    assert!(told.contains("with the roles products"), "{told}");
    assert!(line(&outcome, "failed", "upstreams.auth nowhere.invalid").contains("not found"), "{}", outcome.stdout);
}

/// Its clients are not to blame.
#[test]
fn a_gateway_with_another_key_says_that_it_cannot_answer() {
    let server = Server::start(Topology::Split);
    let mut stranger = Deployment::new(Topology::Postgres).arg("--role=gateway");
    for argument in server.arguments("gateway-1").iter().filter(|argument| argument.starts_with("--upstreams-")) {
        stranger = stranger.arg(argument);
    }
    let stranger = stranger.start();
    stranger.client().get("/api/v1/products").expect(503);
    stranger.client().get("/api/v2/products").expect(503);
    let ada = crate::people::register(&server);
    stranger.client().with_token(&ada.token).get("/api/v2/me").expect(503);
    let said = |line: &serde_json::Value| line.to_string().contains("another internal.key_file");
    testkit::eventually("the log has the reason", || stranger.log_lines().iter().any(said).then_some(()));
    // A stranger who asks a service is refused as before, and not told more than that.
    let direct = testkit::Client::plain(&server.member("products-1").url).get("/api/v2/products");
    assert_eq!((direct.status, direct.header("primetrade-statement")), (403, None));
}

#[test]
fn a_clock_that_is_off_is_told_by_how_much() {
    let fake = answering(|request| {
        let (status, told) = if request.contains("/internal/health") {
            ("200 OK", "")
        } else {
            ("403 Forbidden", "primetrade-statement: clock\r\n")
        };
        let date = "Date: Fri, 01 Jan 2100 00:00:00 GMT";
        format!("HTTP/1.1 {status}\r\n{date}\r\n{told}Content-Length: 0\r\nConnection: close\r\n\r\n")
    });
    let cluster = Server::start(Topology::Postgres);
    let upstreams: Vec<String> = ["auth", "products", "users"].map(|role| format!("--upstreams-{role}={fake}")).into();
    let arguments = ["--role=gateway", "--internal-key-file=keys.json"].map(str::to_owned);
    let outcome = doctor(&cluster, &[arguments.to_vec(), upstreams].concat()).expect_code(1);
    let told = line(&outcome, "failed", "upstreams.auth");
    assert!(told.contains("s ahead of this one's") && told.contains("NTP"), "{told}");
}

/// Their end, their names, and who trusts them.
#[test]
fn certificates_are_looked_at() {
    let strangers = Authority::new("strangers");
    let deployment =
        Deployment::new(Topology::Postgres).set("INTERNAL__TLS_CA", &authority().file().display().to_string());
    deployment.run(&["migrate"]).expect_code(0);
    for (pair, state, words) in [
        (authority().sign("shop.example", 30), "ok", "for shop.example, valid for 29 days"),
        (authority().sign("shop.example", 5), "warning", "for shop.example, expires in 4 days"),
        (authority().sign("shop.example", -3), "failed", "for shop.example, has expired"),
        (strangers.sign("shop.example", 30), "failed", "its certificate is of none of the authorities"),
    ] {
        let outcome = deployment.clone().with_internal_tls(&pair).run(&["doctor", "--role", "auth"]);
        let told = outcome.stdout.lines().find(|line| line.starts_with(state) && line.contains("internal.tls_cert"));
        assert!(told.is_some_and(|line| line.contains(words)), "{words}: {}", outcome.stdout);
    }
    let pair = authority().sign("127.0.0.1", 30);
    let public = deployment.clone().with_tls(&pair).run(&["doctor"]).expect_code(0).stdout;
    assert!(public.contains("who trusts the authorities of this machine says"), "{public}");
    std::fs::set_permissions(&pair.key, std::fs::Permissions::from_mode(0o644)).expect("our own file");
    let public = deployment.with_tls(&pair).run(&["doctor"]).expect_code(0).stdout;
    assert!(public.contains("can be read by everybody here (mode 644)"), "{public}");
}
