//! Between the processes of a deployment.

use testkit::tls::{Authority, Pair, authority, shake};
use testkit::{Client, Deployment, Server, Topology, eventually, raw};

use crate::people::register;
use crate::selling::{create, plain, seller};

/// A cluster whose processes have certificates of the authority of the tests, and want them of each other.
fn required() -> Deployment {
    Deployment::new(Topology::Split)
        .with_internal_tls(&authority().sign("127.0.0.1", 30))
        .set("INTERNAL__TLS_CA", &authority().file().display().to_string())
        .set("INTERNAL__REQUIRE_TLS", "true")
}

#[test]
fn processes_that_require_tls_serve_each_other_and_nobody_else() {
    for protocol in ["http1", "h2c"] {
        let server = required().set("UPSTREAMS__PROTOCOL", protocol).start();
        register(&server);
        create(&seller(&server), &plain("Lamp"));
        let service = &server.member("products-1").url;
        assert!(service.starts_with("https://"), "{service}");
        let answer =
            String::from_utf8_lossy(&raw(service, b"GET /api/v2/products HTTP/1.1\r\nHost: x\r\n\r\n")).into_owned();
        assert!(answer.contains("This port speaks TLS"), "{answer}");
        let strangers = Authority::new("strangers");
        let stranger = strangers.sign("127.0.0.1", 30);
        for own in [None, Some(&stranger)] {
            let refused = shake(service, &[b"http/1.1"], own).expect_err("it is not of the deployment");
            assert!(refused.to_string().contains("alert"), "{refused}");
        }
        shake(service, &[b"http/1.1"], Some(&authority().sign("gateway", 30))).expect("one of the deployment");
    }
}

/// Each says in its log, and doctor in its own words, what is wrong.
#[test]
fn a_service_that_is_not_trusted_is_not_asked_and_named() {
    let server = required().start();
    register(&server);
    let strangers = Authority::new("strangers");
    for (pair, words) in [
        (strangers.sign("127.0.0.1", 30), "of none of the authorities that are trusted here"),
        (authority().sign("127.0.0.1", -3), "its certificate expired 3 days ago"),
        (authority().sign("elsewhere.example", 30), "its certificate is for elsewhere.example, not for 127.0.0.1"),
    ] {
        let (users, url) = another(&server, &pair);
        let upstream = format!("--upstreams-users={}", url.trim_start_matches("https://"));
        let mut arguments = server.arguments("gateway-1").to_vec();
        arguments.retain(|argument| !argument.starts_with("--upstreams-users") && !argument.contains("listen="));
        let doctor: Vec<&str> = ["doctor"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
        let outcome = server.run(&[&doctor[..], &[&upstream]].concat());
        let line = outcome.stdout.lines().find(|line| line.starts_with("failed") && line.contains("upstreams.users"));
        assert!(line.is_some_and(|line| line.contains(words)), "{words}: {}", outcome.stdout);
        let gateway = server.clone().start_as(&[("gateway-1", [arguments, vec![upstream]].concat())]);
        Client::plain(gateway.url()).get("/api/v2/products").expect(200);
        let named = || gateway.log_lines().into_iter().find(|line| line["event"] == "tls.failed");
        let line = eventually("it is logged", named);
        assert!(line["error"].as_str().is_some_and(|error| error.contains(words)), "{line}");
        drop(users);
    }
}

/// It hears so with the first answer only.
#[test]
fn a_process_without_a_certificate_is_told_that_it_needs_one() {
    let server = required().start();
    register(&server);
    let without = (*server).clone().set("INTERNAL__TLS_CERT", "").set("INTERNAL__TLS_KEY", "");
    let without = without.set("INTERNAL__REQUIRE_TLS", "false");
    let mut arguments = server.arguments("gateway-1").to_vec();
    arguments.retain(|argument| !argument.contains("listen="));
    for (protocol, words) in [("http1", "it wants a certificate of ours"), ("h2c", "it does not let us in")] {
        let without = without.clone().set("UPSTREAMS__PROTOCOL", protocol);
        let doctor: Vec<&str> = ["doctor"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
        let outcome = without.run(&doctor);
        // Over HTTP/2, who waits for a connection that is refused does not hear why.
        let told = |line: &str| line.starts_with("failed") && line.contains("upstreams.") && line.contains(words);
        assert!(outcome.stdout.lines().any(told), "{protocol}: {}", outcome.stdout);
        let gateway = without.start_as(&[("gateway-1", arguments.clone())]);
        Client::plain(gateway.url()).get("/api/v2/products").expect(503);
        let named = || gateway.log_lines().into_iter().find(|line| line["event"] == "tls.failed");
        let line = eventually("it is logged", named);
        assert!(line["error"].as_str().is_some_and(|error| error.contains(words)), "{line}");
    }
}

/// A process of the role `users` with a certificate of its own.
fn another(server: &Server, pair: &Pair) -> (Server, String) {
    let mut arguments = server.arguments("users-1").to_vec();
    arguments.retain(|argument| !argument.contains("listen="));
    let users = (**server).clone().with_internal_tls(pair).start_as(&[("users-1", arguments)]);
    let url = users.member("users-1").url.clone();
    (users, url)
}

/// Services with certificates are asked with TLS and without, by gateways that have changed over and by those that have not.
#[test]
fn a_cluster_may_change_over_one_process_at_a_time() {
    let deployment = Deployment::new(Topology::Split);
    let plain_cluster = deployment.clone().start();
    let ada = register(&plain_cluster);
    drop(plain_cluster);
    let with_certificates = deployment.with_internal_tls(&authority().sign("127.0.0.1", 30));
    let server = with_certificates.clone().start();
    ada.api.at(server.url()).get("/api/v1/auth/me").expect(200);
    // Gateways that ask by TLS, and gateways that do not yet.
    let asking = with_certificates.set("INTERNAL__TLS_CA", &authority().file().display().to_string());
    let mut arguments = server.arguments("gateway-1").to_vec();
    arguments.retain(|argument| !argument.contains("listen="));
    let new = asking.start_as(&[("gateway-1", arguments)]);
    for url in [server.url(), new.url()] {
        ada.api.at(url).get("/api/v1/auth/me").expect(200);
    }
}
