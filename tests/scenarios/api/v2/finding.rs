//! Products by what other systems know of them, and what lists say of each.

use serde_json::{Value, json};
use testkit::{Client, Response, Server, Topology, on_each};

use crate::selling::{PRODUCTS, create, id, path, plain, seller, shirt, usd};
use crate::v1::text;
use crate::v2::{assert_invalid, assert_problem, etag, patch, walk};

on_each!(
    products_are_found_by_what_is_known_of_them,
    changes_are_listed_since_a_time,
    a_product_is_found_by_its_handle,
    variants_of_a_product_are_listed,
    items_of_lists_carry_their_etags,
);

fn names(found: &[Value]) -> Vec<String> {
    found.iter().map(|product| text(&product["name"])).collect()
}

/// The names of a list, page by page and at once, with its count.
#[track_caller]
fn found(client: &Client, list: &str, query: &str) -> Vec<String> {
    let small = names(&walk(client, &format!("{list}?{query}"), 1));
    assert_eq!(names(&walk(client, &format!("{list}?{query}"), 100)), small, "{query}");
    for count in ["exact", "estimated"] {
        let page = client.get(&format!("{list}?{query}&count={count}")).expect(200).json();
        assert_eq!(page["count"], small.len(), "{query}");
    }
    small
}

fn products_are_found_by_what_is_known_of_them(topology: Topology) {
    let server = Server::start(topology);
    let (ada, eve) = (seller(&server), seller(&server));
    let lamp = |name: &str, more: Value| {
        let mut product = json!({ "name": name, "price": usd(900), "status": "active", "tags": ["new", "oak & ash"], "vendor": "Löwe" });
        product.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        product
    };
    let first = create(&ada, &lamp("Äbc", json!({ "handle": "same", "sku": "Code-1", "barcode": "4006381333931" })));
    let second = create(&eve, &lamp("abd", json!({ "handle": "same", "sku": "CODE-1", "tags": ["news"] })));
    let draft = create(&ada, &lamp("draft", json!({ "sku": "code-2", "barcode": "4006381333931", "status": "draft" })));
    let mut shirt = shirt();
    (shirt["status"], shirt["name"]) = ("active".into(), "zz".into());
    let third = create(&eve, &shirt);
    let everyone = server.client();
    let public = |query: &str| found(&everyone, PRODUCTS, query);
    let own = |query: &str| found(&ada, "/api/v2/me/products", query);

    let none: [&str; 0] = [];
    assert_eq!(public("handle=same&sort=name"), ["abd", "Äbc"]);
    assert_eq!(public(&format!("handle=same&owner_id={}", text(&first["owner_id"]))), ["Äbc"]);
    assert_eq!(public("handle=SAME"), none);
    assert_eq!(public("sku=code-1&sort=-name"), ["Äbc", "abd"]);
    assert_eq!(public("sku=r-l"), ["zz"], "of any variant");
    assert_eq!(public("sku=code-2"), none, "a draft");
    assert_eq!(public("sku=code-1&vendor=L%C3%B6we&barcode=4006381333931"), ["Äbc"]);
    assert_eq!(public("barcode=4006381333931"), ["Äbc"]);
    assert_eq!(public("barcode=400638133393"), none);
    assert_eq!(public("tag=new"), ["Äbc"]);
    assert_eq!(public("tag=oak+%26+ash"), ["Äbc"]);
    assert_eq!(public("vendor=L%C3%B6we&sort=created_at"), ["Äbc", "abd"]);
    assert_eq!(public("vendor=l%C3%B6we"), none, "exactly");
    let ids = format!("{},{},{}", id(&third), id(&draft), id(&second));
    assert_eq!(public(&format!("ids={ids}&sort=created_at")), ["abd", "zz"]);
    assert_eq!(public(&format!("ids={ids}&price_max=899&currency=USD")), none);
    assert_eq!(own("sku=code-2"), ["draft"]);
    assert_eq!(own(&format!("ids={ids}")), ["draft"]);
    assert_eq!(own("barcode=4006381333931&sort=-created_at"), ["draft", "Äbc"]);
    assert_eq!(own("barcode=4006381333931&sort=newest&status=draft"), ["draft"]);
    assert_eq!(own("tag=new&sort=-name"), ["Äbc", "draft"]);
    // By their bytes.
    assert_eq!(public("sort=-name"), ["Äbc", "zz", "abd"]);

    let many = vec![id(&first); 101].join(",");
    for (query, parameter) in [
        (format!("ids={many}"), "/ids"),
        ("ids=x".into(), "/ids"),
        ("ids=".into(), "/ids"),
        (format!("tag={}", "x".repeat(256)), "/tag"),
        ("updated_since=yesterday".into(), "/updated_since"),
        ("sort=updated".into(), "/sort"),
    ] {
        assert_invalid(&everyone.get(&format!("{PRODUCTS}?{query}")), &[(parameter, "value")]);
    }
    // A cursor is of one list.
    let cursor = everyone.get(&format!("{PRODUCTS}?sku=code-1&limit=1")).expect(200).json()["next_cursor"].clone();
    let other = everyone.get(&format!("{PRODUCTS}?sku=code-2&cursor={}", text(&cursor)));
    assert_invalid(&other, &[("/cursor", "invalid-cursor")]);
}

