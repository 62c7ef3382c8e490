//! PUT, PATCH and DELETE /api/v2/products/{id}

use serde_json::{Value, json};
use testkit::{Client, Response, Server, Topology, on_each};

use crate::selling::{PRODUCTS, administrator, create, path, plain, seller, shirt, tag, usd};
use crate::v1::NOBODY;
use crate::v2::{assert_errors, assert_invalid, assert_problem, change, delete, patch};

on_each!(
    what_is_not_a_products_is_refused,
    a_product_is_replaced,
    a_replacement_keeps_variants_and_their_stock,
    fields_are_patched,
    a_patch_without_effect_makes_no_version,
    null_clears_what_may_be_without,
    prices_are_merged_with_the_present_ones,
    a_product_of_several_variants_has_no_price_of_its_own,
    a_product_is_deleted,
    changes_name_the_version_that_they_are_based_on,
    of_many_edits_of_one_version_one_succeeds,
    of_many_edits_of_whatever_version_all_succeed,
    only_those_who_manage_a_product_change_it,
);

fn what_is_not_a_products_is_refused(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let product = create(&api, &plain("own"));
    for (field, value) in [
        ("id", json!(NOBODY)),
        ("owner_id", json!(NOBODY)),
        ("version", json!(7)),
        ("created_at", json!("2026-01-01T00:00:00Z")),
        ("updated_at", json!("2026-01-01T00:00:00Z")),
        ("in_stock", json!(true)),
        ("role", json!("admin")),
    ] {
        let mut body = plain("own");
        body[field] = value.clone();
        let pointer = format!("/{field}");
        assert_invalid(&api.post(PRODUCTS, &body), &[(&pointer, "unknown-field")]);
        assert_invalid(&change(&api, "PUT", &path(&product), "*", &body), &[(&pointer, "unknown-field")]);
        assert_invalid(&patch(&api, &path(&product), "*", &json!({ field: value })), &[(&pointer, "unknown-field")]);
    }
    // Units are changed by stock adjustments only.
    for method in ["PUT", "PATCH"] {
        let mut body = plain("own");
        body["stock"] = json!(5);
        assert_invalid(&change(&api, method, &path(&product), "*", &body), &[("/stock", "unknown-field")]);
    }
    let reserved = json!({ "name": "a", "variants": [{ "price": usd(1), "stock": { "on_hand": 1, "reserved": 0 } }] });
    assert_invalid(&api.post(PRODUCTS, &reserved), &[("/variants/0/stock", "type")]);
    let with_id = json!({ "name": "a", "variants": [{ "id": NOBODY, "price": usd(1) }] });
    assert_invalid(&api.post(PRODUCTS, &with_id), &[("/variants/0/id", "unknown-field")]);
    assert_eq!(api.get(&path(&product)).expect(200).json(), product);
}

fn a_product_is_replaced(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let mut full = plain("Lamp");
    for (field, value) in [
        ("description", json!("d")),
        ("category", json!("c")),
        ("tags", json!(["t"])),
        ("vendor", json!("v")),
        ("status", json!("active")),
        ("images", json!([{ "url": "https://a" }])),
        ("sku", json!("s")),
        ("compare_at_price", usd(5)),
    ] {
        full[field] = value;
    }
    let mut with_stock = full.clone();
    with_stock["stock"] = json!(4);
    let before = create(&api, &with_stock);
    let replaced = change(&api, "PUT", &path(&before), &tag(1), &plain("Torch")).expect(200);
    assert_eq!(replaced.header("etag"), Some(tag(2).as_str()));
    let after = replaced.json();
    for (field, value) in [
        ("description", Value::Null),
        ("category", Value::Null),
        ("tags", json!([])),
        ("vendor", Value::Null),
        ("status", json!("active")),
        ("images", json!([])),
        ("name", json!("Torch")),
        ("handle", json!("lamp")),
        ("version", json!(2)),
    ] {
        assert_eq!(after[field], value, "{field}");
    }
    let (was, is) = (&before["variants"][0], &after["variants"][0]);
    assert_eq!((&is["sku"], &is["compare_at_price"]), (&Value::Null, &Value::Null));
    assert_eq!((&is["id"], &is["stock"]), (&was["id"], &was["stock"]), "the same variant, with its stock");
    assert_eq!(api.get(&path(&before)).json(), after);
    full["status"] = json!("archived");
    change(&api, "PUT", &path(&before), &tag(2), &full).expect(200);
    // What is so already makes no version.
    let same = change(&api, "PUT", &path(&before), &tag(3), &full).expect(200);
    assert_eq!(same.header("etag"), Some(tag(3).as_str()));
    assert_invalid(&change(&api, "PUT", &path(&before), "*", &json!({ "name": "x" })), &[("/price", "required")]);
    assert_invalid(&change(&api, "PUT", &path(&before), "*", &json!({ "price": usd(1) })), &[("/name", "required")]);
}

