//! What is passed on of a request's head, and of an answer's.

use super::*;

const GET: &str = "GET /api/v2/products HTTP/1.1\r\nHost: shop.example\r\n";

#[tokio::test]
async fn what_concerns_one_connection_ends_here() {
    let gateway = Gateway::start(says!(
        "HTTP/1.1 204 No Content\r\nConnection: X-Back, keep-alive\r\nconnection: x-more\r\nX-Back: 1\r\nX-More: 1\r\n",
        "Keep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nPrimetrade-Changed: account/1\r\nX-Stays: yes\r\n",
        "Primetrade-Statement: secret\r\nPrimetrade-Timeout-Ms: 5\r\n\r\n"
    ))
    .await;
    let answer = gateway
        .ask(format!(
            "{GET}Connection: close, X-Hop\r\nconnection: x-more\r\nX-Hop: 1\r\nX-More: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n\
             Trailer: X\r\nProxy-Authorization: Basic eA==\r\nProxy-Connection: close\r\nUpgrade: websocket\r\n\
             Authorization: Bearer secret\r\nPrimetrade-Statement: forged\r\nPrimetrade-Timeout-Ms: 86400000\r\n\
             primetrade-changed: account/2\r\nX-Stays: yes\r\nCookie: a=1\r\ncookie: b=2\r\n\r\n"
        ))
        .await;
    let seen = gateway.last();
    for gone in [
        "connection",
        "x-hop",
        "x-more",
        "keep-alive",
        "te",
        "trailer",
        "proxy-authorization",
        "proxy-connection",
        "upgrade",
        "authorization",
        "primetrade-changed",
        "transfer-encoding",
    ] {
        assert_eq!(seen.values(gone), [""; 0], "{gone}");
    }
    assert_eq!((seen.values("x-stays"), seen.values("cookie")), (vec!["yes"], vec!["a=1", "b=2"]));
    let statement = seen.values("primetrade-statement");
    assert!(statement.len() == 1 && statement[0] != "forged", "{statement:?}");
    let left = seen.values("primetrade-timeout-ms");
    assert!(left.len() == 1 && (1..=10_000).contains(&left[0].parse::<u32>().unwrap()), "{left:?}");

    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    for gone in [
        "x-back",
        "x-more",
        "keep-alive",
        "proxy-authenticate",
        "primetrade-changed",
        "primetrade-statement",
        "primetrade-timeout-ms",
    ] {
        assert_eq!(values(&answer, gone), [""; 0], "{gone}: {answer}");
    }
    assert_eq!((values(&answer, "x-stays"), values(&answer, "connection")), (vec!["yes"], vec!["close"]));
}

