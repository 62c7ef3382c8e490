//! The release before comes back to a store that this one has served.

use serde_json::json;
use testkit::{Server, Topology, on_both};

use super::{Account, Releases, commit, hold, releases, sell, stop};
use crate::selling::{
    PRODUCTS, REPLAYED, RESERVATIONS, basket, create, id, on_sale, plain, post_once, stock, variant_path, verified,
};
use crate::v1::{NOBODY, text};
use crate::v2::patch;

on_both!(the_release_before_still_serves_it, the_release_before_serves_a_store_of_this_one);

const BATCH: &str = "/api/v2/batch/stock";

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
    let young = Account::new(&new);
    let (seller, buyer) = (early.at(&new), young.at(&new));
    let lamp = on_sale(&seller, 5);
    let held = hold(&buyer, &lamp, 2);
    // What only this one may have written: what is held, an answer to a batch, and whether buyers learn what is left.
    let product = text(&seller.get(&variant_path(&lamp)).expect(200).json()["product_id"]);
    patch(&seller, &format!("{PRODUCTS}/{product}"), "*", &json!({ "show_available": true })).expect(200);
    let items = json!([{ "variant_id": lamp["id"], "delta": 1 }, { "variant_id": NOBODY, "delta": 1 }]);
    let batch = json!({ "mode": "each", "reason": "counted", "items": items });
    let first = post_once(&seller, BATCH, "batch", &batch).expect(200);
    let store = mark(&new);
    stop(new);

    // It knows all of that.
    let old = releases.before.clone().start();
    let (seller, buyer) = (early.at(&old), young.at(&old));
    let again = post_once(&seller, BATCH, "batch", &batch).expect(200);
    assert_eq!((again.header(REPLAYED), &again.body), (Some("true"), &first.body));
    let extended =
        buyer.post(&format!("{RESERVATIONS}/{}/extend", id(&held)), &json!({ "ttl_seconds": 900 })).expect(200);
    assert_eq!(extended.json()["lines"], held["lines"]);
    sell(&buyer, &lamp, 1);
    create(&seller, &plain("Of before"));
    old.client().get(PRODUCTS).expect(200);
    stop(old);

    let new = releases.present.clone().start();
    let (seller, buyer) = (early.at(&new), young.at(&new));
    let again = post_once(&seller, BATCH, "batch", &batch).expect(200);
    assert_eq!((again.header(REPLAYED), &again.body), (Some("true"), &first.body));
    let refused = buyer.post(RESERVATIONS, &basket(&[(&id(&lamp), 4)]));
    assert_eq!(refused.json()["errors"][0]["available"], 3, "{}", refused.text());
    let sold = commit(&buyer, &held);
    assert_eq!((&sold["state"], &sold["lines"]), (&json!("committed"), &held["lines"]));
    assert_eq!(stock(&seller, &lamp), [3, 0, 3]);
    assert_eq!(mark(&new), store);
    verified(&new);
}

/// The store that the databases say they are of.
fn mark(server: &Server) -> Vec<Vec<String>> {
    let marks = ["auth", "products"].map(|service| server.sql(service, "select id from store"));
    assert_eq!(marks[0], marks[1]);
    marks.concat()
}
