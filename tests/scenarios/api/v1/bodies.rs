//! Bodies of every kind, on the routes that take one.

use serde_json::json;
use testkit::{Client, Server, Topology, on_each, raw, raw_in_parts};

use crate::people::{Person, register};
use crate::v1::{NAME, PRICE, absent, assert_invalid, assert_refused, create_named, path};

on_each!(
    malformed_json_is_refused,
    deep_nesting_is_refused,
    unusual_but_valid_json_is_read,
    a_body_that_is_not_json_is_an_empty_object,
    forms_are_read,
    oversized_bodies_are_refused,
    strange_texts_never_break_the_server,
    malformed_http_never_breaks_the_server,
    an_early_answer_leaves_the_connection_in_order,
);

const PRODUCTS: &str = "/api/v1/products";
const MIB: usize = 1024 * 1024;

/// Sends this as JSON to every route that takes a body, and expects a refusal.
#[track_caller]
fn assert_refused_everywhere(person: &Person, product: &str, body: &[u8]) {
    for (method, path) in
        [("POST", "/api/v1/auth/register"), ("POST", "/api/v1/auth/login"), ("POST", PRODUCTS), ("PUT", product)]
    {
        let answer = person.api.send(method, path, &[("content-type", "application/json")], Some(body));
        assert_refused(&answer, 400);
        assert!(answer.json().get("errors").is_none(), "{method} {path}: {}", answer.text());
    }
}

fn malformed_json_is_refused(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let product = path(&create_named(&ada.api, "witness"));
    for body in [
        "{",
        "}",
        "{\"name\":",
        "{\"name\":\"x\"",
        "{name:1}",
        "{'name':1}",
        "{\"a\":1,}",
        "{\"a\":01}",
        "{\"a\":1}x",
        "{\"a\":NaN}",
        "{\"a\":.5}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\ud800\"}",
        "nope",
        "\u{feff}",
    ] {
        assert_refused_everywhere(&ada, &product, body.as_bytes());
    }
    // Not UTF-8: a lone continuation, an overlong slash, a surrogate, a cut character, UTF-16.
    for body in [
        &b"{\"name\":\"\x80\"}"[..],
        b"{\"name\":\"\xc0\xaf\"}",
        b"{\"name\":\"\xed\xa0\x80\"}",
        b"{\"name\":\"\xe2\x82\"}",
        b"{\xff\"name\":1}",
        b"\xff\xfe{\0}\0",
    ] {
        assert_refused_everywhere(&ada, &product, body);
    }
}

fn deep_nesting_is_refused(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let product = path(&create_named(&ada.api, "witness"));
    let nested = |open: &str, close: &str| {
        let (open, close) = (open.repeat(100_000), close.repeat(100_000));
        [format!("{open}{close}"), format!("{{\"name\":{open}1{close}}}"), open]
    };
    for body in nested("[", "]").iter().chain(&nested("{\"a\":", "}")) {
        assert_refused_everywhere(&ada, &product, body.as_bytes());
    }
    ada.api.get("/api/v1/auth/me").expect(200);
}

