//! Sellers' names, what is held of their goods, and what buyers learn of it.

use serde_json::{Value, json};
use testkit::{Client, Server, Topology, eventually, on_each};

use crate::people::unique;
use crate::selling::{
    PRODUCTS, REPLAYED, RESERVATIONS, administrator, basket, create, id, on_sale, path, plain, post_once, seller, tag,
    usd, variant_path,
};
use crate::v1::{NOBODY, text};
use crate::v2::{assert_errors, assert_invalid, assert_problem, etag, pages, patch};

on_each!(
    a_seller_has_a_name,
    only_sellers_have_a_public_name,
    another_name_is_another_representation,
    lines_say_what_they_are_of,
    a_reservation_of_many_lines_is_repeated_whole,
    sellers_see_what_is_held_of_theirs,
    buyers_learn_how_many_are_left_where_the_seller_lets_them,
    administrators_list_all_drafts,
    lists_by_price_say_their_currency,
    descriptions_come_as_text_too,
    what_is_taken_is_named_with_what_has_it,
    a_refusal_says_who_may,
);

fn name_of(api: &Client) -> String {
    text(&api.get("/api/v2/me").expect(200).json()["username"])
}

fn active(api: &Client, name: &str) -> Value {
    let mut product = plain(name);
    (product["status"], product["stock"]) = ("active".into(), 5.into());
    create(api, &product)
}

fn a_seller_has_a_name(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob, public) = (seller(&server), seller(&server), server.client());
    let [desk, lamp] = [(&ada, "Desk"), (&bob, "Lamp")].map(|(api, name)| active(api, name));
    for (api, product) in [(&ada, &desk), (&bob, &lamp)] {
        let expected = json!({ "id": product["owner_id"], "name": name_of(api) });
        assert_eq!(product["seller"], expected);
        for client in [&public, &ada, &bob] {
            assert_eq!(client.get(&path(product)).expect(200).json()["seller"], expected);
        }
        let listed = public.get(&format!("{PRODUCTS}?owner_id={}", text(&product["owner_id"]))).expect(200).json();
        assert_eq!(listed["items"][0]["seller"], expected);
        assert_eq!(api.get("/api/v2/me/products").expect(200).json()["items"][0]["seller"], expected);
        let answer = public.get(&format!("/api/v2/sellers/{}", text(&product["owner_id"]))).expect(200);
        assert_eq!(answer.json(), expected);
        assert_eq!(answer.header("cache-control"), Some("public, max-age=0, must-revalidate"));
        let again = [("if-none-match", &*etag(&answer))];
        public.send("GET", &format!("/api/v2/sellers/{}", text(&product["owner_id"])), &again, None).expect(304);
    }
    let patched = patch(&ada, &path(&desk), &tag(1), &json!({ "vendor": "Acme" })).expect(200);
    assert_eq!(patched.json()["seller"]["name"], name_of(&ada));
    let by_handle = format!("{PRODUCTS}/by-handle/{}/desk", text(&desk["owner_id"]));
    assert_eq!(public.get(&by_handle).expect(200).json()["seller"]["name"], name_of(&ada));
}

fn only_sellers_have_a_public_name(topology: Topology) {
    let server = Server::start(topology);
    let (ada, public) = (seller(&server), server.client());
    let path = format!("/api/v2/sellers/{}", text(&ada.get("/api/v2/me").json()["id"]));
    create(&ada, &plain("Draft"));
    let strange = format!("{PRODUCTS}/by-handle/{NOBODY}/%ff");
    for absent in [path.as_str(), &format!("/api/v2/sellers/{NOBODY}"), "/api/v2/sellers/x", &strange] {
        assert_problem(&public.get(absent), 404, "not-found");
    }
    active(&ada, "Desk");
    public.get(&path).expect(200);
}

