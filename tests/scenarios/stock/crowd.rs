//! Many clients who do not give up.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::{Client, Deployment, PATIENCE, Response, Server, Topology, free_port};

use crate::people::PASSWORD;
use crate::selling::{RESERVATIONS, basket};
use crate::v1::text;
use crate::v2::{self, register};

/// As many of something as a variable asks for, else the default.
pub fn wanted(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |wanted| wanted.parse().expect("a number"))
}

/// A server whose members come back where they were.
pub fn start(topology: Topology) -> Server {
    let deployment = Deployment::new(topology);
    match topology {
        Topology::Split => deployment.start(),
        _ => deployment.arg(&format!("--http-listen=127.0.0.1:{}", free_port())).start(),
    }
}

/// One who asks until there is a final answer: of another gateway where nobody answers, again on 503, and again while their own
/// request is still being worked on.
#[derive(Clone)]
pub struct Tireless {
    gateways: Vec<Client>,
}

impl Tireless {
    /// Acts for whoever has this token.
    pub fn new(server: &Server, token: &str) -> Self {
        Self { gateways: server.urls().iter().map(|url| Client::plain(url).with_token(token)).collect() }
    }

    /// Somebody new.
    pub fn stranger(server: &Server) -> Self {
        Self::new(server, &token(server, &register(server)))
    }

    /// Posts with a key, however often it takes; the answer is the only one.
    pub fn post_once(&self, path: &str, key: &str, body: &Value) -> Response {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        self.send("POST", path, &headers, Some(body.to_string().as_bytes()))
    }

    /// Does what may be done again.
    pub fn repeat(&self, method: &str, path: &str) -> Response {
        self.send(method, path, &[], None)
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Response {
        static TURN: AtomicUsize = AtomicUsize::new(0);
        let began = Instant::now();
        let mut last = String::new();
        while began.elapsed() < PATIENCE {
            let gateway = &self.gateways[TURN.fetch_add(1, Ordering::Relaxed) % self.gateways.len()];
            match gateway.try_send(method, path, headers, body) {
                Ok(answer) if answer.status == 503 || is_in_flight(&answer) => last = answer.text(),
                Ok(answer) => return answer,
                Err(error) => last = error.to_string(),
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("{method} {path}: no final answer, but {last}");
    }
}

/// A token of a new session.
pub fn token(server: &Server, email: &str) -> String {
    text(&v2::open(&server.client(), email, PASSWORD).expect(201).json()["access_token"])
}

fn is_in_flight(answer: &Response) -> bool {
    answer.status == 409 && answer.json()["code"] == "idempotency-in-flight"
}

/// Says that something is over when it is dropped, also because a test has failed.
pub struct Ends<'o>(pub &'o AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Has so many numbers worked on by so many threads, one after the other.
pub fn each(numbers: usize, threads: usize, next: &AtomicUsize, work: impl Fn(usize) + Sync) {
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= numbers {
                        return;
                    }
                    work(number);
                }
            });
        }
    });
}

/// Buyers who hang up as soon as they have asked.
pub struct Hasty {
    gateways: Vec<String>,
    token: String,
    variant: String,
}

impl Hasty {
    pub fn new(server: &Server, variant: &str) -> Self {
        let gateways = server.urls().iter().map(|url| url.trim_start_matches("http://").to_owned()).collect();
        Self { gateways, token: token(server, &register(server)), variant: variant.to_owned() }
    }

    pub fn ask_and_leave(&self, number: usize, quantity: i64) {
        let body = basket(&[(&self.variant, quantity)]).to_string();
        let request = format!(
            "POST {RESERVATIONS} HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Idempotency-Key: hasty-{number}\r\nContent-Length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        // Nobody is told whether anybody listens.
        if let Ok(mut stream) = TcpStream::connect(&self.gateways[number % self.gateways.len()]) {
            let _ = stream.write_all(request.as_bytes());
        }
    }
}