fn a_replacement_keeps_variants_and_their_stock(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let before = create(&api, &shirt());
    let id = |position: usize| before["variants"][position]["id"].clone();
    let body = json!({ "name": "Shirt", "variants": [
        // By its options, in another order.
        { "options": { "Size": "L", "Color": "Red" }, "price": usd(1) },
        // By its id, under another name; it trades its SKU.
        { "id": id(0), "options": { "Size": "M", "Color": "Red" }, "price": usd(2), "sku": "B-S" },
        { "options": { "Size": "XL", "Color": "Red" }, "price": usd(3), "sku": "R-S" },
    ] });
    let after = change(&api, "PUT", &path(&before), &tag(1), &body).expect(200).json();
    let variants = &after["variants"];
    assert_eq!((&variants[0]["id"], &variants[0]["stock"]["on_hand"]), (&id(1), &json!(2)));
    assert_eq!((&variants[1]["id"], &variants[1]["stock"]["on_hand"]), (&id(0), &json!(1)));
    assert_eq!(variants[2]["stock"]["on_hand"], 0);
    assert!((0..3).all(|known| variants[2]["id"] != id(known)), "new");
    assert_eq!(api.get(&path(&before)).json(), after);
    for (variants, pointer, code) in [
        (json!([{ "id": NOBODY, "price": usd(1) }]), "/variants/0/id", "unknown-variant"),
        (json!([{ "id": id(2), "price": usd(1) }]), "/variants/0/id", "unknown-variant"),
        (json!([{ "price": usd(1) }, { "price": usd(1) }]), "/variants/1/options", "duplicate"),
        (json!([{ "price": usd(1), "stock": 1 }]), "/variants/0/stock", "unknown-field"),
    ] {
        let body = json!({ "name": "Shirt", "variants": variants });
        assert_invalid(&change(&api, "PUT", &path(&before), "*", &body), &[(pointer, code)]);
    }
}

