//! Sellers who are deactivated or erased: nothing of theirs is for sale with the answer.

use serde_json::{Value, json};
use testkit::{Client, Server, Topology, eventually, on_each};

use crate::catalogue::{Row, all_active, import_rows};
use crate::people::{Person, register};
use crate::selling::{
    RESERVATIONS, administrator, basket, create, id, on_sale, path, plain, seller, usd, variant_path,
};
use crate::v2::{assert_problem, delete, etag, log_in, patch, walk};

on_each!(
    an_erased_seller_is_off_sale_with_the_answer,
    a_deactivated_seller_is_off_sale_until_they_return,
    what_is_refused_takes_nothing_off_sale,
    categories_of_sellers_off_sale_are_passed_over,
    entries_and_accounts_are_compared_at_the_start,
);

const ME: &str = "/api/v2/me";

/// More than are archived while an answer waits.
const MANY: usize = 4_000;

fn an_erased_seller_is_off_sale_with_the_answer(topology: Topology) {
    let server = Server::start(topology);
    let (ada, eve) = (register(&server), register(&server));
    let handles: Vec<String> = (0..MANY).map(|n| format!("lamp-{n}")).collect();
    let row = |handle| Row { handle, title: "Lamp", category: "Light", status: "active", price: "9.99", stock: 3 };
    import_rows(&server, &eve.email, "USD", &[Row { category: "Desks", ..row("desk") }, row("light")]);
    import_rows(&server, &ada.email, "USD", &handles.iter().map(|handle| row(handle)).collect::<Vec<_>>());
    let public = server.client();
    let lamp = page(&public, "limit=1")["items"][0].clone();
    let buyer = seller(&server);
    let held = buyer.post(RESERVATIONS, &basket(&[(&id(&lamp["variants"][0]), 1)])).expect(201).json();
    let given_back = buyer.post(RESERVATIONS, &basket(&[(&id(&lamp["variants"][0]), 1)])).expect(201).json();

    delete(&log_in(&server, &ada.email), ME, "*").expect(204);
    assert_off_sale(&public, &buyer, &lamp);
    let left = all_active(&public);
    assert!(left.iter().all(|product| product["owner_id"] == eve.id.as_str()), "{left:?}");
    assert_eq!(left.len(), 2);
    for sort in ["price", "-price", "name", "newest"] {
        assert_eq!(walk(&public, &format!("/api/v2/products?sort={sort}"), 100).len(), 2, "{sort}");
    }
    assert!(walk(&public, &format!("/api/v2/products?owner_id={}", ada.id), 100).is_empty());
    assert_eq!(page(&public, "count=exact")["count"], 2);
    assert_eq!(page(&public, "count=exact&category=Light&price_max=9900")["count"], 1);
    let categories = public.get("/api/v2/categories").expect(200).json();
    assert_eq!(categories["items"], json!([{ "name": "Desks", "count": 1 }, { "name": "Light", "count": 1 }]));
    let first = public.get("/api/v2/categories?limit=1").expect(200).json();
    assert_eq!(first["items"][0]["name"], "Desks");
    let at = |held: &Value, what: &str| format!("{RESERVATIONS}/{}{what}", id(held));
    assert_problem(&buyer.send("POST", &at(&held, "/extend"), &[], None), 409, "conflict");
    assert_problem(&buyer.send("POST", &at(&held, "/commit"), &[], None), 409, "conflict");
    buyer.delete(&at(&given_back, "")).expect(204);
    // Archived afterwards, by a job.
    let admin = administrator(&server);
    let left = format!("/api/v2/users/{}/products?status=active&count=exact&limit=1", ada.id);
    eventually("all are archived", || (admin.get(&left).expect(200).json()["count"] == 0).then_some(()));
    assert_eq!(all_active(&public).len(), 2);
}

fn page(client: &Client, query: &str) -> Value {
    client.get(&format!("/api/v2/products?{query}")).expect(200).json()
}

/// Nobody sees it or can buy it.
#[track_caller]
fn assert_off_sale(public: &Client, buyer: &Client, product: &Value) {
    let variant = &product["variants"][0];
    for client in [public, buyer] {
        assert_problem(&client.get(&path(product)), 404, "not-found");
        assert_problem(&client.get(&variant_path(variant)), 404, "not-found");
    }
    assert_problem(&patch(buyer, &path(product), "*", &json!({ "name": "Mine" })), 404, "not-found");
    assert_problem(&buyer.post(RESERVATIONS, &basket(&[(&id(variant), 1)])), 404, "not-found");
}