fn unusual_but_valid_json_is_read(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    let answer =
        api.post_text(PRODUCTS, " \r\n\t{ \"name\" : \"\\u00e9\\ud83d\\ude00\\/\" , \"price\" : 1 } \n").expect(201);
    assert_eq!(answer.json()["data"]["product"]["name"], "é😀/");
    for kind in ["application/json; charset=utf-8", "application/json;charset=UTF-8", "Application/JSON"] {
        api.send("POST", PRODUCTS, &[("content-type", kind)], Some(b"{\"name\":\"x\",\"price\":1}")).expect(201);
    }
    // No object has no fields; whether it is malformed or merely empty is not promised, that it is refused is.
    for body in ["[]", "[{\"name\":\"x\",\"price\":1}]", "\"text\"", "7", "true", "null"] {
        assert_refused(&api.post_text(PRODUCTS, body), 400);
    }
    // As every JSON parser of the web: of two equal keys the last counts.
    let answer = api.post_text(PRODUCTS, r#"{"name":"first","name":"second","price":1}"#).expect(201);
    assert_eq!(answer.json()["data"]["product"]["name"], "second");
}

fn a_body_that_is_not_json_is_an_empty_object(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    let missing = [absent("name", NAME), absent("price", PRICE)];
    let body = Some(&b"{\"name\":\"x\",\"price\":1}"[..]);
    for kind in
        ["text/plain", "application/xml", "multipart/form-data; boundary=x", "nonsense", "application/octet-stream"]
    {
        assert_invalid(&api.send("POST", PRODUCTS, &[("content-type", kind)], body), &missing);
    }
    assert_invalid(&api.send("POST", PRODUCTS, &[], Some(b"")), &missing);
    assert_invalid(&api.post_text(PRODUCTS, ""), &missing);
    assert_invalid(&api.post_text(PRODUCTS, "{}"), &missing);
    // Bytes that are no text are not looked at.
    assert_invalid(&api.send("POST", PRODUCTS, &[("content-type", "image/png")], Some(b"\x89PNG\xff")), &missing);
}

fn forms_are_read(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    let form = "name=Tea+%26+Caf%C3%A9&price=12.50&stock=7&description=&category=";
    let product = api.post_form(PRODUCTS, form).expect(201).json()["data"]["product"].clone();
    assert_eq!(product["name"], "Tea & Café");
    assert_eq!(product["price"], "12.50");
    assert_eq!(product["stock"], 7);
    assert_eq!(product["description"], "");
    assert_eq!(product["category"], "");
    let headers = [("content-type", "application/x-www-form-urlencoded; charset=UTF-8")];
    let answer = api.send("PUT", &path(&product), &headers, Some(b"stock=8"));
    assert_eq!(answer.expect(200).json()["data"]["product"]["stock"], 8);
    assert_invalid(&api.post_form(PRODUCTS, ""), &[absent("name", NAME), absent("price", PRICE)]);
    for odd in ["%", "%ff=%fe", "=&=&&&", "name", "name=%00&price=1", "a[b][c]=1&price[]=2", &"a=1&".repeat(20_000)] {
        let status = api.post_form(PRODUCTS, odd).status;
        assert!((200..500).contains(&status), "{odd:.40}: {status}");
    }
}

fn oversized_bodies_are_refused(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let of_size = |size: usize| {
        // Fields that nobody knows are ignored, however long.
        let frame = r#"{"name":"big","price":1,"padding":""}"#.len();
        json!({ "name": "big", "price": 1, "padding": "x".repeat(size - frame) }).to_string()
    };
    let product = ada.api.post_text(PRODUCTS, &of_size(MIB)).expect(201).json();
    assert_refused(&ada.api.post_text(PRODUCTS, &of_size(MIB + 1)), 413);
    assert_refused(&ada.api.put_text(&path(&product["data"]["product"]), &of_size(MIB + 1)), 413);
    assert_refused(&ada.api.post_text("/api/v1/auth/login", &of_size(MIB + 1)), 413);
    assert_refused(&ada.api.post_form(PRODUCTS, &"a".repeat(MIB + 1)), 413);

    // Announced, in pieces of unknown total, or absurd: the server does not wait for the rest.
    let head = |rest: &str| {
        let token = &ada.token;
        format!(
            "POST {PRODUCTS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Authorization: Bearer {token}\r\n{rest}\r\n\r\n"
        )
    };
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for request in [
        head("Content-Length: 1048577"),
        head("Content-Length: 9223372036854775807"),
        head("Transfer-Encoding: chunked") + &chunk.repeat(17) + "0\r\n\r\n",
    ] {
        let answer = String::from_utf8_lossy(&raw(server.url(), request.as_bytes())).into_owned();
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer:?}");
        assert!(answer.contains("\"success\":false"), "{answer:?}");
    }
}

/// Texts that databases, terminals and parsers stumble over: stored as sent or refused, the same on every store.
fn strange_texts_never_break_the_server(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    for text in [
        "'; drop table products; --",
        "\\",
        "\\u0000",
        "%s%n",
        "${jndi:ldap://x}",
        "{{7*7}}",
        "<script>alert(1)</script>",
        "\u{202e}txt",
        "\u{feff}bom",
        "e\u{301}",
        "👩‍👩‍👧‍👦",
        "\u{10ffff}",
        "a\tb\nc\r\nd",
        "\u{1}\u{7f}\u{85}",
        "null",
        "undefined",
        "[object Object]",
        "NaN",
        "../../etc/passwd",
    ] {
        let body = json!({ "name": format!("x{text}x"), "price": 1, "description": text, "category": text });
        let product = api.post(PRODUCTS, &body).expect(201).json()["data"]["product"].clone();
        for field in ["name", "description", "category"] {
            assert_eq!(product[field], body[field], "{field}");
        }
        let read = api.get(&path(&product)).expect(200).json();
        assert_eq!(read["data"]["product"]["description"], text);
    }
    // PostgreSQL cannot store NUL in a text.
    for field in ["name", "description", "category"] {
        let mut body = json!({ "name": "x", "price": 1 });
        body[field] = json!("a\u{0}b");
        assert_refused(&api.post(PRODUCTS, &body), 400);
    }
}

fn malformed_http_never_breaks_the_server(topology: Topology) {
    let server = Server::start(topology);
    let long = "x".repeat(1_000_000);
    for request in [
        "\r\n\r\nNONSENSE\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
        "GET /api/v1/products\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nbad header\r\nConnection: close\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\nConnection: close\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nZZ\r\n",
        &format!("GET /{long} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
        &format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {long}\r\nConnection: close\r\n\r\n"),
    ] {
        let answer = String::from_utf8_lossy(&raw(server.url(), request.as_bytes())).into_owned();
        let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.0 4");
        assert!(refused, "{request:.60?} answered {answer:.200?}");
    }
    Client::public(server.url()).get("/health").expect(200);
}

/// A refusal that needs no body may come before the body has arrived. The connection then goes on, or its end is announced:
/// a client that reuses it otherwise loses its next request.
fn an_early_answer_leaves_the_connection_in_order(topology: Topology) {
    let server = Server::start(topology);
    let length = 100_000;
    let head = format!("POST {PRODUCTS} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
    let body = "x".repeat(length);
    let next = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let parts = [head.as_bytes(), body.as_bytes(), next.as_bytes()];
    let answers = String::from_utf8_lossy(&raw_in_parts(server.url(), &parts)).to_lowercase();
    assert!(answers.starts_with("http/1.1 401 "), "{answers}");
    let first = answers.split("\r\n\r\n").next().unwrap_or_default();
    assert!(answers.contains("http/1.1 200 ") || first.contains("connection: close"), "{answers}");
}
