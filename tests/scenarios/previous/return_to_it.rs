//! The release before comes back to a store that this one has served.

use serde_json::json;
use testkit::{Client, Server, Topology, on_both};

use super::{Account, Releases, commit, hold, releases, sell, stop};
use crate::people::{self, PASSWORD};
use crate::selling::{PRODUCTS, create, id, on_sale, plain, stock, variant_path, verified};
use crate::v1;
use crate::v2::{self, patch};

on_both!(the_release_before_still_serves_it, the_release_before_serves_a_store_of_this_one);

const ME: &str = "/api/v2/me";

fn the_release_before_still_serves_it(topology: Topology) {
    let Some(releases) = releases(topology) else { return };
    let old = releases.before.clone().start();
    let early = Account::new(&old);
    stop(old);
    serve_in_turn(&releases, &early);
}

fn the_release_before_serves_a_store_of_this_one(topology: Topology) {
    let Some(releases) = releases(topology) else { return };
    let new = releases.present.clone().start();
    let early = Account::new(&new);
    stop(new);
    serve_in_turn(&releases, &early);
}

fn serve_in_turn(releases: &Releases, early: &Account) {
    let new = releases.present.clone().start();
    let admin = Account::log_in(&new, &people::administrator(&new).email);
    let (young, away) = (Account::new(&new), Account::new(&new));
    let (seller, buyer) = (early.at(&new), young.at(&new));
    let lamp = on_sale(&seller, 5);
    let hidden = variant_path(&on_sale(&away.at(&new), 1));
    let held = hold(&buyer, &lamp, 2);
    // What is new in the store: an address that is pending, a seller off sale, guesses that are counted, a mark of the store.
    let away_id = id(&away.at(&new).get(ME).expect(200).json());
    patch(&seller, ME, "*", &json!({ "email": "wanted@example.com" })).expect(200);
    set_active(&admin.at(&new), &away_id, false);
    new.client().get(&hidden).expect(404);
    v2::open(&new.client(), &early.email, "Wrong-1-guess").expect(401);
    let store = mark(&new);
    stop(new);

    // It knows nothing of that, and leaves it alone.
    let old = releases.before.clone().start();
    Account::log_in(&old, &early.email);
    let (seller, buyer) = (early.at(&old), young.at(&old));
    let me = seller.get(ME).expect(200).json();
    assert_eq!((&me["email"], me.get("pending_email")), (&json!(early.email), None));
    patch(&seller, ME, "*", &json!({ "username": "of_before" })).expect(200);
    sell(&buyer, &lamp, 1);
    create(&seller, &plain("Of before"));
    old.client().get(PRODUCTS).expect(200);
    v1::log_in(&old.client(), &away.email, PASSWORD).expect(401);
    stop(old);

    let new = releases.present.clone().start();
    let (seller, buyer) = (early.at(&new), young.at(&new));
    let me = seller.get(ME).expect(200).json();
    assert_eq!((&me["username"], &me["pending_email"]), (&json!("of_before"), &json!("wanted@example.com")));
    new.client().get(&hidden).expect(404);
    set_active(&admin.at(&new), &away_id, true);
    new.client().get(&hidden).expect(200);
    assert_eq!(commit(&buyer, &held)["state"], "committed");
    assert_eq!(stock(&seller, &lamp), [2, 0, 2]);
    assert_eq!(mark(&new), store);
    verified(&new);
}

fn set_active(admin: &Client, account: &str, active: bool) {
    patch(admin, &format!("/api/v2/users/{account}"), "*", &json!({ "active": active })).expect(200);
}

/// The store that the databases say they are of.
fn mark(server: &Server) -> Vec<Vec<String>> {
    let marks = ["auth", "products"].map(|service| server.sql(service, "select id from store"));
    assert_eq!(marks[0], marks[1]);
    marks.concat()
}