/// The validator is of what is shown. The process that changed a name shows the new one at once; others as soon as they hear of it.
fn another_name_is_another_representation(topology: Topology) {
    let server = Server::start(topology);
    let (ada, public) = (seller(&server), server.client());
    let desk = active(&ada, "Desk");
    let before = public.get(&path(&desk)).expect(200);
    let (renamed, me) = (unique("renamed"), ada.get("/api/v2/me").expect(200));
    patch(&ada, "/api/v2/me", &etag(&me), &json!({ "username": renamed })).expect(200);
    let ask = || public.send("GET", &path(&desk), &[("if-none-match", &*etag(&before))], None);
    let after = match topology {
        Topology::Split => eventually("the new name is shown", || Some(ask()).filter(|shown| shown.status == 200)),
        Topology::Sqlite | Topology::Postgres => ask().expect(200),
    };
    assert_eq!(after.json()["seller"]["name"], renamed);
    assert_eq!(after.json()["version"], before.json()["version"]);
}

fn lines_say_what_they_are_of(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob) = (seller(&server), seller(&server));
    let (desk, lamp) = (active(&ada, "Desk"), active(&ada, "Lamp"));
    let [first, second] = [&desk, &lamp].map(|product| id(&product["variants"][0]));
    let held = post_once(&bob, RESERVATIONS, "key", &basket(&[(&first, 2), (&second, 1)])).expect(201);
    let line = |product: &Value, variant: &str| {
        let lines = held.json()["lines"].clone();
        let line = lines.as_array().expect("lines").iter().find(|line| line["variant_id"] == variant).cloned();
        let line = line.expect("its line");
        assert_eq!((&line["product_id"], &line["name"]), (&product["id"], &product["name"]));
        assert_eq!((&line["price"], &line["seller"]), (&usd(1_000), &product["seller"]));
        line
    };
    assert_eq!(
        (line(&desk, &first)["quantity"].clone(), line(&lamp, &second)["quantity"].clone()),
        (json!(2), json!(1))
    );
    // It is what was promised, whatever becomes of the product.
    let change = json!({ "name": "Dear desk", "price": usd(9_000) });
    patch(&ada, &path(&desk), &tag(1), &change).expect(200);
    let at = format!("{RESERVATIONS}/{}", id(&held.json()));
    assert_eq!(bob.get(&at).expect(200).json(), held.json());
    assert_eq!(bob.get(RESERVATIONS).expect(200).json()["items"], json!([held.json()]));
    let sold = bob.post(&format!("{at}/commit"), &json!({})).expect(200).json();
    assert_eq!((&sold["lines"], &sold["state"]), (&held.json()["lines"], &json!("committed")));
    assert_eq!(post_once(&bob, RESERVATIONS, "key", &basket(&[(&first, 2), (&second, 1)])).body, held.body);
    let exported = bob.get("/api/v2/me/export").expect(200).json();
    assert_eq!(exported["reservations"][0]["lines"], held.json()["lines"]);
}

/// Its answer is larger than others that are kept, and nothing else could tell the buyer of it.
fn a_reservation_of_many_lines_is_repeated_whole(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob) = (seller(&server), seller(&server));
    let variant = |n: usize| json!({ "options": { "Size": n.to_string() }, "price": usd(100), "stock": 3 });
    let variants: Vec<Value> = (0..100).map(variant).collect();
    let shirt = json!({ "name": "ä".repeat(200), "status": "active", "variants": variants });
    let shirt = create(&ada, &shirt);
    let ids: Vec<String> = shirt["variants"].as_array().expect("variants").iter().map(id).collect();
    let lines: Vec<(&str, i64)> = ids.iter().map(|id| (id.as_str(), 1)).collect();
    let first = post_once(&bob, RESERVATIONS, "hold", &basket(&lines)).expect(201);
    assert!(first.body.len() > 16 * 1024);
    let again = post_once(&bob, RESERVATIONS, "hold", &basket(&lines)).expect(201);
    assert_eq!((again.header(REPLAYED), &again.body), (Some("true"), &first.body));
    for (end, body) in [("extend", json!({ "ttl_seconds": 900 })), ("commit", json!({}))] {
        let path = format!("{RESERVATIONS}/{}/{end}", id(&first.json()));
        let done = post_once(&bob, &path, end, &body).expect(200);
        let again = post_once(&bob, &path, end, &body).expect(200);
        assert_eq!((again.header(REPLAYED), &again.body), (Some("true"), &done.body), "{end}");
    }
}

