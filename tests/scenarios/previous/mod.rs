//! The release before this one and this one on the same store: one after the other, and beside each other.
//!
//! `make previous` builds it. Where that cannot be, these say that they did not run.

mod beside;
mod meaning;
mod return_to_it;

use serde_json::{Value, json};
use testkit::{Client, Deployment, Outcome, Server, Topology};

use crate::people::{self, PASSWORD, unique};
use crate::selling::{RESERVATIONS, basket, id, variant_path};
use crate::v1::text;
use crate::v2::{self, walk};

/// An empty store, as each of the two releases serves it.
struct Releases {
    before: Deployment,
    present: Deployment,
}

/// `None` where the release before is not there.
fn releases(topology: Topology) -> Option<Releases> {
    let before = testkit::previous()?;
    let present = Deployment::new(topology);
    Some(Releases { before: present.under(&before), present })
}

/// Somebody with a session of each API, which any server of the store knows.
struct Account {
    email: String,
    token_of_v1: String,
    token: String,
    refresh_token: String,
}

impl Account {
    #[track_caller]
    fn new(server: &Server) -> Self {
        Self::log_in(server, &people::register(server).email)
    }

    #[track_caller]
    fn log_in(server: &Server, email: &str) -> Self {
        let tokens = v2::open(&server.client(), email, PASSWORD).expect(201).json();
        Self {
            email: email.to_owned(),
            token_of_v1: people::log_in(server, email).token,
            token: text(&tokens["access_token"]),
            refresh_token: text(&tokens["refresh_token"]),
        }
    }

    /// Acts through v2.
    fn at(&self, server: &Server) -> Client {
        server.client().with_token(&self.token)
    }

    /// Acts through v1.
    fn through_v1(&self, server: &Server) -> Client {
        server.client().with_token(&self.token_of_v1)
    }
}

#[track_caller]
fn stop(mut server: Server) {
    assert!(server.terminate().success());
}

#[track_caller]
fn import(deployment: &Deployment, owner: &str, csv: &str) -> Outcome {
    let file = deployment.folder().join(format!("{}.csv", unique("shop")));
    std::fs::write(&file, csv).expect("a file");
    deployment.run(&["import", "csv", &file.display().to_string(), "--owner", owner]).expect_code(0)
}

fn pot(title: &str, quantity: i64) -> String {
    format!("Handle,Title,Status,Variant Price,Variant Inventory Qty\npot,{title},active,9.99,{quantity}\n")
}

fn products(api: &Client) -> Vec<Value> {
    walk(api, "/api/v2/me/products?", 100)
}

/// One of one's own products.
#[track_caller]
fn product(api: &Client, handle: &str) -> Value {
    products(api).into_iter().find(|product| product["handle"] == handle).expect("the product")
}

/// The only variant of one's own product.
#[track_caller]
fn variant(api: &Client, handle: &str) -> Value {
    product(api, handle)["variants"][0].clone()
}

fn on_hand(api: &Client, handle: &str) -> i64 {
    variant(api, handle)["stock"]["on_hand"].as_i64().expect("a number")
}

#[track_caller]
fn hold(buyer: &Client, variant: &Value, units: i64) -> Value {
    buyer.post(RESERVATIONS, &basket(&[(&id(variant), units)])).expect(201).json()
}

#[track_caller]
fn commit(buyer: &Client, reservation: &Value) -> Value {
    buyer.post(&format!("{RESERVATIONS}/{}/commit", id(reservation)), &json!({})).expect(200).json()
}

#[track_caller]
fn sell(buyer: &Client, variant: &Value, units: i64) {
    commit(buyer, &hold(buyer, variant, units));
}

#[track_caller]
fn adjust(api: &Client, variant: &Value, change: &Value) {
    api.post(&format!("{}/stock-adjustments", variant_path(variant)), change).expect(201);
}
