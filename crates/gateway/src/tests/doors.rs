//! The door between processes.

use axum::http::{HeaderValue, Method};
use mesh::Speaker;

use super::*;

struct Inner {
    socket: SocketAddr,
    statement_keys: Arc<StatementKeys>,
    _stop: watch::Sender<bool>,
    folder: tempfile::TempDir,
}

impl Inner {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let statement_keys = statement_keys(folder.path());
        let slow = async || tokio::time::sleep(PATIENCE).await;
        let routes = Router::new()
            .route("/api/v2/products", axum::routing::get(async || "in").post(async || "made"))
            .route("/internal/slow", axum::routing::get(slow));
        let router = crate::internal(routes, Arc::clone(&statement_keys), context(), &settings());
        let (socket, _stop, _) = listen(router, Protocols::Http1AndH2c);
        Self { socket, statement_keys, _stop, folder }
    }

    async fn ask(&self, method: &str, target: &str, headers: &str) -> String {
        let mut stream = TcpStream::connect(self.socket).await.unwrap();
        let request = format!("{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        rest(&mut stream).await
    }

    fn signed(&self, method: &Method, target: &str) -> String {
        let statement = self.statement_keys.sign(Speaker::Service("users".into()), method, target, b"").unwrap();
        line(&statement)
    }
}

fn line(statement: &HeaderValue) -> String {
    format!("Primetrade-Statement: {}\r\n", statement.to_str().unwrap())
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn nobody_comes_in_without_a_statement_of_this_very_request() {
    let inner = Inner::start();
    let path = "/api/v2/products";
    let good = inner.signed(&Method::GET, path);
    assert_eq!(status(&inner.ask("GET", path, &good).await), "200");
    let query = inner.signed(&Method::GET, "/api/v2/products?a=b");
    assert_eq!(status(&inner.ask("GET", "/api/v2/products?a=b", &query).await), "200");
    let strangers = StatementKeys::open(&inner.folder.path().join("another.json"), context()).unwrap();
    let forged = line(&strangers.sign(Speaker::Service("users".into()), &Method::GET, path, b"").unwrap());
    for (what, method, target, headers) in [
        ("none", "GET", path, ""),
        ("none, at an endpoint that there is not", "GET", "/nothing", ""),
        ("of another key", "GET", path, &*forged),
        ("of another path", "GET", "/internal/slow", &good),
        ("of another method", "HEAD", path, &good),
        ("of another query", "GET", "/api/v2/products?", &good),
        ("nonsense", "GET", path, "Primetrade-Statement: a.b\r\n"),
        ("a token instead", "GET", path, "Authorization: Bearer a.b.c\r\n"),
    ] {
        let answer = inner.ask(method, target, headers).await;
        assert_eq!(status(&answer), "403", "{what}: {answer}");
    }
    let (post, body) = (Method::POST, "{\"price\":1}");
    let statement =
        line(&inner.statement_keys.sign(Speaker::Service("users".into()), &post, path, body.as_bytes()).unwrap());
    for (body, expected) in [(body, "200"), ("{\"price\":2}", "403"), ("", "403")] {
        let length = format!("{statement}Content-Length: {}\r\n\r\n{body}", body.len());
        assert_eq!(status(&inner.ask("POST", path, &length).await), expected, "{body}");
    }
    let bodiless = format!("{}Content-Length: 2\r\n\r\n{{}}", inner.signed(&post, path));
    assert_eq!(status(&inner.ask("POST", path, &bodiless).await), "403", "a body that was added");
    let unread = "Transfer-Encoding: chunked\r\n";
    assert_eq!(status(&inner.ask("POST", path, unread).await), "403", "before anything of it is read");
}

#[tokio::test]
async fn who_asks_says_how_long_they_wait() {
    let inner = Inner::start();
    let signed = inner.signed(&Method::GET, "/internal/slow");
    let began = tokio::time::Instant::now();
    let answer = inner.ask("GET", "/internal/slow", &format!("{signed}Primetrade-Timeout-Ms: 100\r\n")).await;
    assert_eq!(status(&answer), "503", "{answer}");
    // The listener's own time is ten seconds.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn keys_are_replaced_while_statements_are_on_their_way() {
    let inner = Inner::start();
    let (path, file) = ("/api/v2/products", inner.folder.path().join("internal.json"));
    let first = inner.signed(&Method::GET, path);
    assert_eq!(StatementKeys::rotate(&file, &context()).unwrap(), 1);
    assert_eq!(status(&inner.ask("GET", path, &first).await), "200", "the old key still verifies");
    let newest = StatementKeys::open(&file, context()).unwrap();
    let newest = line(&newest.sign(Speaker::Service("users".into()), &Method::GET, path, b"").unwrap());
    assert_ne!(newest, first);
    assert_eq!(status(&inner.ask("GET", path, &newest).await), "200", "the new one is known at once");
}
