//! The public listener.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::json;
use testkit::tls::{authority, shake};
use testkit::{Client, Deployment, PATIENCE, Server, Topology, eventually, on_each, raw};

use crate::people::{PASSWORD, register};
use crate::selling::{PRODUCTS, create, plain, seller};
use crate::v2;

on_each!(a_shop_is_served_by_tls);

/// `PRIMETRADE_TEST_HANDSHAKES` asks for more.
const HANDSHAKES: usize = 200;
const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

fn start(topology: Topology) -> Server {
    Deployment::new(topology).with_tls(&authority().sign("127.0.0.1", 30)).start()
}

fn a_shop_is_served_by_tls(topology: Topology) {
    let server = start(topology);
    assert!(server.url().starts_with("https://127.0.0.1:"), "{}", server.url());
    let ada = register(&server);
    let lamp = create(&seller(&server), &plain("Lamp"));
    let opened = v2::open(&server.client(), &ada.email, PASSWORD).expect(201);
    assert_eq!(opened.header("strict-transport-security"), Some("max-age=31536000"));
    assert!(opened.header("set-cookie").is_some_and(|cookie| cookie.contains("; Secure")));
    let id = lamp["id"].as_str().expect("an id");
    server.client().get(&format!("{PRODUCTS}/{id}")).expect(404);
    let at = |flag: &str, url: &str| format!("--{flag}-listen={}", url.split("://").last().unwrap_or_default());
    if topology != Topology::Split {
        let doctor = server.run(&["doctor", &at("http", server.url()), &at("admin", server.admin_url())]).stdout;
        assert!(doctor.contains("http.listen: the server answers on"), "{doctor}");
    }
    for (offered, agreed) in [(&[HTTP2, HTTP1][..], Some(HTTP2)), (&[HTTP1], Some(HTTP1)), (&[], None)] {
        assert_eq!(shake(server.url(), offered, None).expect("it is trusted").0.as_deref(), agreed);
    }
}

#[test]
fn who_speaks_no_tls_is_told_so() {
    let server = start(Topology::Sqlite);
    let answer =
        String::from_utf8_lossy(&raw(server.url(), b"GET /api/v2/products HTTP/1.1\r\nHost: x\r\n\r\n")).into_owned();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("This port speaks TLS"), "{answer}");
    let refused = || server.log_lines().into_iter().find(|line| line["event"] == "tls.refused");
    let line = eventually("it is logged", refused);
    assert_eq!((&line["error"], &line["client.address"]), (&json!("it does not speak TLS"), &json!("127.0.0.1")));
    // Nobody sees the difference.
    register(&server);
}

/// Handshakes that never end keep nobody from having theirs, and are given up.
#[test]
fn half_a_handshake_is_given_up_and_holds_up_nobody() {
    let wanted = std::env::var("PRIMETRADE_TEST_HANDSHAKES").ok().and_then(|wanted| wanted.parse().ok());
    let server = start(Topology::Sqlite);
    let address = server.url().trim_start_matches("https://");
    let stalled: Vec<TcpStream> = (0..wanted.unwrap_or(HANDSHAKES))
        .map(|number| {
            let mut stream = TcpStream::connect(address).expect("the server listens");
            // Some say nothing at all.
            let begun = [0x16, 3, 1, 2, 0, 1][..number % 7 % 6].to_vec();
            stream.write_all(&begun).expect("it is taken");
            stream
        })
        .collect();
    for _ in 0..20 {
        Client::plain(server.url()).get("/api/v2/products").expect(200);
    }
    for mut stream in stalled {
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        // An end or a reset, and perhaps an alert before it.
        let mut left = Vec::new();
        let ended = stream.read_to_end(&mut left);
        assert!(!ended.is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "it is held for ever");
        assert!(left.len() < 16, "{left:?}");
    }
}

/// Those of kept connections and of new ones, of which many begin while the files change one after the other.
#[test]
fn certificates_are_exchanged_under_load() {
    let (first, second) = (authority().sign("127.0.0.1", 30), authority().sign("127.0.0.1", 60));
    let server = Deployment::new(Topology::Sqlite).with_tls(&first).start();
    let shown = || shake(server.url(), &[HTTP1], None).expect("it is trusted").1;
    let before = shown();
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for kept in [true, false, false] {
            let (over, asked, url) = (&over, &asked, server.url());
            scope.spawn(move || {
                let mut client = Client::plain(url);
                while !over.load(Ordering::Relaxed) {
                    client.get("/api/v2/products").expect(200);
                    asked.fetch_add(1, Ordering::Relaxed);
                    if !kept {
                        client = Client::plain(url);
                    }
                }
            });
        }
        second.replace(&first);
        eventually("the new one is shown", || (shown() != before).then_some(()));
        let enough = asked.load(Ordering::Relaxed) + 100;
        eventually("all goes on", || (asked.load(Ordering::Relaxed) >= enough).then_some(()));
        over.store(true, Ordering::Relaxed);
    });
    assert!(server.log_lines().iter().any(|line| line["event"] == "tls.reloaded"));
}

#[test]
fn files_that_cannot_be_used_are_named_before_anything_is_served() {
    let deployment = Deployment::new(Topology::Sqlite);
    let (good, other) = (authority().sign("127.0.0.1", 30), authority().sign("127.0.0.1", 30));
    let [certificate, key, wrong] = [&good.certificate, &good.key, &other.key].map(|file| file.display().to_string());
    for (cert, key, code, words) in [
        (&*certificate, "", 2, "http.tls_cert: expected its key in http.tls_key"),
        ("", &*key, 2, "http.tls_key: expected its certificate in http.tls_cert"),
        (&certificate, &wrong, 1, "http.tls_cert: the key in "),
        (&certificate, "/nowhere/shop.key", 1, "http.tls_cert: cannot read /nowhere/shop.key"),
    ] {
        let settings = [("PRIMETRADE_HTTP__TLS_CERT", cert), ("PRIMETRADE_HTTP__TLS_KEY", key)];
        let outcome = deployment.run_with(&["serve"], &settings, "").expect_code(code);
        assert!(outcome.stderr.contains(words), "{words}: {}", outcome.stderr);
    }
}
