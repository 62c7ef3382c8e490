//! Pages of other origins.

use testkit::{Client, Deployment, Response, Topology, on_each};

on_each!(configured_origins_may_call_with_credentials, other_origins_may_not, without_configured_origins_none_may,);

const ALLOW_ORIGIN: &str = "access-control-allow-origin";
const ALLOW_CREDENTIALS: &str = "access-control-allow-credentials";
const SHOP: &str = "http://localhost:3000";
const OFFICE: &str = "https://office.example";

fn with_origins(topology: Topology) -> testkit::Server {
    let origins = format!("{SHOP},{OFFICE}");
    Deployment::new(topology).set("HTTP__CORS_ORIGINS", &origins).start()
}

fn from(client: &Client, origin: &str, method: &str, path: &str) -> Response {
    client.send(method, path, &[("origin", origin)], None)
}

fn preflight(client: &Client, origin: &str, method: &str) -> Response {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", method),
        ("access-control-request-headers", "authorization,content-type,idempotency-key"),
    ];
    client.send("OPTIONS", "/api/v1/products", &headers, None)
}

fn configured_origins_may_call_with_credentials(topology: Topology) {
    let server = with_origins(topology);
    let client = server.client();
    for origin in [SHOP, OFFICE] {
        // Errors too: a page must be able to read why it was refused.
        for (path, status) in [("/health", 200), ("/api/v1/products", 401), ("/api/nothing", 404)] {
            let answer = from(&client, origin, "GET", path).expect(status);
            assert_eq!(answer.header(ALLOW_ORIGIN), Some(origin), "{path}");
            assert_eq!(answer.header(ALLOW_CREDENTIALS), Some("true"), "{path}");
            // Caches must not hand one origin's answer to another.
            let vary = answer.header("vary").unwrap_or_default().to_lowercase();
            assert!(vary.contains("origin"), "{path}: vary {vary:?}");
        }
        for method in ["GET", "POST", "PUT", "DELETE"] {
            let answer = preflight(&client, origin, method);
            assert!((200..300).contains(&answer.status), "{method}: {}", answer.status);
            assert_eq!(answer.header(ALLOW_ORIGIN), Some(origin), "{method}");
            assert_eq!(answer.header(ALLOW_CREDENTIALS), Some("true"), "{method}");
            let list = |name| answer.header(name).unwrap_or_default().to_lowercase();
            assert!(list("access-control-allow-methods").contains(&method.to_lowercase()));
            for header in ["authorization", "content-type", "idempotency-key"] {
                // With credentials a `*` would be the literal name of a header.
                assert!(list("access-control-allow-headers").contains(header), "{header}");
            }
        }
    }
}

fn other_origins_may_not(topology: Topology) {
    let server = with_origins(topology);
    assert_closed(
        &server.client(),
        &[
            "http://evil.example",
            "https://localhost:3000",
            "http://localhost:3001",
            "http://localhost:30000",
            "http://evil-office.example",
            "https://office.example.evil.example",
            "null",
        ],
    );
}

fn without_configured_origins_none_may(topology: Topology) {
    let server = Deployment::new(topology).start();
    assert_closed(&server.client(), &[SHOP, OFFICE, "null"]);
}

/// Neither an answer nor a preflight gives these origins anything.
#[track_caller]
fn assert_closed(client: &Client, origins: &[&str]) {
    for origin in origins {
        let answer = from(client, origin, "GET", "/health").expect(200);
        assert_eq!(answer.header(ALLOW_ORIGIN), None, "{origin}");
        let answer = preflight(client, origin, "GET");
        assert_eq!(answer.header(ALLOW_ORIGIN), None, "{origin}");
    }
}