fn sellers_see_what_is_held_of_theirs(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob, eve) = (seller(&server), seller(&server), seller(&server));
    let desk = id(&on_sale(&ada, 50));
    let foreign = id(&on_sale(&eve, 5));
    let hold = |variant: &str| bob.post(RESERVATIONS, &basket(&[(variant, 1)])).expect(201).json();
    let held: Vec<Value> = (0..5).map(|_| hold(&desk)).collect();
    hold(&foreign);
    let shown: Vec<Value> = pages(&ada, "/api/v2/me/holds?", 2).into_iter().flatten().collect();
    let ids: Vec<&Value> = shown.iter().map(|hold| &hold["id"]).collect();
    assert_eq!(ids, held.iter().rev().map(|hold| &hold["id"]).collect::<Vec<_>>(), "newest first");
    let me = bob.get("/api/v2/me").expect(200).json();
    assert_eq!(shown[0]["buyer"], json!({ "id": me["id"], "name": me["username"] }));
    assert_eq!((&shown[0]["lines"], &shown[0]["state"]), (&held[4]["lines"], &json!("held")));
    assert_eq!(held[4].get("buyer"), None);
    // What is over is not held any more.
    bob.post(&format!("{RESERVATIONS}/{}/commit", id(&held[0])), &json!({})).expect(200);
    bob.delete(&format!("{RESERVATIONS}/{}", id(&held[1]))).expect(204);
    assert_eq!(pages(&ada, "/api/v2/me/holds?", 20)[0].len(), 3);
    assert_eq!(pages(&bob, "/api/v2/me/holds?", 20)[0].len(), 0);
    let cursor = text(&ada.get("/api/v2/me/holds?limit=1").json()["next_cursor"]);
    assert_invalid(&bob.get(&format!("{RESERVATIONS}?cursor={cursor}")), &[("/cursor", "invalid-cursor")]);
}

fn buyers_learn_how_many_are_left_where_the_seller_lets_them(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob) = (seller(&server), seller(&server));
    let (desk, lamp, chair) = (active(&ada, "Desk"), active(&ada, "Lamp"), active(&ada, "Chair"));
    assert_eq!(desk["show_available"], false);
    let shown = patch(&ada, &path(&lamp), &tag(1), &json!({ "show_available": true })).expect(200).json();
    assert_eq!(shown["show_available"], true);
    let [first, second, third] = [&desk, &lamp, &chair].map(|product| id(&product["variants"][0]));
    bob.post(RESERVATIONS, &basket(&[(&second, 2)])).expect(201);
    // Each line that is too much is named, the others are not.
    let refused = bob.post(RESERVATIONS, &basket(&[(&second, 4), (&third, 1), (&first, 6)]));
    assert_problem(&refused, 409, "insufficient-stock");
    let errors = refused.json()["errors"].clone();
    let told: Vec<(String, Value)> = errors
        .as_array()
        .expect("errors")
        .iter()
        .map(|error| (text(&error["pointer"]), error["available"].clone()))
        .collect();
    assert_eq!(told, [("/lines/0".to_owned(), json!(3)), ("/lines/2".to_owned(), Value::Null)], "as in the basket");
    let replaced = json!({ "name": "Lamp", "price": usd(1_000) });
    let headers = [("content-type", "application/json"), ("if-match", "*")];
    ada.send("PUT", &path(&lamp), &headers, Some(replaced.to_string().as_bytes())).expect(200);
    let refused = bob.post(RESERVATIONS, &basket(&[(&second, 4)]));
    assert_eq!(refused.json()["errors"][0].get("available"), None);
}