#[tokio::test]
async fn who_asks_is_told_by_the_gateway() {
    let gateway = Gateway::start(says!(NOTHING)).await;
    let made_up = "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-Host: a.example\r\nX-Forwarded-Host: b.example\r\n\
                   X-Forwarded-Proto: https\r\nForwarded: for=198.51.100.1\r\nX-Real-IP: 198.51.100.1\r\n";
    gateway.ask(format!("{GET}{made_up}Via: 1.0 other\r\nConnection: close\r\n\r\n")).await;
    let seen = gateway.last();
    let host = gateway.seen.lock().unwrap()[0].values("host").join(" ");
    assert!(host.starts_with("127.0.0.1:"), "the upstream's own: {host}");
    assert_eq!(seen.values("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.values("x-forwarded-host"), ["shop.example"]);
    assert_eq!(seen.values("x-forwarded-proto"), ["http"]);
    assert_eq!((seen.values("forwarded"), seen.values("x-real-ip")), (vec![], vec![]));
    assert_eq!(seen.values("via"), ["1.0 other", "1.1 primetrade"]);

    let whole = "GET http://named.example/api/v2/products HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n";
    gateway.ask(whole).await;
    assert_eq!(gateway.last().values("x-forwarded-host"), ["named.example"], "the request line names it");
    assert_eq!(gateway.last().target(), "/api/v2/products");
    gateway.ask("GET /api/v2/products HTTP/1.0\r\n\r\n").await;
    assert_eq!(gateway.last().values("x-forwarded-host"), [""; 0], "nobody named one");

    let trusted = EdgeSettings { trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()], ..settings() };
    let gateway = Gateway::with(says!(NOTHING), trusted, Tunnels::new()).await;
    gateway
        .ask(format!(
            "{GET}X-Forwarded-For: 203.0.113.5, 198.51.100.1\r\nX-Forwarded-Host: a.example\r\nX-Forwarded-Proto: https\r\n\
             Forwarded: for=198.51.100.1\r\nConnection: close\r\n\r\n"
        ))
        .await;
    let seen = gateway.last();
    assert_eq!(seen.values("x-forwarded-for"), ["198.51.100.1"], "what stands before it was made up");
    assert_eq!((seen.values("x-forwarded-host"), seen.values("x-forwarded-proto")), (vec!["a.example"], vec!["https"]));
    assert_eq!(seen.values("forwarded"), [""; 0]);
}

#[tokio::test]
async fn a_request_keeps_its_id_and_its_trace() {
    let gateway = Gateway::start(says!("HTTP/1.1 204 No Content\r\nX-Request-Id: another\r\n\r\n")).await;
    let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let traced = format!("X-Request-Id: mine-1\r\ntraceparent: 00-{trace}-{span}-01\r\ntracestate: a=b\r\n");
    let answer = gateway.ask(format!("{GET}{traced}Connection: close\r\n\r\n")).await;
    let seen = gateway.last();
    assert_eq!((seen.values("x-request-id"), values(&answer, "x-request-id")), (vec!["mine-1"], vec!["mine-1"]));
    let parent = seen.values("traceparent");
    assert!(parent.len() == 1 && parent[0].contains(trace) && !parent[0].contains(span), "{parent:?}");
    assert_eq!(seen.values("tracestate"), ["a=b"]);
    let answer = gateway.ask(format!("{GET}X-Request-Id: a b\r\nConnection: close\r\n\r\n")).await;
    let id = values(&answer, "x-request-id");
    assert!(id.len() == 1 && id[0] != "a b" && id[0] != "another", "{id:?}");
    assert_eq!(gateway.last().values("x-request-id"), id, "the one that the client is told");
}

#[tokio::test]
async fn targets_pass_byte_for_byte() {
    let gateway = Gateway::start(says!(NOTHING)).await;
    for target in [
        "/api/v2/products",
        "/api/v2/products?",
        "/api/v2/products?a=%2F%2f&b=+&c;d=%00&&=&e=%zz",
        "/api/v2/products?a=/../?b#",
        "/api/v2/products?q=\u{fc}\u{2019}'{}|^`",
        "/api/v2/products/a%2Fb",
        "/api/v2/products/%2e%2e",
        "/api/v1/products/a/",
        "/api/v1/products/?a=b",
    ] {
        let answer = gateway.ask(format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 204 "), "{target}: {answer}");
        assert_eq!(gateway.last().target(), latin(target.trim_end_matches('#').as_bytes()));
    }
}

#[tokio::test]
async fn odd_values_and_repeated_headers_survive() {
    let gateway = Gateway::start(says!(
        "HTTP/1.1 204 No Content\r\nSet-Cookie: a=1; Path=/\r\nX-Odd: \u{fc}\"\t\\\r\nset-cookie: b=2\r\nSet-Cookie: c=3\r\n",
        "Vary: Accept\r\nVary: Origin\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nX-Empty:\r\n\r\n"
    ))
    .await;
    let answer = gateway.ask(format!("{GET}X-Odd: \u{fc}\"\t\\\r\nX-Empty:\r\nConnection: close\r\n\r\n")).await;
    let odd = latin("\u{fc}\"\t\\".as_bytes());
    assert_eq!(gateway.last().values("x-odd"), [odd.as_str()]);
    assert_eq!(gateway.last().values("x-empty"), [""]);
    assert_eq!(values(&answer, "set-cookie"), ["a=1; Path=/", "b=2", "c=3"]);
    assert_eq!((values(&answer, "x-odd"), values(&answer, "x-empty")), (vec![odd.as_str()], vec![""]));
    assert!(values(&answer, "vary").starts_with(&["Accept", "Origin"]), "{answer}");
    assert_eq!(values(&answer, "date"), ["Thu, 01 Jan 1970 00:00:00 GMT"]);
}

#[tokio::test]
async fn what_is_nobodys_is_answered_here() {
    let gateway = Gateway::start(says!(NOTHING)).await;
    for (request, status) in [
        ("DELETE /api/v2/products", 405),
        ("GET /api/v2/nothing", 404),
        ("PATCH /api/v1/products", 404),
        ("GET /internal/health", 404),
        ("GET /internal/products/summaries", 404),
        ("POST /internal/auth/authenticate", 404),
        ("GET /api/v2/products/", 404),
        ("GET //api/v2/products", 404),
        ("GET /api/v2/%70roducts", 404),
    ] {
        let answer = gateway.ask(format!("{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        if status == 405 {
            let allow = values(&answer, "allow");
            assert!(allow.len() == 1 && ["GET", "HEAD", "POST"].iter().all(|it| allow[0].contains(it)), "{answer}");
        }
    }
    assert_eq!(gateway.passed_on(), 0);
}

#[tokio::test]
async fn a_head_that_is_as_large_as_may_be_is_passed_on() {
    let gateway = Gateway::start(says!(NOTHING)).await;
    let ask = async |fields: usize| {
        let fields = "A: b\r\n".repeat(fields - 2);
        gateway.ask(format!("{GET}{fields}Connection: close\r\n\r\n")).await
    };
    assert!(ask(88).await.starts_with("HTTP/1.1 204 "));
    let fields = gateway.last().head.matches("\r\n").count() - 2;
    assert!((88..100).contains(&fields), "a service reads a hundred at most: {fields}");
    assert!(ask(89).await.starts_with("HTTP/1.1 431 "));
}
