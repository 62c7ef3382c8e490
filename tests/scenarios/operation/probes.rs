//! The listener of operators.

use testkit::{Client, Server, Topology, on_each};

on_each!(a_running_server_is_live_and_ready, a_folder_in_use_is_not_disturbed);

fn a_running_server_is_live_and_ready(topology: Topology) {
    let server = Server::start(topology);
    assert_ne!(server.url(), server.admin_url());
    let operator = Client::plain(server.admin_url());
    for path in ["/livez", "/readyz"] {
        operator.get(path).expect(200);
    }
    operator.get("/api/v1/products").expect(404);
    operator.get("/health").expect(404);
}

/// Commands run while `serve` has the store open.
fn a_folder_in_use_is_not_disturbed(topology: Topology) {
    let server = Server::start(topology);
    for _ in 0..2 {
        server.run(&["migrate"]).expect_code(0);
        server.run(&["config", "check"]).expect_code(0);
    }
    let operator = Client::plain(server.admin_url());
    operator.get("/readyz").expect(200);
    server.client().get("/health").expect(200);
}