fn administrators_list_all_drafts(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob, admin) = (seller(&server), seller(&server), administrator(&server));
    let mut drafts: Vec<String> =
        (0..5).map(|n| id(&create(if n % 2 == 0 { &ada } else { &bob }, &plain("Desk")))).collect();
    drafts.reverse();
    let public = active(&ada, "Lamp");
    let mut archived = plain("Old");
    archived["status"] = "archived".into();
    let archived = create(&bob, &archived);
    let mut unlisted = plain("Secret");
    unlisted["status"] = "unlisted".into();
    let unlisted = create(&bob, &unlisted);
    let listed = |query: &str| -> Vec<String> {
        pages(&admin, &format!("{PRODUCTS}?{query}"), 2).into_iter().flatten().map(|product| id(&product)).collect()
    };
    assert_eq!(listed("status=draft"), drafts);
    let up: Vec<String> = drafts.iter().rev().cloned().collect();
    assert_eq!(listed("status=draft&sort=created_at"), up);
    assert_eq!((listed("status=archived"), listed("status=unlisted")), (vec![id(&archived)], vec![id(&unlisted)]));
    assert_eq!(listed("status=active"), [id(&public)]);
    assert_eq!(listed(&format!("status=draft&ids={},{}", drafts[1], id(&public))), [drafts[1].clone()]);
    let owner = text(&archived["owner_id"]);
    assert_eq!(listed(&format!("status=draft&owner_id={owner}&sort=name")).len(), 2);
    let page = admin.get(&format!("{PRODUCTS}?status=draft&count=exact")).expect(200);
    assert_eq!((page.json()["count"].clone(), page.header("cache-control")), (json!(5), Some("private, no-store")));
    assert!(page.json()["items"][0]["variants"][0]["stock"].is_object(), "as those see it who manage it");
    let by_price = admin.get(&format!("{PRODUCTS}?status=draft&sort=price"));
    assert_invalid(&by_price, &[("/sort", "value")]);
    let refused = ada.get(&format!("{PRODUCTS}?status=draft"));
    assert_problem(&refused, 403, "forbidden");
    assert_eq!(refused.json()["needed"], "admin");
    assert_problem(&server.client().get(&format!("{PRODUCTS}?status=draft")), 401, "unauthenticated");
    server.client().get(&format!("{PRODUCTS}?status=active")).expect(200);
}

fn lists_by_price_say_their_currency(topology: Topology) {
    let server = Server::start(topology);
    let (ada, public) = (seller(&server), server.client());
    active(&ada, "Desk");
    for (query, currency) in [
        ("", Value::Null),
        ("sort=-price", json!("USD")),
        ("sort=price&currency=EUR", json!("EUR")),
        ("price_min=5", json!("USD")),
        ("currency=CHF", json!("CHF")),
        ("sort=name", Value::Null),
    ] {
        assert_eq!(public.get(&format!("{PRODUCTS}?{query}")).expect(200).json()["currency"], currency, "{query}");
    }
    assert_eq!(ada.get("/api/v2/me/products?sort=price").expect(200).json()["currency"], "USD");
}

fn descriptions_come_as_text_too(topology: Topology) {
    let server = Server::start(topology);
    let ada = seller(&server);
    let mut desk = plain("Desk");
    let html = "<p>Oak &amp; <b>steel</b></p><script>alert('x')</script><p>2 &lt; 3</p>";
    (desk["description"], desk["status"]) = (html.into(), "active".into());
    let desk = create(&ada, &desk);
    for client in [&ada, &server.client()] {
        let shown = client.get(&path(&desk)).expect(200).json();
        assert_eq!((&shown["description"], &shown["description_text"]), (&json!(html), &json!("Oak & steel\n2 < 3")));
        let listed = client.get(PRODUCTS).expect(200).json()["items"][0].clone();
        assert_eq!(listed["description_text"], "Oak & steel\n2 < 3");
    }
    let plain = patch(&ada, &path(&desk), &tag(1), &json!({ "description": "As  it is" })).expect(200).json();
    assert_eq!(plain["description_text"], "As  it is");
    let none = patch(&ada, &path(&desk), &tag(2), &json!({ "description": null })).expect(200).json();
    assert_eq!(none["description_text"], Value::Null);
}

