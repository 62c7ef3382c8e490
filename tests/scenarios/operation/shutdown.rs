//! SIGTERM.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;
use testkit::{Deployment, Server, Topology, eventually, on_both};

use crate::people::register;
use crate::v1::{create_named, list, names};

on_both!(a_stopped_server_exits_with_0, requests_under_way_are_finished, a_server_starts_again_on_what_it_left);

fn a_stopped_server_exits_with_0(topology: Topology) {
    let mut server = Server::start(topology);
    let ada = register(&server);
    // The connection of this client stays open, and does not hold the server up.
    create_named(&ada.api, "kept");
    let status = server.terminate();
    assert_eq!(status.code(), Some(0), "{status}");
    server.restart();
    let api = server.client().with_token(&ada.token);
    assert_eq!(names(&api, ""), ["kept"]);
}

/// Clients that write without pause see answers until the listener closes; each answer stands.
fn requests_under_way_are_finished(topology: Topology) {
    let mut server = Server::start(topology);
    let ada = register(&server);
    let (created, stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
    let body = json!({ "name": "x", "price": 1 }).to_string();
    let headers = [("content-type", "application/json")];
    let write = || {
        while !stopped.load(Ordering::Relaxed) {
            match ada.api.try_send("POST", "/api/v1/products", &headers, Some(body.as_bytes())) {
                Ok(answer) if answer.status == 201 => created.fetch_add(1, Ordering::Relaxed),
                // Draining servers may say so.
                Ok(answer) => {
                    assert_eq!(answer.status, 503, "{}", answer.text());
                    break;
                }
                Err(_) => break,
            };
        }
    };
    let status = std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(write);
        }
        eventually("some products exist", || (created.load(Ordering::Relaxed) > 50).then_some(()));
        let status = server.terminate();
        stopped.store(true, Ordering::Relaxed);
        status
    });
    assert_eq!(status.code(), Some(0), "{status}");
    server.restart();
    let api = server.client().with_token(&ada.token);
    let total = list(&api, "")["pagination"]["total"].as_u64().expect("a total");
    let acknowledged = created.load(Ordering::Relaxed) as u64;
    // A request that arrived as the listener closed may have been done without its client hearing of it.
    assert!((acknowledged..=acknowledged + 4).contains(&total), "{acknowledged} acknowledged, {total} exist");
}

fn a_server_starts_again_on_what_it_left(topology: Topology) {
    let mut server = Deployment::new(topology).start();
    let ada = register(&server);
    for round in 0..3 {
        let api = server.client().with_token(&ada.token);
        create_named(&api, &format!("{round}"));
        assert_eq!(names(&api, "").len(), round + 1);
        server.restart();
    }
}

/// A stopped server's files are whole without their write-ahead logs, and nobody else's to read.
#[test]
fn the_files_of_a_stopped_server_can_be_copied() {
    let mut server = Server::start(Topology::Sqlite);
    let ada = register(&server);
    create_named(&ada.api, "kept");
    server.terminate();
    let copy = Deployment::new(Topology::Sqlite);
    std::fs::create_dir(copy.data_folder()).expect("an empty deployment has no data");
    for file in ["auth.db", "products.db", "keys.json"] {
        let original = server.data_folder().join(file);
        let mode = std::fs::metadata(&original).expect("the file is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file}: mode {mode:o}");
        std::fs::copy(original, copy.data_folder().join(file)).expect("the file can be copied");
    }
    let copied = copy.start();
    assert_eq!(names(&copied.client().with_token(&ada.token), ""), ["kept"]);
}
