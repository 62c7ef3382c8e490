//! The inner door: services answer their own gateways and each other, and nobody else.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use testkit::recorder::Recorder;
use testkit::{Client, Deployment, Server, Topology, eventually};

use crate::people::{PASSWORD, administrator};
use crate::v1::text;
use crate::v2;

const STATEMENT: &str = "primetrade-statement";
/// A member of each service.
const MEMBERS: [&str; 4] = ["auth-1", "products-1", "users-2", "notifications-1"];

/// What a stranger may try where services listen.
const ASKED: [(&str, &str); 8] = [
    ("GET", "/api/v2/products"),
    ("GET", "/api/v1/products/"),
    ("POST", "/api/v2/sessions"),
    ("GET", "/.well-known/jwks.json"),
    ("POST", "/internal/auth/authenticate"),
    ("GET", "/internal/auth/changes"),
    ("POST", "/internal/products/summaries"),
    ("GET", "/nothing"),
];

/// A gateway with the key of a cluster, behind which stands somebody who keeps what it passes on.
fn bugged(server: &Server, recorder: &Recorder) -> Server {
    let key = server.folder().join("primetrade-internal-keys.json");
    let auth = server.member("auth-1").url.trim_start_matches("http://");
    let gateway = Deployment::new(Topology::Sqlite).arg("--role=gateway");
    let gateway = gateway.set("INTERNAL__KEY_FILE", &key.display().to_string()).set("UPSTREAMS__AUTH", auth);
    gateway.set("UPSTREAMS__PRODUCTS", &recorder.address).set("UPSTREAMS__USERS", &recorder.address).start()
}

/// The token of an administrator.
fn token(server: &Server) -> String {
    let tokens = v2::open(&server.client(), &administrator(server).email, PASSWORD).expect(201).json();
    text(&tokens["access_token"])
}

/// A good statement for one request, and which request that is.
fn stolen(recorder: &Recorder) -> String {
    let seen = recorder.seen().pop().expect("a request was passed on");
    let statement = seen.lines().find_map(|line| line.strip_prefix("primetrade-statement: "));
    statement.expect("it was vouched for").to_owned()
}

#[test]
fn services_answer_nobody_who_comes_without_a_statement() {
    let server = Server::start(Topology::Split);
    let token = token(&server);
    for member in MEMBERS {
        let direct = Client::plain(&server.member(member).url);
        for (method, path) in ASKED {
            let body = (method == "POST").then_some(&b"{}"[..]);
            direct.send(method, path, &[], body).expect(403);
            // A token is for the public's door.
            direct.with_token(&token).send(method, path, &[(STATEMENT, "a.b")], body).expect(403);
        }
        direct.get("/internal/health").expect(200);
    }
    for gateway in server.urls() {
        let gateway = Client::plain(gateway).with_token(&token);
        for path in ["/internal/health", "/internal/auth/changes", "/internal/nothing", "/api/v2/../../internal/health"]
        {
            gateway.get(path).expect(404);
        }
        gateway.post_text("/internal/auth/authenticate", "{}").expect(404);
    }
}

#[test]
fn a_stolen_statement_is_good_for_its_request_alone() {
    let server = Server::start(Topology::Split);
    let token = token(&server);
    let recorder = Recorder::start();
    let bugged = bugged(&server, &recorder);
    let target = "/api/v2/users?limit=1";
    Client::plain(bugged.url()).with_token(&token).get(target).expect(200);
    let seen = recorder.seen().pop().expect("a request was passed on");
    assert!(!seen.contains(&*token), "tokens end at the gateway");
    let statement = stolen(&recorder);
    let stolen = [(STATEMENT, statement.as_str())];
    let users = Client::plain(&server.member("users-1").url);
    users.send("GET", target, &stolen, None).expect(200);
    for (method, path) in [
        ("GET", "/api/v2/users?limit=2"),
        ("GET", "/api/v2/users"),
        ("HEAD", target),
        ("GET", "/api/v2/me/export"),
        ("POST", "/internal/auth/authenticate"),
    ] {
        users.send(method, path, &stolen, None).expect(403);
    }
    let auth = Client::plain(&server.member("auth-1").url);
    auth.send("GET", "/internal/auth/changes", &stolen, None).expect(403);
    auth.send("POST", "/internal/auth/accounts/page", &stolen, Some(b"{\"offset\":0,\"limit\":9}")).expect(403);
    // Through the front door it says nothing at all.
    for gateway in server.urls() {
        Client::plain(gateway).send("GET", target, &stolen, None).expect(401);
    }
    // One altered letter of what it says.
    let forged = statement.replacen("ey", "eY", 1);
    users.send("GET", target, &[(STATEMENT, &forged)], None).expect(403);
}

#[test]
fn the_key_between_processes_is_replaced_without_a_failed_request() {
    let server = Server::start(Topology::Split);
    let token = token(&server);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for gateway in server.urls() {
            let api = Client::public(gateway).with_token(&token);
            let done = &done;
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    // Users asks auth in its turn.
                    api.get("/api/v2/users?limit=1").expect(200);
                    api.get("/api/v2/products").expect(200);
                }
            });
        }
        for older in 1..=2 {
            let rotated = server.run(&["keys", "rotate", "--internal"]).expect_code(0);
            assert!(rotated.stdout.contains(&format!("; {older} older ones verify")), "{}", rotated.stdout);
            // Every process looks at the file once a second.
            std::thread::sleep(std::time::Duration::from_millis(1_500));
        }
        done.store(true, Ordering::Relaxed);
    });
    let recorder = Recorder::start();
    let bugged = bugged(&server, &recorder);
    Client::plain(bugged.url()).get("/api/v2/products").expect(200);
    let fresh = stolen(&recorder);
    Client::plain(&server.member("products-2").url)
        .send("GET", "/api/v2/products", &[(STATEMENT, &fresh)], None)
        .expect(200);
}

/// It answers, and is well; but whoever were sent there would be refused.
#[test]
fn a_process_with_another_key_gets_no_requests() {
    let server = Server::start(Topology::Split);
    let stranger = Deployment::new(Topology::Sqlite).arg("--role=notifications").start();
    let bare = |url: &str| url.trim_start_matches("http://").to_owned();
    let key = server.folder().join("primetrade-internal-keys.json");
    let both = format!("{},{}", bare(&server.member("products-1").url), bare(stranger.url()));
    let gateway = Deployment::new(Topology::Sqlite).arg("--role=gateway").set("UPSTREAMS__PRODUCTS", &both);
    let gateway = gateway.set("INTERNAL__KEY_FILE", &key.display().to_string());
    let gateway = gateway.set("UPSTREAMS__AUTH", &bare(&server.member("auth-1").url));
    let gateway = gateway.set("UPSTREAMS__USERS", &bare(&server.member("users-1").url)).start();
    for _ in 0..40 {
        Client::plain(gateway.url()).get("/api/v2/products").expect(200);
    }
    let line = eventually("it is told", || {
        let of_stranger = |line: &Value| line["server.address"] == bare(stranger.url()).as_str();
        gateway.log_lines().into_iter().find(|line| line["event"] == "upstream.ejected" && of_stranger(line))
    });
    assert!(text(&line["reason"]).contains("internal.key_file"), "{line}");
}

#[test]
fn a_key_that_nobody_signs_with_is_not_made() {
    let deployment = Deployment::new(Topology::Sqlite);
    let rotated = deployment.run(&["keys", "rotate", "--internal"]).expect_code(1);
    assert!(rotated.stderr.contains("there is no key ring /") && rotated.stderr.contains("internal.key_file"));
}