fn fields_are_patched(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let product = create(&api, &plain("Lamp"));
    let mut version = 1;
    for (field, value) in [
        ("name", json!("Torch")),
        ("description", json!("d")),
        ("category", json!("c")),
        ("tags", json!(["t"])),
        ("vendor", json!("v")),
        ("status", json!("active")),
        ("handle", json!("torch")),
        ("images", json!([{ "url": "https://a", "alt": null }])),
        ("price", usd(5)),
    ] {
        let answer = patch(&api, &path(&product), &tag(version), &json!({ field: value })).expect(200);
        version += 1;
        assert_eq!(answer.header("etag"), Some(tag(version).as_str()));
        assert_eq!((&answer.json()[field], &answer.json()["version"]), (&value, &json!(version)), "{field}");
    }
    for (field, value) in [("compare_at_price", usd(9)), ("sku", json!("s")), ("barcode", json!("b"))] {
        let answer = patch(&api, &path(&product), "*", &json!({ field: value })).expect(200);
        assert_eq!(answer.json()["variants"][0][field], value, "{field}");
    }
    // All prices of a product are of one currency.
    let euros = json!({ "price": { "amount": 4, "currency": "EUR" } });
    assert_invalid(&patch(&api, &path(&product), "*", &euros), &[("/compare_at_price", "currency")]);
    let both = json!({ "price": { "amount": 4, "currency": "EUR" }, "compare_at_price": null });
    patch(&api, &path(&product), "*", &both).expect(200);
    let broken = json!({ "name": "", "tags": [""], "price": { "amount": -1, "currency": "EUR" } });
    assert_invalid(
        &patch(&api, &path(&product), "*", &broken),
        &[("/name", "length"), ("/tags/0", "length"), ("/price/amount", "range")],
    );
    let json_too = [("content-type", "application/json"), ("if-match", "*")];
    api.send("PATCH", &path(&product), &json_too, Some(br#"{"name":"Plain JSON"}"#)).expect(200);
}

fn a_patch_without_effect_makes_no_version(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let product = create(&api, &plain("Lamp"));
    for merged in [json!({}), json!({ "name": " Lamp " }), json!({ "price": usd(1_000), "category": null })] {
        let answer = patch(&api, &path(&product), &tag(1), &merged).expect(200);
        assert_eq!((answer.json(), answer.header("etag")), (product.clone(), Some(tag(1).as_str())));
    }
}

fn null_clears_what_may_be_without(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let mut body = plain("Lamp");
    let clearable = ["description", "category", "vendor", "sku", "barcode"];
    clearable.iter().for_each(|field| body[field] = json!("x"));
    let product = create(&api, &body);
    let nulls: Value = clearable.iter().map(|field| ((*field).to_owned(), Value::Null)).collect();
    let cleared = patch(&api, &path(&product), "*", &nulls).expect(200).json();
    for field in clearable {
        let holder = if ["sku", "barcode"].contains(&field) { &cleared["variants"][0] } else { &cleared };
        assert_eq!(holder[field], Value::Null, "{field}");
    }
    // A list is without items then.
    let lists = json!({ "tags": ["t"], "images": [{ "url": "https://a" }] });
    patch(&api, &path(&product), "*", &lists).expect(200);
    let emptied = patch(&api, &path(&product), "*", &json!({ "tags": null, "images": null })).expect(200).json();
    assert_eq!((&emptied["tags"], &emptied["images"]), (&json!([]), &json!([])));
    for (field, code) in [("name", "type"), ("status", "value"), ("handle", "type"), ("price", "type")] {
        let pointer = format!("/{field}");
        let answer = patch(&api, &path(&product), "*", &json!({ field: null }));
        assert_invalid(&answer, &[(&pointer, code)]);
    }
}

fn prices_are_merged_with_the_present_ones(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let at = path(&create(&api, &plain("Lamp")));
    let merge = |change: Value| patch(&api, &at, "*", &change);
    let merged = merge(json!({ "price": { "amount": 150 } })).expect(200).json();
    assert_eq!(merged["price"], usd(150));
    // The same number in another currency is another price.
    assert_invalid(&merge(json!({ "price": { "currency": "EUR" } })), &[("/price/amount", "required")]);
    let merged = merge(json!({ "price": { "amount": 150, "currency": "EUR" } })).expect(200).json();
    assert_eq!(merge(json!({ "price": {} })).expect(200).json(), merged);
    // What is not there cannot be kept.
    for (part, missing) in [(json!({ "amount": 200 }), "currency"), (json!({ "currency": "EUR" }), "amount")] {
        let pointer = format!("/compare_at_price/{missing}");
        assert_invalid(&merge(json!({ "compare_at_price": part })), &[(&pointer, "required")]);
    }
    merge(json!({ "compare_at_price": { "amount": 200, "currency": "EUR" } })).expect(200);
    let merged = merge(json!({ "compare_at_price": { "amount": 300 } })).expect(200).json();
    assert_eq!(merged["variants"][0]["compare_at_price"], json!({ "amount": 300, "currency": "EUR" }));
    for (change, pointer, code) in [
        (json!({ "price": { "amount": null } }), "/price/amount", "type"),
        (json!({ "price": { "currency": null } }), "/price/currency", "type"),
        (json!({ "price": { "cents": 1 } }), "/price/cents", "unknown-field"),
        (json!({ "compare_at_price": { "amount": null } }), "/compare_at_price/amount", "type"),
        (json!({ "compare_at_price": { "currency": "USD" } }), "/compare_at_price/amount", "required"),
        (json!({ "price": { "amount": -1 } }), "/price/amount", "range"),
    ] {
        assert_invalid(&merge(change), &[(pointer, code)]);
    }
}

fn a_product_of_several_variants_has_no_price_of_its_own(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let product = create(&api, &shirt());
    let merged = json!({ "price": usd(1), "compare_at_price": null, "sku": "x", "barcode": "y" });
    let answer = patch(&api, &path(&product), "*", &merged);
    let fields = ["/price", "/compare_at_price", "/sku", "/barcode"];
    assert_invalid(&answer, &fields.map(|field| (field, "several-variants")));
    patch(&api, &path(&product), "*", &json!({ "name": "Blouse" })).expect(200);
}

fn a_product_is_deleted(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let product = create(&api, &shirt());
    let answer = delete(&api, &path(&product), &tag(1)).expect(204);
    assert!(answer.body.is_empty());
    assert_problem(&api.get(&path(&product)), 404, "not-found");
    assert_problem(&delete(&api, &path(&product), &tag(1)), 404, "not-found");
    create(&api, &shirt());
}

fn changes_name_the_version_that_they_are_based_on(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let product = create(&api, &plain("Lamp"));
    let at = path(&product);
    let json_type = ("content-type", "application/json");
    for (method, body) in [("PUT", Some(plain("x"))), ("PATCH", Some(json!({ "name": "x" }))), ("DELETE", None)] {
        let body = body.map(|body| body.to_string());
        let body = body.as_deref().map(str::as_bytes);
        assert_problem(&api.send(method, &at, &[json_type], body), 428, "precondition-required");
        for stale in [r#""2-managed""#, r#""0-x""#, r#"W/"2-managed""#, r#""abc""#, r#""2""#, r#""2,1-managed""#] {
            let answer = api.send(method, &at, &[json_type, ("if-match", stale)], body);
            assert_problem(&answer, 412, "stale-version");
        }
        for malformed in ["", "1", "nonsense", r#""1-managed"#, r#"*, "1-managed""#, r#""1-managed", foo"#, "*, *"] {
            let answer = api.send(method, &at, &[json_type, ("if-match", malformed)], body);
            assert_problem(&answer, 400, "malformed-header");
            assert_errors(&answer, &[("/If-Match", "format")]);
        }
        let lines = [json_type, ("if-match", "\"1-managed\""), ("if-match", "1")];
        assert_problem(&api.send(method, &at, &lines, body), 400, "malformed-header");
    }
    assert_eq!(api.get(&at).json(), product);
    // Only the version counts, and a proxy that compresses makes validators weak.
    for (version, good) in
        (1..).zip([r#""1""#, r#"W/"2-managed""#, r#""0-x" , ,W/"3""#, r#""a,b", "4-any,thing""#, " * "])
    {
        let changed = patch(&api, &at, good, &json!({ "name": good })).expect(200).json();
        assert_eq!(changed["version"], version + 1, "{good}");
    }
    // The validator of what the public sees names the same version.
    patch(&api, &at, "*", &json!({ "status": "active" })).expect(200);
    let public = server.client().get(&at).expect(200).header("etag").expect("an ETag").to_owned();
    patch(&api, &at, &format!("\"7-x\", {public}"), &json!({ "name": "y" })).expect(200);
    assert_problem(&patch(&api, &at, &public, &json!({ "name": "z" })), 412, "stale-version");
}

fn of_many_edits_of_one_version_one_succeeds(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let at = path(&create(&api, &plain("Lamp")));
    for version in 1..=3 {
        let race = |n: usize| patch(&api, &at, &tag(version), &json!({ "name": format!("{version}-{n}") }));
        let answers = at_once(20, race);
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
        answers.iter().filter(|answer| answer.status != 200).for_each(|a| assert_problem(a, 412, "stale-version"));
        assert_eq!(api.get(&at).json()["version"], version + 1);
    }
}

/// Who does not care for the version is served in turn.
fn of_many_edits_of_whatever_version_all_succeed(topology: Topology) {
    let server = Server::start(topology);
    let api = seller(&server);
    let at = path(&create(&api, &shirt()));
    let sized = |size: usize| json!({ "options": { "Color": "Red", "Size": size.to_string() }, "price": usd(1) });
    at_once(40, |n| match n % 2 {
        0 => patch(&api, &at, "*", &json!({ "vendor": n.to_string() })).expect(200),
        _ => api.post(&format!("{at}/variants"), &sized(n)).expect(201),
    });
    let after = api.get(&at).json();
    assert_eq!((&after["version"], after["variants"].as_array().map(Vec::len)), (&json!(41), Some(23)));
}

fn at_once(number: usize, ask: impl Fn(usize) -> Response + Sync) -> Vec<Response> {
    std::thread::scope(|scope| {
        let ask = &ask;
        let asking: Vec<_> = (0..number).map(|n| scope.spawn(move || ask(n))).collect();
        asking.into_iter().map(|one| one.join().expect("nobody panics")).collect()
    })
}

fn only_those_who_manage_a_product_change_it(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob, admin) = (seller(&server), seller(&server), administrator(&server));
    assert_problem(&server.client().post(PRODUCTS, &plain("x")), 401, "unauthenticated");
    let tries = |api: &Client, at: &str, status: u16, code: &str| {
        assert_problem(&change(api, "PUT", at, "*", &plain("x")), status, code);
        assert_problem(&patch(api, at, "*", &json!({ "name": "x" })), status, code);
        assert_problem(&delete(api, at, "*"), status, code);
    };
    for status in ["draft", "active", "archived"] {
        let mut body = plain(status);
        body["status"] = json!(status);
        let product = create(&ada, &body);
        let at = path(&product);
        tries(&server.client(), &at, 401, "unauthenticated");
        match status {
            "active" => tries(&bob, &at, 403, "forbidden"),
            _ => tries(&bob, &at, 404, "not-found"),
        }
        assert_eq!(ada.get(&at).json(), product);
        let changed = patch(&admin, &at, &tag(1), &json!({ "name": "by admin" })).expect(200).json();
        assert_eq!((&changed["owner_id"], &changed["name"]), (&product["owner_id"], &json!("by admin")));
        delete(&admin, &at, &tag(2)).expect(204);
    }
    for absent in [NOBODY, "1", "%00"] {
        tries(&ada, &format!("{PRODUCTS}/{absent}"), 404, "not-found");
    }
}
