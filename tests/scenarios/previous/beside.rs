//! Both releases at once, on one PostgreSQL, as while processes are replaced one after the other.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use serde_json::json;
use testkit::{Client, Server, Topology, eventually};

use super::{Account, Releases, adjust, commit, hold, import, on_hand, pot, product, releases, sell, variant};
use crate::selling::{
    RESERVATIONS, administrator, basket, create, id, on_sale, path, plain, stock, usd, variant_path, verified,
};
use crate::stock::crowd::each;
use crate::v2::{self, delete, etag, patch};

const UNITS: i64 = 40;
const BUYERS: usize = 120;
const THREADS: usize = 12;

#[test]
fn both_serve_beside_each_other() {
    let Some(Releases { before, present }) = releases(Topology::Postgres) else { return };
    // This one comes to a store that the other is serving.
    let old = before.start();
    let (seller, buyer) = (Account::new(&old), Account::new(&old));
    let chair = create(&seller.at(&old), &plain("Chair"));
    let new = present.start();
    let (here, there) = (seller.at(&new), seller.at(&old));

    // What either writes is what the other reads, at once.
    patch(&here, &path(&chair), "*", &json!({ "vendor": "New", "seo_title": "Buy it" })).expect(200);
    let read = there.get(&path(&chair)).expect(200);
    assert_eq!(read.json()["vendor"], "New");
    patch(&there, &path(&chair), &etag(&read), &json!({ "name": "Armchair" })).expect(200);
    let shown = here.get(&path(&chair)).expect(200).json();
    assert_eq!((&shown["name"], &shown["seo_title"]), (&json!("Armchair"), &json!("Buy it")));
    v2::assert_problem(&patch(&here, &path(&chair), &etag(&read), &json!({ "name": "Stool" })), 412, "stale-version");
    let late = Account::log_in(&old, &Account::new(&new).email);
    late.at(&new).delete("/api/v2/sessions/current").expect(204);
    late.at(&old).get("/api/v2/me").expect(401);
    // Buyers learn what is left, whoever changed that.
    patch(&here, &path(&chair), "*", &json!({ "show_available": true, "status": "active" })).expect(200);
    let variant_of_chair = &chair["variants"][0];
    adjust(&there, variant_of_chair, &json!({ "delta": 2, "reason": "found" }));
    let refused = buyer.at(&new).post(RESERVATIONS, &basket(&[(&id(variant_of_chair), 3)]));
    assert_eq!(refused.json()["errors"][0]["available"], 2, "{}", refused.text());

    // What either holds the other shows and sells.
    let held = [&new, &old].map(|server| hold(&buyer.at(server), variant_of_chair, 1));
    let lines = held.clone().map(|held| {
        let path = format!("{RESERVATIONS}/{}", id(&held));
        let [new, old] = [&new, &old].map(|server| buyer.at(server).get(&path).expect(200).json()["lines"][0].clone());
        assert_eq!(new, old);
        new
    });
    assert_eq!([&lines[0]["name"], &lines[1]["name"]], [&json!("Armchair"), &json!("Armchair")]);
    let at_hold: Vec<_> = here.get("/api/v2/me/holds").expect(200).json()["items"].as_array().expect("items").clone();
    assert_eq!(at_hold.len(), 2);
    held.iter().zip([&old, &new]).for_each(|(held, server)| drop(commit(&buyer.at(server), held)));

    // Prices of many at once are edits like others.
    let stale = etag(&there.get(&path(&chair)).expect(200));
    let prices = json!({ "mode": "all", "items": [{ "variant_id": variant_of_chair["id"], "price": usd(7) }] });
    here.post("/api/v2/batch/prices", &prices).expect(200);
    v2::assert_problem(&patch(&there, &path(&chair), &stale, &json!({ "name": "Stool" })), 412, "stale-version");
    assert_eq!(there.get(&path(&chair)).expect(200).json()["price"], usd(7));

    // A few units, wanted by many of both.
    let desk = on_sale(&here, UNITS);
    let buyers = [buyer.at(&new), buyer.at(&old)];
    let (next, sold) = (AtomicUsize::new(0), AtomicI64::new(0));
    each(BUYERS, THREADS, &next, |number| match number % 10 {
        // One more, in a batch.
        5 => {
            let items = json!([{ "variant_id": desk["id"], "delta": 1 }]);
            here.post("/api/v2/batch/stock", &json!({ "mode": "all", "reason": "found", "items": items })).expect(200);
            sold.fetch_sub(1, Ordering::Relaxed);
        }
        _ => sold_one(&buyers, number, &id(&desk), &sold),
    });
    let left = UNITS - sold.into_inner();
    assert_eq!(stock(&here, &desk), [left, 0, left]);
    assert!(left >= 0 && there.get(&variant_path(&desk)).expect(200).json()["stock"]["on_hand"] == left);
    verified(&new);

    // The last import is the last one, whoever did it.
    import(&new, &seller.email, &pot("Pot", 10));
    import(&old, &seller.email, &pot("Pot of before", 20));
    assert_eq!(on_hand(&here, "pot"), 20);
    sell(&buyers[1], &variant(&there, "pot"), 4);
    import(&new, &seller.email, &pot("Pot", 25));
    assert_eq!((on_hand(&here, "pot"), &product(&there, "pot")["name"]), (21, &json!("Pot")));
    verified(&new);
}

