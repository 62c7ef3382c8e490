//! Proxies in front of the public listener: whom they name is held back alone, however they write it.

use serde_json::json;
use testkit::{Client, Deployment, Response, Server, Topology, on_each};

use crate::people::{PASSWORD, register, unique};

on_each!(
    clients_of_a_proxy_have_an_allowance_each,
    one_client_has_one_allowance_however_it_is_written,
    nobody_writes_themselves_an_allowance,
    cookies_of_clients_with_tls_are_secure,
);

/// How proxies name the client with this number, from this port.
type Written = fn(u8, u16) -> Header;

type Header = (&'static str, String);

const FORMS: [Written; 6] = [
    |client, _| ("x-forwarded-for", format!("192.0.2.{client}")),
    |client, port| ("x-forwarded-for", format!("192.0.2.{client}:{port}")),
    |client, port| ("x-forwarded-for", format!("[2001:db8:0:{client}::1]:{port}")),
    |client, _| ("forwarded", format!("for=203.0.113.7;proto=http, for=192.0.2.{client};by=127.0.0.1")),
    |client, port| ("forwarded", format!("proto=https;For=\"192.0.2.{client}:{port}\"")),
    |client, port| ("forwarded", format!("for=\"[2001:db8:0:{client}::1]:{port}\"")),
];

fn start(topology: Topology, proxies: &str) -> Server {
    Deployment::new(topology).set("LIMITS__ENABLED", "true").set("HTTP__TRUSTED_PROXIES", proxies).start()
}

fn log_in(client: &Client, email: &str, password: &str, headers: &[(&str, &str)]) -> Response {
    let body = json!({ "email": email, "password": password }).to_string();
    let headers = [&[("content-type", "application/json")], headers].concat();
    client.send("POST", "/api/v2/sessions", &headers, Some(body.as_bytes()))
}

/// The answers to twelve wrong passwords, each sent with the headers of its number.
fn failures(server: &Server, headers: impl Fn(u8) -> Vec<Header>) -> Vec<u16> {
    let email = format!("{}@example.com", unique("nobody"));
    let fail = |n| {
        let headers = headers(n);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        log_in(&server.client(), &email, "Wrong1password", &headers).status
    };
    (0..12).map(fail).collect()
}

fn clients_of_a_proxy_have_an_allowance_each(topology: Topology) {
    let server = start(topology, "127.0.0.0/8");
    for written in FORMS {
        let statuses = failures(&server, |n| vec![written(n, 4_711)]);
        assert_eq!(statuses, [401; 12], "{:?}", written(0, 4_711));
    }
    let both = |n: u8| vec![FORMS[1](n, 4_711), FORMS[3](n, 0)];
    assert_eq!(failures(&server, both), [401; 12], "both headers name the same");
}

fn one_client_has_one_allowance_however_it_is_written(topology: Topology) {
    let server = start(topology, "127.0.0.0/8");
    let held_back = [&[401; 10][..], &[429; 2]].concat();
    for written in FORMS {
        assert_eq!(failures(&server, |n| vec![written(1, 1_000 + u16::from(n))]), held_back, "{:?}", written(1, 0));
    }
}

fn nobody_writes_themselves_an_allowance(topology: Topology) {
    let held_back = [&[401; 10][..], &[429; 2]].concat();
    let server = start(topology, "127.0.0.0/8");
    // What a client wrote stands before what its proxy saw, or in the header that the proxy does not write.
    let forged: [fn(u8) -> Vec<Header>; 5] = [
        |n| vec![("x-forwarded-for", format!("192.0.2.{n}, 198.51.100.1:80"))],
        |n| vec![("forwarded", format!("for=192.0.2.{n}, for=\"198.51.100.1:80\""))],
        |n| vec![("x-forwarded-for", "198.51.100.1".into()), ("forwarded", format!("for=192.0.2.{n}"))],
        |n| vec![("x-forwarded-for", format!("192.0.2.{n}")), ("forwarded", "for=198.51.100.1".into())],
        |n| vec![("forwarded", format!("for=192.0.2.{n}, for=_hidden"))],
    ];
    for forged in forged {
        assert_eq!(failures(&server, forged), held_back, "{:?}", forged(0));
    }
    let server = start(topology, "192.0.2.0/24");
    for written in FORMS {
        assert_eq!(failures(&server, |n| vec![written(n, 4_711)]), held_back, "not from a proxy: {:?}", written(0, 0));
    }
}

fn cookies_of_clients_with_tls_are_secure(topology: Topology) {
    for (proxies, believed) in [("127.0.0.0/8", true), ("192.0.2.0/24", false)] {
        let server = start(topology, proxies);
        let ada = register(&server);
        for (header, secure) in [
            (("x-forwarded-proto", "https"), true),
            (("x-forwarded-proto", "http"), false),
            (("forwarded", "for=192.0.2.1;proto=https"), true),
            (("forwarded", "for=192.0.2.1"), false),
        ] {
            let opened = log_in(&server.client(), &ada.email, PASSWORD, &[header]).expect(201);
            let cookie = opened.header("set-cookie").expect("a cookie");
            assert_eq!(
                cookie.split("; ").any(|attribute| attribute == "Secure"),
                secure && believed,
                "{header:?}: {cookie}"
            );
        }
    }
}