fn changes_are_listed_since_a_time(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let active = |name: &str| json!({ "name": name, "price": usd(900), "status": "active" });
    let made: Vec<Value> = ["a", "b", "c"].iter().map(|name| create(&api, &active(name))).collect();
    patch(&api, &path(&made[0]), "*", &json!({ "vendor": "Ada" })).expect(200);
    let everyone = server.client();
    let public = |query: &str| found(&everyone, PRODUCTS, query);
    assert_eq!(public("sort=updated_at"), ["b", "c", "a"]);
    assert_eq!(public("sort=-updated_at"), ["a", "c", "b"]);
    let since = text(&made[2]["updated_at"]);
    for (sort, expected) in [("updated_at", ["c", "a"]), ("-updated_at", ["a", "c"]), ("name", ["a", "c"])] {
        assert_eq!(public(&format!("updated_since={since}&sort={sort}")), expected, "{sort}");
        let own = found(&api, "/api/v2/me/products", &format!("updated_since={since}&sort={sort}"));
        assert_eq!(own, expected, "{sort}");
    }
    assert_eq!(public("updated_since=2100-01-01T00:00:00Z"), Vec::<String>::new());
}

fn a_product_is_found_by_its_handle(topology: Topology) {
    let server = Server::start(topology);
    let (ada, eve) = (seller(&server), seller(&server));
    let lamp =
        create(&ada, &json!({ "name": "Größe 5/7", "price": usd(900), "status": "active", "handle": "größe-5" }));
    let draft = create(&ada, &plain("Draft"));
    let by_handle = |product: &Value| {
        let handle = text(&product["handle"]).replace('ö', "%C3%B6").replace('ß', "%C3%9F");
        format!("{PRODUCTS}/by-handle/{}/{handle}", text(&product["owner_id"]))
    };
    for client in [&server.client(), &ada, &eve] {
        let (there, here) = (client.get(&path(&lamp)).expect(200), client.get(&by_handle(&lamp)).expect(200));
        assert_eq!((etag(&here), here.json()), (etag(&there), there.json()));
    }
    let tag = etag(&server.client().get(&by_handle(&lamp)));
    server.client().send("GET", &by_handle(&lamp), &[("if-none-match", &tag)], None).expect(304);
    ada.get(&by_handle(&draft)).expect(200);
    for (client, path) in [
        (&eve, by_handle(&draft)),
        (&server.client(), by_handle(&draft)),
        (&eve, format!("{PRODUCTS}/by-handle/{}/none", text(&lamp["owner_id"]))),
        (&eve, format!("{PRODUCTS}/by-handle/x/none")),
        (&eve, format!("{PRODUCTS}/by-handle/{}/a%00b", text(&lamp["owner_id"]))),
    ] {
        assert_problem(&client.get(&path), 404, "not-found");
    }
}

fn variants_of_a_product_are_listed(topology: Topology) {
    let server = Server::start(topology);
    let (ada, eve) = (seller(&server), seller(&server));
    let mut shirt = shirt();
    shirt["status"] = "active".into();
    let shirt = create(&ada, &shirt);
    let draft = create(&ada, &plain("Draft"));
    let of = |product: &Value| format!("{}/variants", path(product));
    for (client, shown) in [(&server.client(), false), (&eve, false), (&ada, true)] {
        let (product, variants) = (client.get(&path(&shirt)).expect(200), client.get(&of(&shirt)).expect(200));
        // Of the same version; the product is shown with its seller's name.
        let version = |answer: &Response| etag(answer).split('-').next().map(str::to_owned);
        assert_eq!(version(&variants), version(&product));
        let page = variants.json();
        assert_eq!((&page["items"], &page["next_cursor"]), (&product.json()["variants"], &Value::Null));
        for variant in page["items"].as_array().expect("items") {
            assert_eq!(variant["product_id"], shirt["id"]);
            assert_eq!(variant.get("stock").is_some(), shown);
        }
    }
    let tag = etag(&eve.get(&of(&shirt)));
    eve.send("GET", &of(&shirt), &[("if-none-match", &tag)], None).expect(304);
    ada.get(&of(&draft)).expect(200);
    assert_problem(&eve.get(&of(&draft)), 404, "not-found");
}

fn items_of_lists_carry_their_etags(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    create(&api, &json!({ "name": "Lamp", "price": usd(900), "status": "active", "stock": 3 }));
    let everyone = server.client();
    for (client, list) in [(&everyone, PRODUCTS), (&api, "/api/v2/me/products")] {
        let item = client.get(list).expect(200).json()["items"][0].clone();
        let single = client.get(&path(&item)).expect(200);
        assert_eq!(item["etag"], etag(&single), "{list}");
        assert!(single.json().get("etag").is_none());
        let fresh = [("if-none-match", item["etag"].as_str().expect("an ETag"))];
        client.send("GET", &path(&item), &fresh, None).expect(if list == PRODUCTS { 304 } else { 200 });
        patch(&api, &path(&item), item["etag"].as_str().expect("an ETag"), &json!({ "name": "Lamp" })).expect(200);
    }
}