fn what_is_taken_is_named_with_what_has_it(topology: Topology) {
    let server = Server::start(topology);
    server.run(&["products", "unique-sku", "on"]).expect_code(0);
    let (ada, bob) = (seller(&server), seller(&server));
    let lamp = json!({ "name": "Lamp", "handle": "lamp", "sku": "Lamp-1", "price": usd(1) });
    let lamp = create(&ada, &lamp);
    let taken = |answer: &testkit::Response, pointer: &str, value: &str, holder: Option<String>| {
        assert_problem(answer, 409, "conflict");
        assert_errors(answer, &[(pointer, "taken")]);
        let error = answer.json()["errors"][0].clone();
        assert_eq!((&error["value"], error["holder"].as_str()), (&json!(value), holder.as_deref()), "{error}");
    };
    let variant = variant_path(&lamp["variants"][0]);
    let handle = json!({ "name": "Other", "handle": "lamp", "price": usd(1) });
    taken(&ada.post(PRODUCTS, &handle), "/handle", "lamp", Some(path(&lamp)));
    let sku = json!({ "name": "Other", "sku": "LAMP-1", "price": usd(1) });
    taken(&ada.post(PRODUCTS, &sku), "/sku", "LAMP-1", Some(variant.clone()));
    let sized = |size: &str, sku: &str| json!({ "options": { "Size": size }, "price": usd(1), "sku": sku });
    let shirt = json!({ "name": "Shirt", "variants": [sized("S", "S-1"), sized("L", "lamp-1")] });
    taken(&ada.post(PRODUCTS, &shirt), "/variants/1/sku", "lamp-1", Some(variant.clone()));
    let shirt = create(&ada, &json!({ "name": "Shirt", "variants": [sized("S", "S-1"), sized("L", "S-2")] }));
    let [small, large] = [0, 1].map(|place| variant_path(&shirt["variants"][place]));
    taken(&patch(&ada, &small, "*", &json!({ "sku": "lamp-1" })), "/sku", "lamp-1", Some(variant.clone()));
    taken(&patch(&ada, &small, "*", &json!({ "options": { "Size": "L" } })), "/options", "L", Some(large));
    taken(&patch(&ada, &path(&shirt), "*", &json!({ "handle": "lamp" })), "/handle", "lamp", Some(path(&lamp)));
    // Other sellers have their own.
    bob.post(PRODUCTS, &json!({ "name": "Lamp", "handle": "lamp", "sku": "lamp-1", "price": usd(1) })).expect(201);
    // Who has a name is nobody's business.
    let name = name_of(&bob);
    let me = ada.get("/api/v2/me").expect(200);
    taken(&patch(&ada, "/api/v2/me", &etag(&me), &json!({ "username": name })), "/username", &name, None);
}

fn a_refusal_says_who_may(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob) = (seller(&server), seller(&server));
    let desk = active(&ada, "Desk");
    let refused = patch(&bob, &path(&desk), "*", &json!({ "name": "Mine" }));
    assert_problem(&refused, 403, "forbidden");
    assert_eq!(refused.json()["needed"], "owner");
    let refused = bob.get("/api/v2/users");
    assert_problem(&refused, 403, "forbidden");
    assert_eq!(refused.json()["needed"], "admin");
    assert!(text(&refused.json()["detail"]).contains("the role admin"));
}
