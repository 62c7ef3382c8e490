//! What is read is put back without a change: through v2 everything, through v1 at least price and stock.

use serde_json::{Map, Value, json};
use testkit::{Client, Server, Topology, on_both};

use crate::random::Random;
use crate::selling::{self, create};
use crate::v1;
use crate::v2::{change, etag, log_in, register};

on_both!(any_product_is_put_back_as_it_was_read);

/// Products that are made up for each currency.
const PRODUCTS: usize = 8;

/// What a client may write of a product that it has read.
pub fn editable(product: &Value) -> Value {
    let mut body = only(product, &["name", "description", "category", "tags", "vendor", "status", "handle", "images"]);
    let more = ["category_path", "seo_title", "seo_description", "attributes"];
    body.extend(only(product, &more));
    let variants = product["variants"].as_array().expect("variants").iter().map(|variant| {
        let fields = ["id", "options", "price", "compare_at_price", "sku", "barcode", "inventory", "backorder"];
        let mut body = only(variant, &fields);
        body.extend(only(variant, &["weight_grams", "images"]));
        Value::Object(body)
    });
    body.insert("variants".into(), variants.collect());
    Value::Object(body)
}

fn only(object: &Value, fields: &[&str]) -> Map<String, Value> {
    fields.iter().map(|field| ((*field).to_owned(), object[*field].clone())).collect()
}

fn any_product_is_put_back_as_it_was_read(topology: Topology) {
    let server = Server::start(topology);
    let email = register(&server);
    let api = log_in(&server, &email);
    let old = crate::people::log_in(&server, &email).api;
    for (seed, (currency, digits)) in [("JPY", 0), ("USD", 2), ("KWD", 3), ("CLF", 4)].into_iter().enumerate() {
        let mut random = Random::new(seed as u64 + 1);
        for number in 0..PRODUCTS {
            let product = made_up(&mut random, currency, digits, number);
            let made = create(&api, &product);
            put_back(&api, &old, &made, &format!("{currency} {number}: {product}"));
        }
    }
}

fn put_back(api: &Client, old: &Client, made: &Value, which: &str) {
    let path = selling::path(made);
    let read = api.get(&path).expect(200);
    let put = change(api, "PUT", &path, &etag(&read), &editable(&read.json()));
    assert_eq!(put.status, 200, "{which}: {}", put.text());
    assert_eq!(put.json(), read.json(), "{which}");
    // The old form posts back all that it was shown, as text.
    let path_v1 = v1::path(made);
    let shown = old.get(&path_v1).expect(200).json()["data"]["product"].clone();
    let mut form = only(&shown, &["name", "description", "price", "category"]);
    form.insert("stock".into(), shown["stock"].to_string().into());
    let put = old.put(&path_v1, &Value::Object(form));
    assert_eq!(put.status, 200, "{which}: {}", put.text());
    let after = put.json()["data"]["product"].clone();
    assert_eq!((&after["price"], &after["stock"]), (&shown["price"], &shown["stock"]), "{which}");
    assert_eq!(api.get(&path).expect(200).json(), read.json(), "{which}");
}

/// Any product that the rules let be.
fn made_up(random: &mut Random, currency: &str, digits: u32, number: usize) -> Value {
    let highest = 100_000_000 * 10_i64.pow(digits) - 1;
    let mut amount = || match random.below(4) {
        0 => 0,
        1 => highest,
        2 => random.below(1_000) as i64,
        _ => (random.below(1 << 31) as i64 * random.below(1 << 10) as i64) % highest,
    };
    let money = |amount: i64| json!({ "amount": amount, "currency": currency });
    let prices: Vec<Value> = (0..8).map(|_| money(amount())).collect();
    let count = [1, 1, 2, 3, 7][random.below(5)];
    let names = ["Size", "Farbe / Größe", "~x"];
    let width = if count == 1 { random.below(2) } else { 1 + random.below(3) };
    let variants: Vec<Value> = (0..count)
        .map(|n| {
            let options: Map<String, Value> =
                names.iter().take(width).map(|name| ((*name).to_owned(), words(random, n).into())).collect();
            let mut variant = json!({ "options": options, "price": prices[n], "stock": random.below(100) });
            if random.below(2) == 0 {
                variant["compare_at_price"] = prices[7 - n.min(6)].clone();
                variant["sku"] = words(random, n).into();
                variant["barcode"] = format!("'{n}").into();
            }
            if random.below(2) == 0 {
                let weights = ["0", "453.59237", "0.000001", "1000000000", "12"];
                let weight = weights[random.below(5)];
                variant["weight_grams"] = serde_json::from_str(weight).expect("a number");
                variant["inventory"] = "untracked".into();
                variant["backorder"] = true.into();
                variant["images"] = json!([{ "url": "https://x.example/ü?a=b#c", "alt": words(random, n) }]);
            }
            variant
        })
        .collect();
    let mut product = json!({ "name": format!("{} {number}", words(random, 0)), "variants": variants });
    if random.below(2) == 0 {
        product["name"] = "n".repeat(255).into();
        product["description"] = format!("<p>{}</p>\r\n", "ä".repeat(1_000)).into();
        product["category"] = "c".repeat(255).into();
        product["status"] = ["draft", "active", "archived", "unlisted"][random.below(4)].into();
        product["images"] = json!([{ "url": "https://x.example/1" }, { "url": "http://x.example/2", "alt": "" }]);
    }
    if random.below(2) == 0 {
        product["tags"] = json!([words(random, 1), "b", " "]);
        product["vendor"] = words(random, 2).into();
        product["category_path"] = "A > B".into();
        product["seo_title"] = "".into();
        product["seo_description"] = words(random, 3).into();
        product["attributes"] = json!({ "custom.b": "", "a": words(random, 4), "日本": "\u{1f600}" });
    }
    product
}

/// Text that differs by the number.
fn words(random: &mut Random, number: usize) -> String {
    let pieces = ["Lamp", " ", "ß", "\u{301}", "日本", "\"", ",", "\\", "<b>", "\u{1f600}", "=1+1", "'"];
    let some: String = (0..1 + random.below(5)).map(|_| pieces[random.below(pieces.len())]).collect();
    format!("{some}{number}x")
}
