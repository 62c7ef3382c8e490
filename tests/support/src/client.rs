//! A small blocking HTTP client. Every status is an answer, never an error.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use ureq::http::{HeaderMap, Method, Request};

use crate::contract;
use crate::wait::PATIENCE;

const JSON: (&str, &str) = ("content-type", "application/json");

/// Talks to one listener, as one caller. Clones share their connections.
#[derive(Clone)]
pub struct Client {
    agent: ureq::Agent,
    base: Arc<str>,
    token: Option<Arc<str>>,
    /// Whether each answer must be as the public listener promises.
    public: bool,
}

impl Client {
    /// A client of the public listener: each answer must carry `X-Content-Type-Options` and `X-Request-Id`, and be one that
    /// the committed OpenAPI documents declare.
    pub fn public(base: &str) -> Self {
        Self { public: true, ..Self::plain(base) }
    }

    /// A client without expectations.
    pub fn plain(base: &str) -> Self {
        Self::impatient(base, PATIENCE)
    }

    /// A client without expectations, which gives up on a request after so long.
    pub fn impatient(base: &str, patience: Duration) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(patience))
            .tls_config(crate::tls::client())
            .build();
        Self { agent: config.new_agent(), base: base.into(), token: None, public: false }
    }

    /// The same client, with this bearer token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// The same caller, of another listener, without expectations.
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.into(), public: false, ..self.clone() }
    }

    /// The same client, without a token.
    pub fn anonymous(&self) -> Self {
        Self { token: None, ..self.clone() }
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        self.send("GET", path, &[], None)
    }

    #[track_caller]
    pub fn delete(&self, path: &str) -> Response {
        self.send("DELETE", path, &[], None)
    }

    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Response {
        self.post_text(path, &body.to_string())
    }

    #[track_caller]
    pub fn put(&self, path: &str, body: &Value) -> Response {
        self.put_text(path, &body.to_string())
    }

    /// Posts text as JSON, whether it is valid or not.
    #[track_caller]
    pub fn post_text(&self, path: &str, body: &str) -> Response {
        self.send("POST", path, &[JSON], Some(body.as_bytes()))
    }

    /// Puts text as JSON, whether it is valid or not.
    #[track_caller]
    pub fn put_text(&self, path: &str, body: &str) -> Response {
        self.send("PUT", path, &[JSON], Some(body.as_bytes()))
    }

    /// Posts JSON with one more header.
    #[track_caller]
    pub fn post_with(&self, path: &str, header: (&str, &str), body: &Value) -> Response {
        self.send("POST", path, &[JSON, header], Some(body.to_string().as_bytes()))
    }

    /// Posts an HTML form.
    #[track_caller]
    pub fn post_form(&self, path: &str, form: &str) -> Response {
        let header = ("content-type", "application/x-www-form-urlencoded");
        self.send("POST", path, &[header], Some(form.as_bytes()))
    }

    /// Sends anything. Header values may hold any bytes that HTTP allows.
    #[track_caller]
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Response {
        match self.try_send(method, path, headers, body) {
            Ok(response) => response,
            Err(error) => panic!("{method} {path}: {error}"),
        }
    }

    /// Sends what may fail, because the server may be gone.
    ///
    /// # Errors
    /// When no whole answer comes back.
    #[track_caller]
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<Response, ureq::Error> {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).expect("a method"))
            .uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, value.as_bytes());
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = match body {
            Some(body) => self.agent.run(request.body(body)?),
            None => self.agent.run(request.body(())?),
        }?;
        let (parts, body) = answer.into_parts();
        let response = Response {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.into_with_config().limit(u64::MAX).read_to_vec()?,
        };
        if self.public {
            response.assert_promises(method, path);
        }
        Ok(response)
    }
}

/// Whether a request was never sent, because nobody listens there.
pub fn is_refused(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        other => matches!(other, ureq::Error::ConnectionFailed),
    }
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Response {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("not JSON ({error}), status {}: {:?}", self.status, self.text()),
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The header's value, if it is there and readable.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Panics, showing the body, unless the status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "status; body: {}", self.text());
        self
    }

    /// What every reply of the public listener carries, errors too; and what its operation declares.
    #[track_caller]
    fn assert_promises(&self, method: &str, path: &str) {
        let told = format!("{method} {path} answered {}", self.status);
        let nosniff = self.header("x-content-type-options");
        assert_eq!(nosniff, Some("nosniff"), "{told}: X-Content-Type-Options");
        let request_id = self.header("x-request-id").unwrap_or_default();
        assert!(!request_id.is_empty(), "{told} without X-Request-Id");
        if let Err(difference) = contract::check(method, path, self) {
            panic!("{told} against its document: {difference}");
        }
    }
}

/// Sends bytes that need not be HTTP, and returns all that comes back until the server closes the connection. `address` is
/// a listener's URL. Ask for `Connection: close` in valid requests.
pub fn raw(address: &str, bytes: &[u8]) -> Vec<u8> {
    raw_in_parts(address, &[bytes])
}

/// The same with a pause between the parts, which so arrive one by one.
pub fn raw_in_parts(address: &str, parts: &[&[u8]]) -> Vec<u8> {
    let address = address.split("://").last().unwrap_or(address);
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_nodelay(true).expect("an open socket");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
    for (number, part) in parts.iter().enumerate() {
        if number > 0 {
            std::thread::sleep(Duration::from_millis(100));
        }
        // The server may answer and close before it has read everything; what it said still counts.
        let _ = stream.write_all(part);
    }
    let mut answer = Vec::new();
    let mut buffer = [0; 8192];
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..n]);
    }
    answer
}
