//! A store that the release before made.

use serde_json::{Value, json};
use testkit::{Client, Response, Server, Topology, on_both};

use super::{
    Account, Releases, adjust, commit, hold, import, on_hand, pot, product, products, releases, sell, stop, variant,
};
use crate::people;
use crate::selling::{
    self, PRODUCTS, REPLAYED, RESERVATIONS, create, id, path, plain, post_once, shirt, stock, usd, variant_path,
    verified,
};
use crate::v1::{self, text};
use crate::v2::{patch, refresh};

on_both!(a_store_of_the_release_before_keeps_its_meaning);

/// A product with all that files say of one.
const LAMP: &str = "Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Status,Option1 Name,Option1 Value,Variant SKU,\
    Variant Barcode,Variant Grams,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,Variant Price,\
    Variant Compare At Price,Image Src,SEO Title\n\
    lamp,Lamp,<p>Bright</p>,Acme,Home > Light,Lights,\"a, b\",active,Size,S,L-1,4006381333931,453.59237,shopify,7,deny,19.90,25.00,\
    https://x.example/lamp.jpg,Buy a lamp\n\
    lamp,,,,,,,,,M,L-2,,500,shopify,0,deny,21.90,,,\n";

/// Who is there, and what they made.
struct Story {
    seller: Account,
    buyer: Account,
    admin: Account,
    held: Value,
    /// A key, and the product that was posted with it.
    posted: (&'static str, Value),
}

fn a_store_of_the_release_before_keeps_its_meaning(topology: Topology) {
    let Some(Releases { before, present }) = releases(topology) else { return };
    let old = before.start();
    let story = tell(&old);
    let shown = all(&old, &story);
    stop(old);

    let new = present.start();
    let after = all(&new, &story);
    assert_eq!(shown.len(), after.len());
    for ((what, shown), (same, after)) in shown.into_iter().zip(after) {
        assert_eq!((same, after), (what.clone(), shown), "{what}");
    }
    verified(&new);
    sessions_go_on(&new, &story);
    what_was_promised_is_kept(&new, &story);
    files_go_on(&new, &story);
    verified(&new);
}

fn tell(old: &Server) -> Story {
    let (seller, buyer) = (Account::new(old), Account::new(old));
    let admin = Account::log_in(old, &people::administrator(old).email);
    let (api, form, shopping) = (seller.at(old), seller.through_v1(old), buyer.at(old));
    let of_v1 = json!({ "name": "Desk", "price": "19.90", "stock": 3, "category": "Desks", "description": "Oak" });
    let desk = v1::create(&form, &of_v1);
    form.put(&v1::path(&desk), &json!({ "name": "Oak desk", "stock": 5 })).expect(200);
    let mut shirt = shirt();
    shirt["status"] = "active".into();
    shirt["images"] = json!([{ "url": "https://x.example/shirt.jpg", "alt": "A shirt" }]);
    let shirt = create(&api, &shirt);
    let (red, large) = (&shirt["variants"][0], &shirt["variants"][1]);
    create(&api, &plain("A draft"));
    let gone = create(&api, &plain("Gone"));
    patch(&api, &path(&gone), "*", &json!({ "status": "archived" })).expect(200);
    let posted = json!({ "name": "Once", "price": usd(1_000), "stock": 1 });
    post_once(&api, PRODUCTS, "once", &posted).expect(201);

    adjust(&api, red, &json!({ "delta": 4, "reason": "found" }));
    adjust(&api, large, &json!({ "on_hand": 6, "reason": "counted" }));
    api.put(&format!("{}/low-stock-threshold", variant_path(red)), &json!({ "threshold": 2 })).expect(200);
    sell(&shopping, red, 1);
    let held = hold(&shopping, large, 2);
    let given_back = hold(&shopping, large, 1);
    shopping.delete(&format!("{RESERVATIONS}/{}", id(&given_back))).expect(204);

    import(old, &seller.email, LAMP);
    import(old, &seller.email, &pot("Pot", 10));
    sell(&shopping, &variant(&api, "pot"), 4);
    Story { seller, buyer, admin, held, posted: ("once", posted) }
}

/// All that can be asked of a server, and what it answers: by caller and path.
fn all(server: &Server, story: &Story) -> Vec<(String, Value)> {
    let (seller, anyone) = (story.seller.at(server), server.client());
    let own = products(&seller);
    let mut asked: Vec<(&str, Client, String)> = Vec::new();
    let lists = ["/api/v2/products?limit=100&count=exact", "/api/v2/categories"];
    asked.extend(lists.map(|path| ("anyone", anyone.clone(), path.into())));
    asked.extend(own.iter().map(|product| ("anyone", anyone.clone(), path(product))));
    for (who, account) in [("seller", &story.seller), ("buyer", &story.buyer), ("admin", &story.admin)] {
        let (api, form) = (account.at(server), account.through_v1(server));
        let of_v1 = ["/api/v1/auth/me", "/api/v1/products?limit=100"].map(str::to_owned);
        let of_v2 = [PRODUCTS, "/api/v2/me", "/api/v2/me/export", RESERVATIONS].map(str::to_owned);
        asked.extend(of_v1.into_iter().chain(own.iter().map(v1::path)).map(|path| (who, form.clone(), path)));
        asked.extend(of_v2.into_iter().chain(own.iter().map(path)).map(|path| (who, api.clone(), path)));
    }
    let pages = ["/api/v2/me/products?sort=price&limit=100", "/api/v2/me/products?status=draft&count=exact"];
    asked.extend(pages.map(|path| ("seller", seller.clone(), path.into())));
    asked.push(("admin", story.admin.at(server), "/api/v2/users?limit=100".into()));
    asked.push(("admin", story.admin.through_v1(server), "/api/v1/users?limit=100".into()));
    for variant in own.iter().flat_map(|product| product["variants"].as_array().expect("variants")) {
        let path = variant_path(variant);
        asked.push(("anyone", anyone.clone(), path.clone()));
        for more in ["", "/stock-movements?limit=100", "/low-stock-threshold"] {
            asked.push(("seller", seller.clone(), format!("{path}{more}")));
        }
    }
    let answers = asked.into_iter().map(|(who, api, path)| (format!("{who}: {path}"), told(&api.get(&path))));
    answers.collect()
}

/// What an answer says; that it was refused, and not how: its words have an id of their own.
fn told(answer: &Response) -> Value {
    assert!(matches!(answer.status, 200 | 403 | 404), "{}", answer.text());
    let tag = answer.header("etag").map(str::to_owned);
    let body = if answer.status == 200 { answer.json() } else { Value::Null };
    json!({ "status": answer.status, "etag": tag, "body": body })
}

fn sessions_go_on(new: &Server, story: &Story) {
    let tokens = refresh(&new.client(), &story.seller.refresh_token).expect(201).json();
    new.client().with_token(&text(&tokens["access_token"])).get("/api/v2/me").expect(200);
    let again = Account::log_in(new, &story.buyer.email);
    again.through_v1(new).get("/api/v1/auth/me").expect(200);
    // The answer is the one that was given.
    let (key, posted) = &story.posted;
    let again = post_once(&story.seller.at(new), PRODUCTS, key, posted).expect(201);
    assert_eq!(again.header(REPLAYED), Some("true"));
}

fn what_was_promised_is_kept(new: &Server, story: &Story) {
    let (seller, buyer) = (story.seller.at(new), story.buyer.at(new));
    let large = json!({ "id": story.held["lines"][0]["variant_id"] });
    assert_eq!(stock(&seller, &large), [6, 2, 4]);
    assert_eq!(commit(&buyer, &story.held)["state"], "committed");
    assert_eq!(stock(&seller, &large), [4, 0, 4]);
    assert_eq!(buyer.post(RESERVATIONS, &selling::basket(&[(&id(&large), 5)])).status, 409);
    sell(&buyer, &large, 4);
}

fn files_go_on(new: &Server, story: &Story) {
    let (seller, owner) = (story.seller.at(new), &story.seller.email);
    let lamp = product(&seller, "lamp");
    import(new, owner, LAMP);
    assert_eq!(product(&seller, "lamp"), lamp);

    // Sales and edits since the file stand.
    let edit = json!({ "name": "My pot", "status": "archived", "price": usd(1_500) });
    let edited = patch(&seller, &path(&product(&seller, "pot")), "*", &edit).expect(200).json();
    import(new, owner, &pot("Pot", 10));
    let again = product(&seller, "pot");
    for field in ["name", "price", "status", "variants"] {
        assert_eq!(again[field], edited[field], "{field}");
    }
    assert_eq!(on_hand(&seller, "pot"), 6);
    let unchanged = import(new, owner, &pot("Pot", 10));
    assert!(unchanged.stdout.contains("0 updated, 1 unchanged"), "{}", unchanged.stdout);
    import(new, owner, &pot("Flower pot", 10));
    assert_eq!((on_hand(&seller, "pot"), &product(&seller, "pot")["name"]), (6, &json!("Flower pot")));
    import(new, owner, &pot("Flower pot", 12));
    assert_eq!(on_hand(&seller, "pot"), 8);
    assert_eq!(products(&seller).len(), 7);
}
