//! /api/v2/products: filters, orders, cursors and counts of the list.

use serde_json::{Value, json};
use testkit::{Server, Topology, on_each};

use crate::catalogue::{Row, all_active, import_rows, page};
use crate::people::{Person, register};
use crate::v1::text;
use crate::v2::{assert_invalid, walk};

on_each!(
    lists_have_what_fits_in_the_order_asked_for,
    every_wrong_parameter_is_named,
    a_cursor_is_good_for_its_own_list_only,
    a_walk_shows_what_remains_once,
    where_few_fit_pages_are_short_and_the_walk_is_whole,
);

const CATEGORIES: [&str; 3] = ["Light", "light", ""];
const TITLES: [&str; 6] = ["Lamp", "lamp", "Zebra", "Äpfel", "zoo", "9 lives"];
const STATUSES: [&str; 5] = ["active", "active", "active", "draft", "archived"];

/// Two sellers with products in two currencies, which have much in common.
fn two_sellers(server: &Server) -> [Person; 2] {
    let sellers = [register(server), register(server)];
    for (n, seller) in sellers.iter().enumerate() {
        for (currency, m) in [("USD", 0), ("EUR", 1)] {
            let texts: Vec<(String, String)> =
                (0..30).map(|i| (format!("{n}-{m}-{i}"), format!("{}.50", i * 7 % 10))).collect();
            let rows: Vec<Row<'_>> = texts.iter().enumerate().map(common).collect();
            import_rows(server, &seller.email, currency, &rows);
        }
    }
    sellers
}

fn common<'a>((i, (handle, price)): (usize, &'a (String, String))) -> Row<'a> {
    Row {
        handle,
        title: TITLES[i % 6],
        category: CATEGORIES[i % 3],
        status: STATUSES[i % 5],
        price,
        stock: u32::from(i % 4 > 0),
    }
}

/// An active product, of which nothing else matters.
fn active<'a>(handle: &'a str, title: &'a str, price: &'a str, stock: u32) -> Row<'a> {
    Row { handle, title, category: "A", status: "active", price, stock }
}

/// The parameters of a query, and what products have to be for it.
type Filter = (String, Box<dyn Fn(&Value) -> bool>);

fn filters(owner: &str) -> Vec<Filter> {
    fn amount(product: &Value) -> i64 {
        product["price"]["amount"].as_i64().expect("an amount")
    }
    fn is_in(product: &Value, currency: &str) -> bool {
        product["price"]["currency"] == currency
    }
    let owner = owner.to_owned();
    let of_owner = format!("owner_id={owner}");
    vec![
        (String::new(), Box::new(|_| true)),
        (of_owner, Box::new(move |product| product["owner_id"] == owner.as_str())),
        ("category=Light".into(), Box::new(|product| product["category"] == "Light")),
        ("in_stock=true".into(), Box::new(|product| product["in_stock"] == true)),
        ("in_stock=false".into(), Box::new(|product| product["in_stock"] == false)),
        ("currency=EUR".into(), Box::new(|product| is_in(product, "EUR"))),
        (
            "price_min=250&price_max=650".into(),
            Box::new(|product| is_in(product, "USD") && (250..=650).contains(&amount(product))),
        ),
        ("currency=EUR&price_max=350".into(), Box::new(|product| is_in(product, "EUR") && amount(product) <= 350)),
    ]
}

fn expected<'a>(everything: &'a [Value], filters: &[&Filter], sort: &str) -> Vec<&'a Value> {
    let by_price = sort.ends_with("price");
    let named = filters.iter().any(|(query, _)| query.contains("currency=EUR"));
    let currency = if named { "EUR" } else { "USD" };
    let mut found: Vec<&Value> = everything
        .iter()
        .filter(|product| filters.iter().all(|(_, fits)| fits(product)))
        .filter(|product| !by_price || product["price"]["currency"] == currency)
        .collect();
    let id = |product: &Value| text(&product["id"]);
    match sort {
        "price" => found.sort_by_key(|product| (product["price"]["amount"].as_i64(), id(product))),
        "-price" => {
            found.sort_by_key(|product| (product["price"]["amount"].as_i64(), id(product)));
            found.reverse();
        }
        "name" => found.sort_by_key(|product| (text(&product["name"]).to_lowercase().into_bytes(), id(product))),
        _ => {}
    }
    found
}