/// A catalogue of the release before hides what is off sale, and keeps nobody from going.
#[test]
fn accounts_go_beside_a_catalogue_of_the_release_before() {
    let Some(before) = testkit::previous() else { return };
    let mut server = Server::start(Topology::Split);
    let (gone, away, admin) = (Account::new(&server), Account::new(&server), administrator(&server));
    let lamps = [&gone, &away]
        .map(|seller| create(&seller.at(&server), &json!({ "name": "Lamp", "price": usd(1), "status": "active" })));
    let catalogues = ["products-1", "products-2"];
    for name in catalogues {
        server.terminate_member(name);
    }
    let old = server.under(&before).start_as(&catalogues.map(|name| (name, server.arguments(name).to_vec())));
    let public = server.client();
    let lamp = |n: usize| public.get(&path(&lamps[n])).status;
    eventually("the older catalogue answers", || (lamp(0) == 200).then_some(()));
    delete(&gone.at(&server), "/api/v2/me", "*").expect(204);
    let user = format!("/api/v2/users/{}", id(&away.at(&server).get("/api/v2/me").expect(200).json()));
    patch(&admin, &user, "*", &json!({ "active": false })).expect(200);
    away.at(&server).get("/api/v2/me").expect(401);
    eventually("the older catalogue hides both", || ([0, 1].map(lamp) == [404, 404]).then_some(()));
    drop(old);
    catalogues.iter().for_each(|name| server.restart_member(name));
    eventually("both stay off sale", || ([0, 1].map(lamp) == [404, 404]).then_some(()));
}

/// Holds up to three units at one of the two, and sells them at the other, or gives every fourth back.
fn sold_one(buyers: &[Client; 2], number: usize, desk: &str, sold: &AtomicI64) {
    let (holds, ends) = (&buyers[number % 2], &buyers[number / 2 % 2]);
    let quantity = 1 + number as i64 % 3;
    let answer = holds.post(RESERVATIONS, &basket(&[(desk, quantity)]));
    match answer.status {
        201 if number % 4 == 3 => drop(ends.delete(&format!("{RESERVATIONS}/{}", id(&answer.json()))).expect(204)),
        201 => {
            commit(ends, &answer.json());
            sold.fetch_add(quantity, Ordering::Relaxed);
        }
        409 => assert_eq!(answer.json()["code"], "insufficient-stock"),
        other => panic!("{other}: {}", answer.text()),
    }
}
