//! Services that are not there yet, and a database that goes away and comes back.

use std::time::{Duration, Instant};

use testkit::postgres::Cluster;
use testkit::{Client, Deployment, Server, Topology, eventually};

use super::load::{Load, Manner};
use super::{SERVICES, assert_unavailable, clients, pair, token};
use crate::people;
use crate::v1;
use crate::v2::assert_problem;

/// For what is found, or recovers, by itself.
const SOON: Duration = Duration::from_secs(10);

/// Those who need a service start without it.
#[test]
fn a_service_that_comes_late_is_found() {
    let mut server = Server::start(Topology::Split);
    let admin = token(&server, &people::administrator(&server).email);
    let needed_by: [(&str, &[&str]); 3] =
        [("users", &["gateway"]), ("products", &["users", "gateway"]), ("auth", &["products", "users", "gateway"])];
    for (role, needed_by) in needed_by {
        pair(role).iter().for_each(|name| server.kill9_member(name));
        for name in needed_by.iter().copied().flat_map(pair) {
            server.restart_member(&name);
            Client::plain(&server.member(&name).admin_url).get("/readyz").expect(200);
        }
        for client in clients(&server) {
            assert_absent(&client, &admin, role);
        }
        pair(role).iter().for_each(|name| server.restart_member(name));
        let back = Instant::now();
        for client in clients(&server) {
            for (_, read) in SERVICES {
                eventually("it is found", || (client.with_token(&admin).get(read).status == 200).then_some(()));
            }
        }
        assert!(back.elapsed() < SOON, "{role}: {:?}", back.elapsed());
    }
}

/// Its own routes say so in the words of each version; the others work, but for those that need to know who calls.
#[track_caller]
fn assert_absent(client: &Client, admin: &str, role: &str) {
    for (other, read) in SERVICES {
        let as_admin = client.with_token(admin).get(read);
        let as_nobody = client.get(read);
        match (role, other) {
            _ if role == other => {
                assert_problem(&as_nobody, 503, "unavailable");
                assert_unavailable(&as_nobody);
                assert_unavailable(&as_admin);
            }
            ("auth", "products") => drop(as_nobody.expect(200)),
            ("auth", _) => assert_unavailable(&as_admin),
            _ => drop(as_admin.expect(200)),
        }
    }
    let path = match role {
        "auth" => "/api/v1/auth/me",
        "products" => "/api/v1/products",
        _ => "/api/v1/users",
    };
    let answer = client.get(path);
    v1::assert_refused(&answer, 503);
    assert_unavailable(&answer);
    client.get("/health").expect(200);
}

/// Nobody is started anew, and what was acknowledged is there.
#[test]
fn a_database_that_comes_back_is_used_again() {
    let mut postgres = Cluster::start_own();
    let server = Deployment::on(Topology::Split, &postgres).start();
    let load = Load::of(&server);
    let with_data: Vec<String> = ["auth", "products", "users"].into_iter().flat_map(pair).collect();
    let ready = |name: &str| Client::plain(&server.member(name).admin_url).get("/readyz").status;
    let all_say = |status| with_data.iter().all(|name| ready(name) == status).then_some(());
    let report = load.during(&[Manner::Again; 4], |run| {
        run.goes_on(100);
        assert!(run.look(|report| report.failed_again.is_empty()), "all is well");
        for _ in 0..2 {
            postgres.stop();
            eventually("they are not ready", || all_say(503));
            assert_eq!(["gateway-1", "notifications-1"].map(ready), [200, 200], "they have no database");
            assert_unavailable(&server.client().get("/api/v2/products"));
            postgres.resume();
            let back = Instant::now();
            eventually("they are ready", || all_say(200));
            run.goes_on(100);
            assert!(back.elapsed() < SOON, "{:?}", back.elapsed());
            let before = run.look(|report| report.failed_again.len());
            run.goes_on(200);
            let failed = run.look(|report| report.failed_again[before..].to_vec());
            assert!(failed.is_empty(), "all is well again: {failed:#?}");
        }
    });
    load.assert_kept(&report);
}