fn lists_have_what_fits_in_the_order_asked_for(topology: Topology) {
    let server = Server::start(topology);
    let [ada, _] = two_sellers(&server);
    let client = server.client();
    let everything = all_active(&client);
    assert_eq!(everything.len(), 2 * 2 * 18);
    let filters = filters(&ada.id);
    for (n, one) in filters.iter().enumerate() {
        for other in &filters[n..] {
            let both = format!("{}&{}", one.0, other.0);
            let names: Vec<&str> = both.split(['&', '=']).step_by(2).filter(|name| !name.is_empty()).collect();
            let repeated = names.iter().enumerate().any(|(n, name)| names[..n].contains(name));
            let contrary = both.contains("currency=EUR") && both.contains("650");
            if repeated || contrary {
                continue;
            }
            let given: Vec<String> =
                [&one.0, &other.0].into_iter().filter(|query| !query.is_empty()).cloned().collect();
            for sort in ["newest", "price", "-price", "name"] {
                let expected = expected(&everything, &[one, other], sort);
                let query = [&given[..], &[format!("sort={sort}")]].concat().join("&");
                let whole = page(&client, &format!("{query}&limit=100&count=exact"));
                assert_eq!(whole["items"], json!(expected), "{query}");
                assert_eq!(whole["count"], expected.len(), "{query}");
                assert_eq!(page(&client, &format!("{query}&limit=1&count=estimated"))["count"], expected.len());
                assert_eq!(json!(walk(&client, &format!("/api/v2/products?{query}"), 7)), json!(expected), "{query}");
            }
        }
    }
    assert!(page(&client, "")["count"].is_null(), "nothing is counted unless that is asked");
}

fn every_wrong_parameter_is_named(topology: Topology) {
    let server = Server::start(topology);
    let client = server.client();
    let long = format!("category={}", "ä".repeat(256));
    for (query, errors) in [
        ("in_stock=yes", &[("/in_stock", "value")][..]),
        ("in_stock=", &[("/in_stock", "value")]),
        ("owner_id=1", &[("/owner_id", "value")]),
        ("owner_id=", &[("/owner_id", "value")]),
        ("sort=cheap", &[("/sort", "value")]),
        ("sort=-newest", &[("/sort", "value")]),
        ("count=yes", &[("/count", "value")]),
        ("currency=usd", &[("/currency", "value")]),
        ("currency=XXZ", &[("/currency", "value")]),
        ("price_min=-1", &[("/price_min", "value")]),
        ("price_min=1.5", &[("/price_min", "value")]),
        ("price_max=1000000000000", &[("/price_max", "value")]),
        ("price_max=99999999999999999999", &[("/price_max", "value")]),
        ("price_min=2&price_max=1", &[("/price_max", "range")]),
        (&long, &[("/category", "value")]),
        ("status=sold", &[("/status", "value")]),
        ("sort=name&sort=name", &[("/sort", "repeated-parameter")]),
        (
            "limit=0&sort=x&in_stock=1&price_min=x&cursor=y&color=red",
            &[
                ("/color", "unknown-parameter"),
                ("/in_stock", "value"),
                ("/price_min", "value"),
                ("/sort", "value"),
                ("/limit", "value"),
                ("/cursor", "invalid-cursor"),
            ],
        ),
    ] {
        assert_invalid(&client.get(&format!("/api/v2/products?{query}")), errors);
    }
    for odd in [format!("category={}", "ä".repeat(255)), "category=%00%ff'%22".into(), "category=".into()] {
        assert_eq!(page(&client, &odd)["items"], json!([]), "{odd}");
    }
    assert_eq!(
        page(&client, "price_min=0&price_max=999999999999&owner_id=00000000-0000-0000-0000-000000000000")["items"],
        json!([])
    );
}

