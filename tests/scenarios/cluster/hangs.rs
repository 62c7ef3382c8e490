//! SIGSTOP: processes that keep their connections open and say nothing.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::{Client, Deployment, Server, Topology, eventually};

use super::{SERVICES, answered, assert_unavailable, pair};
use crate::people;
use crate::selling::{PRODUCTS, administrator};

/// How long a request may take, by the server's settings: enough to find out that a process hangs, and to ask another.
const DEADLINE: Duration = Duration::from_secs(3);
/// For calls that have nowhere else to go.
const SHORT_DEADLINE: Duration = Duration::from_secs(2);
/// What the gateway may add to that.
const MARGIN: Duration = Duration::from_millis(100);
/// Requests that a gateway takes on at a time. One service gets half of them.
const PLACES: usize = 200;
/// Connections that ask for what hangs: more than the gateway has places.
const CROWD: usize = 300;
/// Of each route, whose latency is compared.
const SAMPLES: usize = 60;

fn start(deadline: Duration) -> Server {
    let deadline = format!("{} s", deadline.as_secs());
    let deployment = Deployment::new(Topology::Split).set("HTTP__REQUEST_TIMEOUT", &deadline);
    deployment.set("HTTP__MAX_REQUESTS", &PLACES.to_string()).start()
}

#[test]
fn the_other_process_of_a_service_answers() {
    let server = start(DEADLINE);
    let admin = administrator(&server);
    for (role, read) in SERVICES {
        let [name, other] = pair(role);
        admin.get(read).expect(200);
        let before = answered(&server, &other);
        server.member(&name).signal("STOP");
        for _ in 0..20 {
            admin.get(read).expect(200);
        }
        assert!(answered(&server, &other) >= before + 20.0, "{other} answered");
        let before = answered_after(&server, &name);
        eventually("it is asked again", || {
            admin.get(read).expect(200);
            (answered(&server, &name) > before).then_some(())
        });
    }
}

/// Has it go on, and counts what it has answered by then.
fn answered_after(server: &Server, name: &str) -> f64 {
    server.member(name).signal("CONT");
    // What waited in its sockets is answered too, to nobody.
    thread::sleep(MARGIN);
    answered(server, name)
}

/// A hung gateway keeps nobody from the other, and goes on where it was.
#[test]
fn a_gateway_that_hangs_is_alone_in_it() {
    let server = start(DEADLINE);
    let urls = super::gateways(&server);
    let [first, second] = [&urls[0], &urls[1]].map(|url| Client::impatient(url, DEADLINE));
    let token = people::register(&server).token;
    server.member("gateway-1").signal("STOP");
    assert!(first.try_send("GET", "/health", &[], None).is_err(), "it hangs");
    for _ in 0..20 {
        second.get("/api/v2/products").expect(200);
        second.with_token(&token).get("/api/v1/auth/me").expect(200);
    }
    server.member("gateway-1").signal("CONT");
    eventually("it answers again", || first.try_send("GET", "/health", &[], None).ok());
    first.with_token(&token).get("/api/v1/auth/me").expect(200);
}

/// Neither its latency nor its places are lent to a service that hangs.
#[test]
fn a_service_that_hangs_as_a_whole_holds_up_nobody_else() {
    let server = start(SHORT_DEADLINE);
    let admin = administrator(&server);
    for (role, read) in SERVICES {
        // Whose token is checked, waits for auth.
        let other = if role == "auth" { server.client() } else { admin.clone() };
        let reads = elsewhere(role);
        let ask = || latencies(&other, &reads);
        let before = ask();
        let members = pair(role);
        members.iter().for_each(|name| server.member(name).signal("STOP"));
        thread::scope(|scope| {
            let waiting = [(); 3].map(|()| scope.spawn(|| refused_after(&admin, read)));
            // They come first; most of the crowd takes the rest of the service's places.
            thread::sleep(MARGIN);
            let _crowd = crowd(server.url(), read);
            let meanwhile = ask();
            // Twice as long is noise on a busy machine; to wait for what hangs takes a hundred times as long.
            assert!(meanwhile <= before * 3 + MARGIN, "{role} hangs, p95 of others: {before:?}, now {meanwhile:?}");
            let waited = waiting.map(|waiting| waiting.join().expect("a refusal"));
            println!("{role} hangs, p95 of others: {before:?}, now {meanwhile:?}; own calls: {waited:?}");
            assert!(waited.iter().all(|took| *took <= SHORT_DEADLINE + MARGIN), "{role}: {waited:?}");
        });
        // By now it is known, and told at once.
        let took = refused_after(&admin, read);
        assert!(took < SHORT_DEADLINE / 2, "{role}: {took:?}");
        members.iter().for_each(|name| server.member(name).signal("CONT"));
        let back = Instant::now();
        eventually("it answers again", || (admin.get(read).status == 200).then_some(()));
        assert!(back.elapsed() < Duration::from_secs(10), "{role}: {:?}", back.elapsed());
    }
}

/// Though requests may take half a minute: reads, and changes that nobody may send a second time.
#[test]
fn what_is_on_its_way_to_a_service_that_hangs_ends() {
    let server = Deployment::new(Topology::Split).start();
    let admin = administrator(&server);
    let plain = json!({ "name": "On its way", "price": { "amount": 100, "currency": "USD" } });
    let ask = |number: usize| {
        let began = Instant::now();
        let answer =
            if number.is_multiple_of(2) { admin.get("/api/v2/me/products") } else { admin.post(PRODUCTS, &plain) };
        (began.elapsed(), answer)
    };
    pair("products").iter().for_each(|name| server.member(name).signal("STOP"));
    thread::scope(|scope| {
        let asked: Vec<_> = (0..16).map(|number| scope.spawn(move || ask(number))).collect();
        for (took, answer) in asked.into_iter().map(|asked| asked.join().expect("an answer")) {
            assert_unavailable(&answer);
            assert!(took <= SHORT_DEADLINE, "refused after {took:?}");
        }
    });
    pair("products").iter().for_each(|name| server.member(name).signal("CONT"));
    eventually("it answers again", || (admin.post(PRODUCTS, &plain).status == 201).then_some(()));
}

/// How long it takes to be told that something is missing.
fn refused_after(client: &Client, read: &str) -> Duration {
    let began = Instant::now();
    let answer = client.get(read);
    let took = began.elapsed();
    assert_unavailable(&answer);
    took
}

/// Reads that a service has no part in.
fn elsewhere(role: &str) -> Vec<&'static str> {
    let others = SERVICES.iter().filter(|(other, _)| *other != role);
    // Lists of accounts come from auth too.
    others.filter(|(other, _)| role != "auth" || *other != "users").map(|(_, read)| *read).collect()
}

/// The 95th percentile of how long these reads take, one after the other.
fn latencies(client: &Client, reads: &[&str]) -> Duration {
    let mut took: Vec<Duration> = (0..SAMPLES)
        .flat_map(|_| reads)
        .map(|read| {
            let began = Instant::now();
            client.get(read).expect(200);
            began.elapsed()
        })
        .collect();
    took.sort_unstable();
    took[took.len() * 95 / 100]
}

/// Many who ask, and wait.
fn crowd(url: &str, path: &str) -> Vec<TcpStream> {
    let address = url.trim_start_matches("http://");
    let ask = |_| {
        let mut stream = TcpStream::connect(address).expect("the gateway listens");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").expect("an open connection");
        stream
    };
    (0..CROWD).map(ask).collect()
}