fn a_deactivated_seller_is_off_sale_until_they_return(topology: Topology) {
    let server = Server::start(topology);
    let (ada, admin, buyer) = (register(&server), administrator(&server), seller(&server));
    let api = log_in(&server, &ada.email);
    let draft = create(&api, &plain("a draft"));
    let made = create(&api, &json!({ "name": "Desk", "price": usd(1_000), "status": "active", "stock": 5 }));
    let public = server.client();
    let product = public.get(&path(&made)).expect(200);
    let (tag, product) = (etag(&product), product.json());
    let held = buyer.post(RESERVATIONS, &basket(&[(&id(&made["variants"][0]), 1)])).expect(201).json();
    for _ in 0..2 {
        set_active(&admin, &ada, false);
        assert_off_sale(&public, &buyer, &product);
        assert!(all_active(&public).is_empty());
        // An administrator sees it as it is.
        let hers = admin.get(&format!("/api/v2/users/{}/products", ada.id)).expect(200).json();
        assert_eq!(hers["items"].as_array().map(Vec::len), Some(2));
        assert_eq!(admin.get(&path(&product)).expect(200).json()["status"], "active");
        set_active(&admin, &ada, true);
        let back = public.get(&path(&product)).expect(200);
        assert_eq!((etag(&back), back.json()), (tag.clone(), product.clone()));
        assert_eq!(all_active(&public).len(), 1);
        assert_problem(&public.get(&path(&draft)), 404, "not-found");
    }
    set_active(&admin, &ada, false);
    // What was held before is the buyer's to buy.
    buyer.send("POST", &format!("{RESERVATIONS}/{}/commit", id(&held)), &[], None).expect(200);
}

#[track_caller]
fn set_active(admin: &Client, person: &Person, active: bool) {
    let user = format!("/api/v2/users/{}", person.id);
    patch(admin, &user, &etag(&admin.get(&user)), &json!({ "active": active })).expect(200);
}

fn categories_of_sellers_off_sale_are_passed_over(topology: Topology) {
    let server = Server::start(topology);
    let (ada, eve, admin) = (register(&server), register(&server), administrator(&server));
    let names: Vec<String> = (0..60).map(|n| format!("m{n:02}")).collect();
    let row = |category| Row { handle: category, title: "It", category, status: "active", price: "9.99", stock: 3 };
    import_rows(&server, &ada.email, "USD", &names.iter().map(|name| row(name)).collect::<Vec<_>>());
    import_rows(&server, &eve.email, "USD", &[row("a"), row("b"), row("x"), row("z")]);
    set_active(&admin, &ada, false);
    for limit in [1, 2, 3, 50] {
        let shown = walk(&server.client(), "/api/v2/categories?", limit);
        let shown: Vec<&str> = shown.iter().filter_map(|category| category["name"].as_str()).collect();
        assert_eq!(shown, ["a", "b", "x", "z"], "limit {limit}");
    }
}

fn what_is_refused_takes_nothing_off_sale(topology: Topology) {
    let mut server = Server::start(topology);
    let admin_person = crate::people::administrator(&server);
    let admin = log_in(&server, &admin_person.email);
    let desk = on_sale(&admin, 5);
    let user = format!("/api/v2/users/{}", admin_person.id);
    let shown = |server: &Server| server.client().get(&variant_path(&desk)).status;
    assert_problem(&delete(&admin, ME, "\"7-account\""), 412, "stale-version");
    assert_problem(&delete(&admin, ME, "*"), 409, "conflict");
    assert_problem(&patch(&admin, &user, "*", &json!({ "active": false })), 409, "conflict");
    assert_eq!(shown(&server), 200);
    if topology == Topology::Split {
        // Without the catalogue, nothing happens at all.
        crate::people::administrator(&server);
        ["products-1", "products-2"].iter().for_each(|name| server.kill9_member(name));
        assert_problem(&delete(&admin, ME, "*"), 503, "unavailable");
        admin.get(ME).expect(200);
        ["products-1", "products-2"].iter().for_each(|name| server.restart_member(name));
        eventually("it is for sale as before", || (shown(&server) == 200).then_some(()));
    }
}

/// A crash may leave an entry of somebody whose account was not changed, and the release before makes none at all.
fn entries_and_accounts_are_compared_at_the_start(topology: Topology) {
    let mut server = Server::start(topology);
    let admin = administrator(&server);
    let (ada, eve) = (register(&server), register(&server));
    let (hers, others) = (on_sale(&log_in(&server, &ada.email), 1), on_sale(&log_in(&server, &eve.email), 1));
    set_active(&admin, &ada, false);
    set_active(&admin, &eve, false);
    let literal = |id: &str| match topology {
        Topology::Sqlite => format!("x'{}'", id.replace('-', "")),
        Topology::Postgres | Topology::Split => format!("'{id}'"),
    };
    server.sql("products", &format!("delete from sellers_off_sale where seller_id = {}", literal(&ada.id)));
    server.sql("products", "update sellers_off_sale set since = 1");
    server.sql("auth", &format!("update accounts set active = {} where id = {}", yes(topology), literal(&eve.id)));
    server.client().get(&variant_path(&hers)).expect(200);
    server.client().get(&variant_path(&others)).expect(404);
    server.restart();
    eventually("both are as their accounts are", || {
        let status = |variant: &Value| server.client().get(&variant_path(variant)).status;
        ((status(&hers), status(&others)) == (404, 200)).then_some(())
    });
}

fn yes(topology: Topology) -> &'static str {
    if topology.is_sqlite() { "1" } else { "true" }
}