fn a_cursor_is_good_for_its_own_list_only(topology: Topology) {
    let server = Server::start(topology);
    let [ada, bob] = two_sellers(&server);
    let client = server.client();
    let lists = [
        String::new(),
        "sort=name".into(),
        "sort=price".into(),
        "sort=-price".into(),
        "sort=price&currency=EUR".into(),
        "sort=price&price_min=100".into(),
        "in_stock=true".into(),
        "in_stock=false".into(),
        "category=Light".into(),
        "category=light".into(),
        format!("owner_id={}", ada.id),
        format!("owner_id={}", bob.id),
    ];
    for list in &lists {
        let cursor = text(&page(&client, &format!("{list}&limit=1"))["next_cursor"]);
        for other in &lists {
            let answer = client.get(&format!("/api/v2/products?{other}&limit=2&cursor={cursor}"));
            if other == list {
                drop(answer.expect(200))
            } else {
                assert_invalid(&answer, &[("/cursor", "invalid-cursor")])
            }
        }
    }
}

/// Deletes each product that a page ended with, and imports others before and behind it.
fn a_walk_shows_what_remains_once(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let handles: Vec<String> = (0..40).map(|n| format!("p{n}")).collect();
    let rows: Vec<Row<'_>> = handles.iter().map(|handle| active(handle, handle, "5", 1)).collect();
    import_rows(&server, &ada.email, "USD", &rows);
    let client = server.client();
    for (round, sort) in ["newest", "price", "-price", "name"].into_iter().enumerate() {
        let before: Vec<String> = all_active(&client).iter().map(|product| text(&product["id"])).collect();
        let (mut seen, mut gone) = (Vec::new(), Vec::new());
        let mut query = format!("sort={sort}&in_stock=true&limit=9");
        for n in 0.. {
            let page = page(&client, &query);
            let ids = page["items"].as_array().expect("items").iter().map(|product| text(&product["id"]));
            seen.extend(ids);
            if page["next_cursor"].is_null() {
                break;
            }
            if let Some(last) = seen.last().filter(|_| n < 3) {
                ada.api.delete(&format!("/api/v1/products/{last}")).expect(200);
                gone.push(last.clone());
                let [low, high] = ["low", "high"].map(|word| format!("{word}-{round}-{n}"));
                import_rows(&server, &ada.email, "USD", &[active(&low, "a", "4", 1), active(&high, "z", "6", 1)]);
            }
            query = format!("sort={sort}&in_stock=true&limit=9&cursor={}", text(&page["next_cursor"]));
        }
        for id in before {
            assert_eq!(seen.iter().filter(|seen| **seen == id).count(), 1, "{sort}: {id}");
        }
        assert_eq!(gone.len(), 3);
    }
}

/// More products than a request looks at, of which only one of the oldest is in stock.
fn where_few_fit_pages_are_short_and_the_walk_is_whole(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    // Products of a file that are written together come in any order: the only one in stock is among the 256 oldest.
    let handles: Vec<String> = (0..2_400).map(|n| format!("p{n}")).collect();
    let rows: Vec<Row<'_>> =
        handles.iter().enumerate().map(|(n, handle)| active(handle, "A", "1", u32::from(n == 0))).collect();
    import_rows(&server, &ada.email, "USD", &rows);
    let client = server.client();
    let first = page(&client, "in_stock=true&count=exact");
    assert_eq!((&first["items"], &first["count"]), (&json!([]), &json!(1)));
    let second = page(&client, &format!("in_stock=true&cursor={}", text(&first["next_cursor"])));
    assert_eq!(second["items"][0]["handle"], "p0");
    assert_eq!(second["next_cursor"], Value::Null);
    let estimated = page(&client, "limit=1&count=estimated")["count"].as_i64().expect("a count");
    assert!((2_000..=2_400).contains(&estimated), "{estimated}");
}
